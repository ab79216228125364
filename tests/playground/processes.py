"""A playground and its tiny bot, each in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.driver import BOT_TOKEN, ENVIRONMENT
from tests.driver.client import PlaygroundClient

BOT = Path(__file__).with_name("tiny_bot.py")


class Server:
    """A playground in a process of its own."""

    def __init__(self, folder: Path, port: str = "0", **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name != "PORT"}
        env = inherited | ENVIRONMENT | {"DATA_DIR": str(folder), "DISCORD_TOKEN": BOT_TOKEN} | variables
        command = [sys.executable, "-m", "playground", "--port", port]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        self.client = PlaygroundClient(printed_address(folder / "log"))
        self.url = self.client.url

    def stop(self) -> int:
        return _stop(self.process, signal.SIGTERM)


class Bot:
    """The tiny bot in a process of its own."""

    def __init__(self, url: str, log: Path) -> None:
        with log.open("w") as out:
            command = [sys.executable, str(BOT), url, BOT_TOKEN]
            self.process = subprocess.Popen(command, cwd=log.parent, stdout=out, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        _stop(self.process, signal.SIGKILL)


def printed_address(log: Path) -> str:
    """The address that a playground prints once it listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(r"^playground: (\S+)$", log.read_text("utf-8"), re.MULTILINE):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no address: {log.read_text('utf-8')}")


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
    """A playground, which must end in order."""
    server = Server(folder)
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
