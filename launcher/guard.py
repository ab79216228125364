"""Become another program that does not outlive its parent: `guard.py SIGNAL NICE DIRECTORY PROGRAM [ARGUMENT...]`.

Only Linux has this (`prctl(PR_SET_PDEATHSIG)`, prctl(2)); elsewhere the program is just started. Run by path with
`python -I -S`, so it imports the standard library alone and costs a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys

PARENT_VARIABLE = "GALVANIC_GUARD_PARENT"
"""Holds the process id that a guarded program must be a child of; each guard sets its own for its children."""
_PR_SET_PDEATHSIG = 1


def die_with_parent(death_signal: int) -> None:
    """Ask for a signal when the thread that started this process ends; kept over `execve`, not `fork`. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # absent from some minimal builds of Python, and needed on Linux alone

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def main(death_signal: str, nice: str, directory: str, *program: str) -> None:
    die_with_parent(signal.Signals[death_signal])
    # A parent that died before the call above sends nothing any more.
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None and os.getppid() != int(parent):
        sys.exit("guard: the parent is gone")
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    os.nice(int(nice))
    os.chdir(directory)
    os.execvp(program[0], program)  # noqa: S606 - becoming another program is the purpose


if __name__ == "__main__":
    main(*sys.argv[1:])
