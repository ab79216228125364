"""The real parts - Redis, playground, bot and workers - and how each shows that it is ready."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import redis

from galvanic.errors import UserError
from launcher.parts import Folders, Part, Plan, Stage
from launcher.preflight import HOST, cannot_bind, choose_port
from launcher.redis_server import own_redis
from shared import keys
from shared.connect import connect_once, explain
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import BOT, EXPIRY_S, TROUBLE, alive
from shared.settings import Settings

_PROBE_S = 1.0
_ASK_S = 60
_NVIDIA_TOOLS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
_LAST_PORT = 65_535

Say = Callable[[str], None]


class Presence:
    """Whether a service has come since `ready` was first asked: an earlier run may have left its own in Redis."""

    def __init__(self, client: redis.Redis, service: str, at_least: int = 1) -> None:
        """`service`: `bot`, or the queue that it serves. `at_least`: processes of it."""
        self.name = ""  # of the one that came first
        self._client = client
        self._key = keys.workers(service)
        self._at_least = at_least
        self._since: float | None = None

    def ready(self) -> bool:
        self._since = self._since or time.time()
        try:
            fresh = cast(list[bytes], self._client.zrangebyscore(self._key, self._since + EXPIRY_S, "+inf"))
        except redis.RedisError:
            return False
        if fresh:
            self.name = fresh[0].decode()
        return len(fresh) >= self._at_least


class Trouble:
    """What keeps the bot from Discord, as it says itself; while Redis is away, what it said last."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._said: str | None = None

    def said(self) -> str | None:
        with contextlib.suppress(redis.RedisError):
            self._said = next(iter(alive(self._client, TROUBLE)), None)
        return self._said


def system_plan(settings: Settings, folders: Folders, sockets: Path, say: Say) -> Plan:
    """`say` takes remarks for the person. Raises UserError: the port or Redis cannot be had."""
    environment = {"DATA_DIR": str(folders.data)}
    bots_own: dict[str, str] = {}
    parts: list[Part] = []
    if settings.redis_url is None:
        settings, server = own_redis(settings, folders, sockets)
        environment["REDIS_URL"] = settings.redis_address
        parts.append(server)
    client = connect_once(settings, _PROBE_S)
    if not parts:
        try:
            client.ping()
        except redis.RedisError as error:
            found = explain(error, settings)
            remedy = f"{found.remedy} Without REDIS_URL, Galvanic starts a Redis of its own."
            raise UserError(found.problem, remedy) from error
    redis_first = tuple(part.name for part in parts)

    bot = Presence(client, BOT)
    announce = lambda: f"Galvanic is on Discord as {bot.name}"  # noqa: E731
    if not (settings.discord_token and settings.discord_token.get_secret_value().strip()):
        if find_spec("simcord") is None:
            remedy = "Put DISCORD_TOKEN into .env, or install it: `make clean install`."
            raise UserError("There is no token for Discord, and the playground isn't installed.", remedy)
        # By its environment, which only this account can read; other parts need no token.
        bots_own = {"DISCORD_TOKEN": secrets.token_urlsafe(24)}
        playground, address = _playground(settings, environment, bots_own, folders, say)
        parts.append(playground)
        announce = lambda: f"playground: {address}"  # noqa: E731
    parts += [
        Part(
            "bot",
            (sys.executable, "-m", "bot"),
            Stage.BOT,
            needs=tuple(part.name for part in parts),
            ready=bot.ready,
            trouble=Trouble(client).said,
            stop_wait_s=15,
            environment=bots_own,
        ),
        Part(
            GENERATE_QUEUE,
            (sys.executable, "-m", "worker", "serve", GENERATE_QUEUE),
            Stage.GENERATE,
            needs=redis_first,
            ready=Presence(client, GENERATE_QUEUE).ready,
            stop_wait_s=15,
        ),
        *train_parts(client, worker_options(settings, say), redis_first),
    ]
    parts = with_metrics_ports(parts, settings, say)
    return Plan(tuple(parts), environment, announce, ("bot",), (GENERATE_QUEUE, TRAIN_QUEUE))


def _playground(
    settings: Settings, environment: dict[str, str], bots_own: Mapping[str, str], folders: Folders, say: Say
) -> tuple[Part, str]:
    """Plan the playground; return it and the address that opens it.

    `environment` gets what every part must know of it. `bots_own`: the environment that it and the bot share.
    """
    port, remark = choose_port(settings)
    if remark:
        say(remark)
    at = f"{HOST}:{port}"
    environment |= {
        "PORT": str(port),
        "DISCORD_API_URL": f"http://{at}/api/v10",
        "DISCORD_GATEWAY_URL": f"ws://{at}/gateway",
    }
    if "channel_training" not in settings.model_fields_set:
        # Its people are invented: nobody is asked for anything, and learning from a channel can be tried.
        environment["CHANNEL_TRAINING"] = "opt-in"
    url = f"http://{at}/"
    # A new one at each start: while nothing listens here, another account can, and an open tab would show it this one.
    token = secrets.token_urlsafe(16)
    # Written once it listens: another checkout's may answer at this address.
    listens = folders.run / "playground.port"
    listens.unlink(missing_ok=True)
    playground = Part(
        "playground",
        (sys.executable, "-m", "playground", "--port-file", str(listens)),
        Stage.PLAYGROUND,
        ready=lambda: listens.exists() and _serves(url),
        vital=True,
        environment={**bots_own, "GALVANIC_PLAYGROUND_TOKEN": token},
    )
    return playground, f"{url}?token={token}"


def _serves(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(url, timeout=_PROBE_S).close()
    except urllib.error.HTTPError as error:
        error.close()  # it asks for the token
    except OSError:
        return False
    return True


def train_parts(client: redis.Redis, options: Sequence[tuple[str, ...]], needs: tuple[str, ...]) -> list[Part]:
    """The train workers, `train`, `train-2`, and so on, each with the options of its own command line."""
    return [
        Part(
            TRAIN_QUEUE if number == 1 else f"{TRAIN_QUEUE}-{number}",
            (sys.executable, "-m", "worker", "serve", TRAIN_QUEUE, *own),
            Stage.TRAIN,
            needs=needs,
            ready=Presence(client, TRAIN_QUEUE, at_least=number).ready,
            stop_wait_s=30,
            stop_note="saving the running training, if there is one ...",
            nice=10,  # a training gives way to whatever else the machine does
        )
        for number, own in enumerate(options, start=1)
    ]


def worker_options(settings: Settings, say: Say) -> list[tuple[str, ...]]:
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


def with_metrics_ports(parts: Sequence[Part], settings: Settings, say: Say) -> list[Part]:
    """Give the bot METRICS_PORT, generate the next, then the train workers. Raises UserError: not enough ports."""
    first, host = settings.metrics_port, settings.metrics_host
    if first is None:
        return list(parts)
    ours = sorted((part for part in parts if part.stage >= Stage.BOT), key=lambda part: part.stage)
    if first + len(ours) - 1 > _LAST_PORT:
        raise UserError(
            f"METRICS_PORT={first} leaves no room: {len(ours)} processes need a port each.", "Choose a smaller one."
        )
    ports = {part.name: first + number for number, part in enumerate(ours)}
    told = [
        f"{name} http://{host}:{port}/metrics{' (taken by another program)' if cannot_bind(host, port) else ''}"
        for name, port in ports.items()
    ]
    say(f"metrics: {', '.join(told)}")
    own = {name: {"METRICS_PORT": str(port)} for name, port in ports.items()}
    return [replace(part, environment={**part.environment, **own.get(part.name, {})}) for part in parts]
