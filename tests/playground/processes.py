"""A playground and its tiny bot, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.driver import ENVIRONMENT
from tests.driver.client import PlaygroundClient, read_port

BOT = Path(__file__).with_name("tiny_bot.py")


class Server:
    """A playground in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name != "PORT"}
        env = inherited | ENVIRONMENT | {"DATA_DIR": str(folder)}
        command = [sys.executable, "-m", "playground", "--port", "0", "--port-file", str(port_file), *options]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        self.url = f"http://127.0.0.1:{read_port(port_file)}"
        self.client = PlaygroundClient(self.url)

    def stop(self) -> int:
        return _stop(self.process, signal.SIGTERM)


class Bot:
    """The tiny bot in a process of its own."""

    def __init__(self, url: str, log: Path) -> None:
        with log.open("w") as out:
            command = [sys.executable, str(BOT), url, "a-token"]
            self.process = subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        _stop(self.process, signal.SIGKILL)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    if process.poll() is None:
        process.send_signal(number)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A playground that keeps nothing; it must end in order."""
    server = Server(folder, "--forget")
    yield server
    assert server.stop() == 0


@contextmanager
def online(server: Server, folder: Path) -> Iterator[PlaygroundClient]:
    """The playground with the tiny bot online; afterwards it is as before."""
    bot = Bot(server.url, folder / "log")
    try:
        server.client.wait_for_bot()
        yield server.client
    finally:
        bot.kill()
        server.client.wait_for(lambda: not server.client.world().bot_online)
