"""Starts the launcher as a process of its own and looks at what it does and leaves."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from tests.processes import as_from_a_terminal, living, wait_until

ROOT = Path(__file__).parents[2]
PART = Path(__file__).with_name("part_program.py")
_MARK = "GALVANIC_TEST_MARK"


class Run:
    """A run of the launcher with stand-in parts, each known by a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.journal = folder / "journal"
        self.journal.touch()
        self._output = folder / "output"
        self._mark = uuid.uuid4().hex
        self._processes: list[subprocess.Popen[bytes]] = []

    def part(self, name: str, behaviour: str = "steady", stage: int = 30, **fields: Any) -> dict[str, Any]:
        """The fields of a stand-in part."""
        command = [sys.executable, str(PART), str(self.journal), name, behaviour]
        return {"name": name, "command": command, "stage": stage, **fields}

    def start(
        self,
        parts: Iterable[dict[str, Any]],
        *,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start the launcher."""
        command = [sys.executable, "-m", "tests.launcher.stand_in", str(self.data), json.dumps(list(parts))]
        with self._output.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, _MARK: self._mark},
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=as_from_a_terminal,
            )
        self._processes.append(process)
        return process

    @property
    def output(self) -> str:
        """What all launchers of this run have printed."""
        return self._output.read_text("utf-8")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until `text` was printed."""
        try:
            wait_until(lambda: self.output.count(text) >= times)
        except AssertionError:
            raise AssertionError(f"{text!r} was not printed. Printed was:\n{self.output}") from None

    def journal_entries(self) -> list[tuple[str, str, int]]:
        """What happened, the part's name and its process id, in order."""
        lines = [line.split() for line in self.journal.read_text("utf-8").splitlines()]
        return [(what, name, int(pid)) for what, name, pid in lines]

    def journal_lines(self, what: str) -> list[tuple[str, int]]:
        """Name and process id of each entry of one kind, in order."""
        return [(name, pid) for kind, name, pid in self.journal_entries() if kind == what]

    def pid(self, name: str) -> int:
        """Process id of the last start of a part."""
        return [pid for other, pid in self.journal_lines("start") if other == name][-1]

    def kill(self, pid: int) -> None:
        """Kill one process of a part."""
        os.kill(pid, signal.SIGKILL)

    def living(self) -> list[psutil.Process]:
        """Every process of this run that still lives."""
        return living(_MARK, self._mark)

    def wait_for_nothing_left(self) -> None:
        """Wait until no process of this run is left."""
        wait_until(lambda: not self.living())

    def close(self) -> None:
        """Kill what a failed test left."""
        for process in self.living():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        for started in self._processes:
            started.wait()


def all_up(run: Run) -> None:
    """Wait until every part runs and has set its signal handlers: to the launcher it is up once it was started."""
    run.wait_for("all parts are up")
    wait_until(lambda: len({name for name, _ in run.journal_lines("start")}) >= run.output.count("... ok"))
