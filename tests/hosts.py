"""Workers as on hosts of their own: each a process with its own data folder; Redis and the model store are shared."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from shared.jobs import TRAIN_QUEUE
from shared.settings import Settings


class Host:
    """A worker on a host.

    Args:
        data: its data folder; no other host sees it.
        queue: what it serves.
        environment: its settings.
    """

    def __init__(self, data: Path, queue: str, **environment: str) -> None:
        self.data = data
        self.queue = queue
        self.name = data.name
        data.mkdir(parents=True, exist_ok=True)
        self._environment = environment | {"DATA_DIR": str(data), "WORKER_NAME": data.name}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; does not wait."""
        own = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", "serve", self.queue],
                cwd=Path(__file__).parent.parent,
                env=own | self._environment,
                stdout=log,
                stderr=log,
            )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Signal it and wait for its end; a kill is one of the whole host."""
        if self.process is None or self.process.poll() is not None:
            return
        children = psutil.Process(self.process.pid).children(recursive=True) if number == signal.SIGKILL else []
        for process in (*children, psutil.Process(self.process.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        self.process.wait(60)

    def log(self) -> str:
        """What it has logged; nothing before it is started."""
        path = self.data / "log"
        return path.read_text("utf-8", errors="replace") if path.exists() else ""


def hosts(folder: Path, train: int, generate: int, **environment: str) -> list[Host]:
    """So many of each, not started."""
    made = [Host(folder / f"train{number}", TRAIN_QUEUE, **environment) for number in range(train)]
    return made + [Host(folder / f"generate{number}", "generate", **environment) for number in range(generate)]
