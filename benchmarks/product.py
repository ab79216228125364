"""Start the product's processes as the launcher does, on a folder and a port of their own."""

import contextlib
import hashlib
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from galvanic.options import CorpusInfo
from launcher.parts import Part
from launcher.preflight import prepare_folders, sockets_folder
from launcher.system import system_plan
from shared import keys
from shared.connect import connect
from shared.settings import Settings
from shared.version import DATA_VERSION
from tests import factories
from tests.driver import ENVIRONMENT
from tests.driver.client import WorldInfo
from tests.registered import register

_START_S = 60.0
_LOOK_EVERY_S = 0.02
_PROBED = (sys.executable, "-m", "benchmarks.loop_probe", "--to")


class StartError(RuntimeError):
    """A process of the product did not start."""


@dataclass
class Running:
    """A process of the product, and its log.

    Attributes:
        begun: when it was started, by the monotonic clock.
        ready: set as soon as it logs `ready`, at `ready_at`.
    """

    part: Part
    process: subprocess.Popen[str]
    begun: float
    ready: threading.Event = field(default_factory=threading.Event)
    ready_at: float = 0.0
    last: str = ""

    def read(self, log: Path) -> None:
        """Copy its output into its log, until it ends."""
        assert self.process.stdout is not None
        with log.open("a", encoding="utf-8") as out, self.process.stdout as output:
            for line in output:
                if '"event": "ready"' in line and not self.ready.is_set():
                    self.ready_at = time.monotonic()
                    self.ready.set()
                out.write(line)
                self.last = line

    def stop(self) -> None:
        """Stop it, and kill it if it does not stop."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(self.part.stop_wait_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Product:
    """The processes of the product: Redis, the playground, the bot and the workers, as far as they are started.

    Args:
        folder: a folder, which is made, for all files.
        environment: settings.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folders = prepare_folders(folder)
        self._exit_stack = contextlib.ExitStack()
        sockets = self._exit_stack.enter_context(sockets_folder(self.folders))
        inherited = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DISCORD_TOKEN")}
        own = {"DATA_DIR": str(folder), **ENVIRONMENT, **environment}
        settings = Settings(_env_file=None, data_dir=folder, redis_url=None, discord_token=None, PORT=0)
        plan = system_plan(settings, self.folders, sockets, lambda _: None)
        self._parts = {part.name: part for part in plan.parts}
        self.environment = {**inherited, **own, **plan.environment}
        self.address = plan.announce().removeprefix("playground: ")
        self.settings = settings.model_copy(update={"redis_url": None})
        self._running: dict[str, Running] = {}

    def start(self, name: str, *, probe: Path | None = None) -> Running:
        """Start a part and wait until it is ready.

        Args:
            name: the part's name.
            probe: the file for the pauses of its event loop (of the bot).

        Raises:
            StartError: it ended, or was not ready in time.
        """
        part = self._parts[name]
        if name == "bot":
            # Its log event gives the exact time; its entry in Redis is only polled.
            running = self._spawn(part, part.command if probe is None else (*_PROBED, str(probe)))
            self._wait(running, running.ready.is_set)
        else:
            running = self._spawn(part, part.command)
            self._wait(running, part.ready)
        return running

    def start_idle_probe(self, to: Path) -> Running:
        """Start a process that only measures its own event loop."""
        part = Part("idle", (*_PROBED, str(to), "--idle"), self._parts["bot"].stage)
        return self._spawn(part, part.command)

    def stop(self, name: str) -> None:
        """Stop a part."""
        self._running.pop(name).stop()

    def _spawn(self, part: Part, command: tuple[str, ...]) -> Running:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=self.folders.data,  # so that no .env of the checkout is read
            env={**self.environment, **part.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if part.nice:
            os.setpriority(os.PRIO_PROCESS, process.pid, part.nice)
        running = self._running[part.name] = Running(part, process, begun)
        threading.Thread(target=running.read, args=(self.folders.logs / f"{part.name}.log",), daemon=True).start()
        return running

    def _wait(self, running: Running, ready: Any) -> None:
        while not ready():
            if running.process.poll() is not None:
                raise StartError(f"{running.part.name} ended with {running.process.returncode}: {running.last.strip()}")
            if time.monotonic() - running.begun > _START_S:
                raise StartError(f"{running.part.name} was not ready after {_START_S:g} s")
            time.sleep(_LOOK_EVERY_S)

    @property
    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run, by the names of their parts."""
        return {name: running.process.pid for name, running in self._running.items()}

    def redis(self) -> redis.Redis:
        """Connect to the running Redis."""
        return connect(self.settings)

    def add_model(
        self, folder: Path, name: str, world: WorldInfo, channels: list[str], corpus: CorpusInfo, guild: str
    ) -> None:
        """Put a model into store and registry, and make it the current model of some channels.

        Args:
            folder: the model's file.
            name: its name in the registry.
            world: that of the playground. Ada becomes the model's owner, in the first of the channels.
            channels: ids of the channels.
            corpus: the facts about its text.
            guild: key of its server.
        """
        from galvanic.model_file import describe

        shapes = describe(folder).network.shapes()
        model_id = hashlib.sha256(name.encode()).hexdigest()[:24]
        place = self.folders.data / "models" / f"{model_id}.safetensors"
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(folder, place)
        record = factories.record(
            model_id=model_id,
            name=name,
            guild_id=int(world.guilds[guild]),
            channel_id=int(channels[0]),
            owner_id=int(world.users["ada"]),
            corpus=corpus,
            corpus_title=corpus.title,
            corpus_chars=corpus.chars,
            file_bytes=place.stat().st_size,
            parameters=sum(math.prod(shape) for shape in shapes.values()),
        )
        with self.redis() as client:
            client.set(keys.VERSION, DATA_VERSION, nx=True)
            register(client, record)
            for channel_id in channels:
                client.hset(keys.channel(int(channel_id)), "model", model_id)

    def close(self) -> None:
        """Stop everything, Redis last."""
        for running in sorted(self._running.values(), key=lambda running: running.part.stage, reverse=True):
            running.stop()
        self._running.clear()
        self._exit_stack.close()


@contextlib.contextmanager
def started(folder: Path, environment: Mapping[str, str]) -> Iterator[Product]:
    """Make a product, and stop all its processes after the block."""
    product = Product(folder, environment)
    try:
        yield product
    finally:
        product.close()
