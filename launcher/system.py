"""Plan the real parts: Redis, playground, bot and workers, and how each shows that it is ready."""

import functools
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import redis

from galvanic.errors import UserError
from galvanic.host import cores
from launcher.parts import Folders, Part, Plan, Stage
from launcher.preflight import HOST, choose_port
from launcher.redis_server import own_redis
from shared.connect import connect_once, explain
from shared.hardware import usable_gpus
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.presence import BOT, TROUBLE, alive
from shared.settings import Settings, for_children

_PROBE_S = 1.0

Say = Callable[[str], None]
Find = Callable[[str], list[str]]
"""(`bot` or a queue) -> names of its processes"""


def find_since(client: redis.Redis, moment: float, service: str) -> list[str]:
    """Return the names of a service's processes that came after a moment; none while Redis is away.

    An earlier run may have left its own in Redis.
    """
    try:
        return alive(client, service, moment)
    except redis.RedisError:
        return []


def system_plan(settings: Settings, folders: Folders, sockets: Path, say: Say) -> Plan:
    """Plan which processes to run. `say` prints a line. Raises UserError: the page's port or Redis can't be used."""
    environment = {**for_children(), "DATA_DIR": str(folders.data)}
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
            explained = explain(error, settings)
            remedy = f"{explained.remedy} Without REDIS_URL, Galvanic starts a Redis of its own."
            raise UserError(explained.problem, remedy) from error

    find = functools.partial(find_since, client, time.time())
    announce = lambda: f"Galvanic is on Discord as {next(iter(find(BOT)), '')}"  # noqa: E731
    token = settings.discord_token.get_secret_value().strip() if settings.discord_token else ""
    # By its environment, which only this account can read; other parts need no token.
    bots_own = {"DISCORD_TOKEN": token or secrets.token_urlsafe(24)}
    if not token:
        if find_spec("simcord") is None:
            remedy = "Put DISCORD_TOKEN into .env, or install it: `make clean install`."
            raise UserError("There is no token for Discord, and the playground isn't installed.", remedy)
        if Path(".env").exists():
            say("No DISCORD_TOKEN in .env, so this is the playground.")
        playground, address = _playground(settings, environment, bots_own, folders, say)
        parts.append(playground)
        announce = lambda: f"playground: {address}"  # noqa: E731
    parts += [
        Part(
            "bot",
            (sys.executable, "-m", "bot"),
            Stage.BOT,
            ready=lambda: bool(find(BOT)),
            trouble=lambda: next(iter(find_since(client, 0.0, TROUBLE)), None),
            stop_wait_s=15,
            environment=bots_own,
        ),
        _worker(find, GENERATE_QUEUE, stop_wait_s=15),
    ]
    for number, share in enumerate(shares(settings, say), start=1):
        # A training gives way to whatever else the machine does.
        parts.append(_worker(find, TRAIN_QUEUE, number, share, stop_wait_s=30, nice=10))
    return Plan(tuple(with_metrics_ports(parts, settings, say)), environment, announce)


def _playground(
    settings: Settings, environment: dict[str, str], bots_own: Mapping[str, str], folders: Folders, say: Say
) -> tuple[Part, str]:
    """Plan the playground, our local Discord. Return it, and the address that opens its page.

    The playground's address is added to `environment`, which all parts get. `bots_own`: what only it and the bot get.
    """
    port = choose_port(settings, say)
    at = f"{HOST}:{port}"
    environment |= {
        "PORT": str(port),
        "DISCORD_API_URL": f"http://{at}/api/v10",
        "DISCORD_GATEWAY_URL": f"ws://{at}/gateway",
    }
    if "channel_training" not in settings.model_fields_set:
        # Its people are invented: nobody is asked for anything, and learning from a channel can be tried.
        environment["CHANNEL_TRAINING"] = "opt-in"
    # A new one at each start: while nothing listens here, another account can, and an open tab would show it this one.
    token = secrets.token_urlsafe(16)
    listens = folders.run / "playground.port"
    listens.unlink(missing_ok=True)
    playground = Part(
        "playground",
        (sys.executable, "-m", "playground", "--port-file", str(listens)),
        Stage.PLAYGROUND,
        vital=True,
        ready=listens.exists,
        environment={**bots_own, "GALVANIC_PLAYGROUND_TOKEN": token},
    )
    return playground, f"http://{at}/?token={token}"


def _worker(
    find: Find, queue: str, number: int = 1, share: Mapping[str, str] | None = None, *, stop_wait_s: int, nice: int = 0
) -> Part:
    """Plan the worker of this number that serves a queue: `train`, `train-2`, and so on. `share`: see `shares`."""
    return Part(
        queue if number == 1 else f"{queue}-{number}",
        (sys.executable, "-m", "worker", "serve", queue),
        Stage.WORKERS,
        ready=lambda: len(find(queue)) >= number,
        stop_wait_s=stop_wait_s,
        nice=nice,
        environment=share or {},
    )


def shares(settings: Settings, say: Say) -> list[dict[str, str]]:
    """Return the environment of each train worker, which gives it a GPU, or a share of the cores.

    There are as many workers as set, or one for each GPU.
    """
    count = settings.train_workers
    gpus = usable_gpus() if count != 1 else []
    count = count or max(1, len(gpus))
    if count == 1:
        return [{}]
    say(f"{count} train workers (GPUs: {len(gpus)}, cores: {cores()})")
    if not gpus:
        return [{"TF_NUM_INTRAOP_THREADS": str(max(1, cores() // count))}] * count
    return [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)].uuid} for number in range(count)]


def with_metrics_ports(parts: Sequence[Part], settings: Settings, say: Say) -> list[Part]:
    """Give the bot METRICS_PORT and the workers the next ones, in their order."""
    if settings.metrics_port is None:
        return list(parts)
    ports = dict(enumerate((part for part in parts if part.stage >= Stage.BOT), start=settings.metrics_port))
    addresses = (f"{part.name} http://{settings.metrics_host}:{port}/metrics" for port, part in ports.items())
    say(f"metrics: {', '.join(addresses)}")
    others = [part for part in parts if part.stage < Stage.BOT]
    return others + [
        replace(part, environment={**part.environment, "METRICS_PORT": str(port)}) for port, part in ports.items()
    ]
