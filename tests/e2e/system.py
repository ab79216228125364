"""The whole product in its own processes, as `make run` starts it, and a hand to drive it."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import redis

from galvanic.options import TrainOptions
from shared.models import ModelRecord
from tests import factories
from tests.driver import ENVIRONMENT
from tests.driver.client import Message, PlaygroundClient, text_of
from tests.e2e.texts import harbour
from tests.processes import living
from tests.registered import register
from tests.s3 import free_port

FIXTURES = Path(__file__).parent.parent / "fixtures" / "models"
START_S = 90
ANSWER_S = 60
TRAIN_S = 400


class System:
    """`python -m launcher` on a data folder, a texts folder and a port of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.corpora = folder / "corpora"
        self.corpora.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._environment = environment
        self.process: subprocess.Popen[str] | None = None
        self.output: list[str] = []
        self.client = PlaygroundClient(f"http://127.0.0.1:{self.port}")

    def start(self) -> float:
        """Start everything and wait for the address line; returns the seconds that took."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o022,  # as on most machines
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        if not ready.wait(START_S) or self.process.poll() is not None:
            raise AssertionError("no address line:\n" + "".join(self.output))
        took = time.monotonic() - began
        self.client.wait_for_bot(START_S)
        self.wait_for_greetings()
        return took

    def wait_for_greetings(self) -> None:
        """Wait for what the bot says by itself: no test is to take it for its answer."""
        for channel in ("lab", "atrium"):
            self.client.wait_for_message(channel=channel)

    def command(self) -> list[str]:
        """What starts everything."""
        # It ends with the tests, however they end.
        return [sys.executable, str(Path(__file__).with_name("controlled.py"))]

    @property
    def view(self) -> Path:
        """Where the data folder can be looked into."""
        return self.data

    def seen(self, place: str) -> str:
        """A path or address in the data folder, as it is seen from outside."""
        return place.replace(str(self.data), str(self.view))

    @property
    def environment(self) -> dict[str, str]:
        """What its launcher sees."""
        own = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DISCORD_TOKEN")}
        # A test asks faster than a person; those of the cooldowns set their own.
        own |= {f"{what}_COOLDOWN_S": "0" for what in ("TRAIN", "GENERATE", "CHAT")}
        own |= {"TRAIN_JOBS_PER_USER": "50", "TRAIN_JOBS_PER_SERVER": "50", "TRAIN_MAX_EPOCHS": "99999"}
        own |= {"DATA_DIR": str(self.data), "CORPORA_DIR": str(self.corpora), "PORT": str(self.port)}
        return own | ENVIRONMENT | self._environment

    def launcher(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the launcher on the same data folder, to its end."""
        command = [sys.executable, "-m", "launcher", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=START_S
        )

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.output.append(line)
                if found := re.match(r"playground: (http://127\.0\.0\.1:\d+/\S+)", line):
                    self.client.open(found[1])
                    ready.set()
        if not ready.is_set():  # it ended: waiting longer would not help
            self.output.append(self.logs())
            ready.set()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the launcher and wait for its end; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(150)

    def close(self) -> None:
        """Let nothing of it go on running, whether it was started or not."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for process in self.processes():
            process.kill()

    def processes(self) -> list[psutil.Process]:
        """Every process that works on this data folder."""
        return living("DATA_DIR", self.data)

    def part(self, *words: str) -> list[psutil.Process]:
        """The processes whose command line has all these words, oldest first."""
        found = []
        for process in self.processes():
            try:
                if set(words) <= set(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return sorted(found, key=lambda process: process.create_time())

    def stop_part(self, name: str) -> None:
        """Stop one part and wait for its end; it stays away."""
        hold, held = (self.view / "run" / f"{name}.{word}" for word in ("hold", "held"))
        held.unlink(missing_ok=True)
        hold.touch()
        self.client.wait_for(held.exists, ANSWER_S, f"the end of {name}")

    def start_part(self, name: str) -> None:
        """Start one part again."""
        (self.view / "run" / f"{name}.hold").unlink(missing_ok=True)

    def logs(self) -> str:
        """The end of each part's log, for a failed test."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3_000:]}"
            for path in sorted((self.view / "logs").glob("*.log"))
        )

    @property
    def redis(self) -> redis.Redis:
        """The Redis of the running system."""
        return redis.Redis.from_url(self.seen((self.view / "run" / "redis.url").read_text().strip()))

    def add_model(self, name: str, *, fixture: str = "char", current: bool = True, **changes: Any) -> ModelRecord:
        """A tiny model of `tests/fixtures`, as if it had been trained in #lab by Ada: no test need wait for that.

        Args:
            name: of the model; also what its id is made of.
            fixture: `char`, `word` or `classic`.
            current: make it the current model of the channel that it belongs to.
            changes: fields of the record that are to be others.
        """
        world = self.client.world()
        model_id = hashlib.sha256(name.encode()).hexdigest()[:24]
        (self.view / "models").mkdir(exist_ok=True)
        shutil.copy(FIXTURES / f"{fixture}.safetensors", self.view / "models" / f"{model_id}.safetensors")
        fields = {
            "model_id": model_id,
            "name": name,
            "guild_id": int(world.guild_id),
            "channel_id": int(world.channels["lab"]),
            "owner_id": int(world.users["ada"]),
            "recipe": fixture,
            "corpus": factories.corpus(name=name, title="Tide", source="catalogue"),
            "corpus_title": "Tide",
            "options": TrainOptions(recipe=fixture),
            "copy_share": 0.03,
        }
        with self.redis as client:
            return register(client, factories.record(**{**fields, **changes}), current=current)

    # ------------------------------------------------------------------ what a person does

    def ask(self, content: str, *, timeout: float = ANSWER_S, **options: Any) -> Message:
        """Write a message and wait for the bot's first answer to it."""
        sent = self.client.send(content, **options)
        where = {name: options[name] for name in ("person", "channel") if name in options}
        return self.client.wait_for(lambda: self.answer_to(sent["id"], **where), timeout, f"an answer to {content!r}")

    def answer_to(self, message_id: str, **where: Any) -> Message | None:
        """The bot's first message after another."""
        bot = self.client.world().bot_user_id
        later = self.client.messages(after=message_id, **where)
        return next((message for message in later if message["author"]["id"] == bot), None)

    def wait_for_card(self, card: Message, *words: str, timeout: float = TRAIN_S, **where: Any) -> Message:
        """Wait until a card shows all the words."""

        def shown() -> Message | None:
            message = self.client.message(card["id"], **where)
            return message if message and all(word in text_of(message) for word in words) else None

        return self.client.wait_for(shown, timeout, f"{words} on the card")


@contextlib.contextmanager
def prepared(folder: Path, kind: type[System] = System, **environment: str) -> Iterator[System]:
    """A system that knows the text `harbour`, and may be started; nothing is left of it afterwards."""
    # No test reaches the internet: the mirrors are a closed port.
    closed = f'["https://127.0.0.1:{free_port()}/{{number}}.txt"]'
    system = kind(folder, GUTENBERG_MIRRORS=closed, **environment)
    (system.corpora / "harbour.txt").write_text(harbour(), encoding="utf-8")
    try:
        yield system
    finally:
        system.close()


def started(folder: Path, kind: type[System] = System, **environment: str) -> Iterator[System]:
    """Run a system as `prepared`, for a fixture."""
    with prepared(folder, kind, **environment) as system:
        system.start()
        yield system


def field_of(message: Message, name: str) -> str:
    """A field of a card."""
    value: str = next(field["value"] for field in message["embeds"][0]["fields"] if field["name"] == name)
    return value
