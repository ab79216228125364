"""The launcher's command line, and what surrounds a run: folders, lock, cleaning up."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from launcher.backup import BACKUP, RESTORE, run_backup
from launcher.monitor import Monitor, say
from launcher.parts import Folders, Plan
from launcher.preflight import Lock, prepare_folders, sockets_folder
from launcher.supervisord import StartError, Supervisord
from launcher.system import system_plan
from shared.errors import UserError
from shared.settings import read_settings

Planner = Callable[[Folders, Path], Plan]
"""Makes the plan, given the data folder and a folder for sockets."""


def run_plan(data: Path, planner: Planner, *, with_parent: bool = False) -> int:
    """Run until stopped; return the exit code (see `Monitor.run`). `with_parent`: stop when our parent is gone.

    Raises UserError: something stands in the way that a person can mend; StartError: supervisord did not start.
    """
    folders = prepare_folders(data)
    with Lock(folders) as lock:
        sockets = sockets_folder(folders)
        try:
            plan = planner(folders, sockets)
            return Monitor(plan, folders, Supervisord(plan, folders, sockets), lock, with_parent=with_parent).run()
        finally:
            (folders.run / "redis.url").unlink(missing_ok=True)
            if sockets != folders.run:
                shutil.rmtree(sockets)


def reporting(run: Callable[[], int]) -> int:
    """Print errors; return `run`'s exit code, or 2: a person must mend something, 1: no supervisord, 130: Ctrl-C."""
    try:
        return run()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except StartError as error:
        print(f"error: the process manager did not start:\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run_from_command_line(arguments: list[str]) -> int:
    """Return the exit code (see `reporting`)."""
    os.umask(0o077)  # what people write is in nearly all that is written from here on
    if arguments[:1] in ([BACKUP], [RESTORE]):
        return reporting(lambda: run_backup(arguments))
    parser = argparse.ArgumentParser(prog="python -m launcher", description="Run every part on this machine.")
    parser.add_argument("--with-parent", action="store_true", help="stop when the program that started this one ends")
    options = parser.parse_args(arguments)

    def run() -> int:
        settings = read_settings()
        return run_plan(
            settings.data_dir,
            lambda folders, sockets: system_plan(settings, folders, sockets, say),
            with_parent=options.with_parent,
        )

    return reporting(run)
