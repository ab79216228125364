"""Redis: whether it answers, keeps what it is given and lets a worker work, and who else is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import redis

from shared import keys, presence
from shared.connect import connect_once, explain, where
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import Settings
from worker.doctor import Finding, Level

_TOPIC = "redis"
_LEAST = (7, 2)
_MOST_SKEW_S = 2.0
"""Bot and workers say that they are there for six seconds ahead, each by its own clock (`shared.presence`)."""
_WITHIN_S = 3.0
_NOBODY = "galvanic-doctor"


def examine(settings: Settings) -> list[Finding]:
    """The first finding is whether Redis can be used at all."""
    try:
        with connect_once(settings, _WITHIN_S) as client:
            return list(_judge(client, settings))
    except (redis.RedisError, OSError, ValueError) as error:
        if settings.redis_url is None and not isinstance(error, redis.AuthenticationError):
            problem = f"REDIS_URL names no Redis, and nothing runs with the data folder {settings.data_dir.absolute()}."
            remedy = "The command line needs none. If the bot runs, say `doctor` in its folder, or with its DATA_DIR."
            return [Finding(_TOPIC, Level.NOTE, problem, remedy)]
        told = explain(error, settings)
        return [Finding(_TOPIC, Level.BROKEN, told.problem, told.remedy)]


def _info(client: redis.Redis, section: str) -> dict[str, Any]:
    """What Redis says of itself; empty where this user may not ask. Raises redis.RedisError: no answer."""
    try:
        return client.info(section)
    except redis.exceptions.NoPermissionError:
        client.ping()
        return {}


def _judge(client: redis.Redis, settings: Settings) -> Iterator[Finding]:
    server = _info(client, "server")
    version = str(server.get("redis_version", ""))
    name = f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {version or '(unknown)'}"
    at = f" at {where(settings)}" if settings.redis_url is not None else ""
    yield Finding(_TOPIC, Level.OK, f"Redis{at} answers: {name}")
    if version and tuple(int(part) for part in version.split(".")[:2]) < _LEAST:
        yield Finding(_TOPIC, Level.BROKEN, f"Redis {version} is too old.", "Galvanic needs 7.2 or later.")
    yield from _keeps(client)
    yield from _clock(client)
    if refused := _refused(client):
        yield Finding(
            _TOPIC,
            Level.BROKEN,
            f"Redis does not let this user do what a worker has to. It says: {refused}",
            "Use the user for the workers, or give this one its rights (an administrator of Redis: ACL SETUSER).",
        )
    else:
        yield from _who_is_there(client)


def _keeps(client: redis.Redis) -> Iterator[Finding]:
    if _info(client, "persistence").get("aof_enabled") == 0:
        yield Finding(
            _TOPIC,
            Level.MEND,
            "Redis keeps everything in memory alone: when it restarts, trainings, models' names and settings are lost.",
            "Set `appendonly yes` in its redis.conf, or at once with:",
            ("redis-cli CONFIG SET appendonly yes", "redis-cli CONFIG REWRITE"),
        )
    memory = _info(client, "memory")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        limit = int(memory.get("maxmemory", 0))
        when = f"once it has {limit / 1e6:,.0f} MB" if limit else "if it is ever given a limit of memory (maxmemory)"
        yield Finding(
            _TOPIC,
            Level.MEND,
            f"Redis will throw jobs and models' names away {when}: its maxmemory-policy is {policy}.",
            "Set `maxmemory-policy noeviction` in its redis.conf, or at once with:",
            ("redis-cli CONFIG SET maxmemory-policy noeviction", "redis-cli CONFIG REWRITE"),
        )


def _refused(client: redis.Redis) -> str:
    """Redis' refusal if this user lacks a right that a worker needs, else empty. The tries remove what is not there."""
    tries: tuple[Callable[[], object], ...] = (
        lambda: client.eval("return 1", 0),
        lambda: client.hdel(keys.job(_NOBODY), "job"),
        lambda: client.xtrim(keys.job_events(_NOBODY), 0),
        lambda: client.zrem(keys.workers(TRAIN_QUEUE), _NOBODY),
        lambda: client.lrem(TRAIN_QUEUE, 0, _NOBODY),
        lambda: client.exists(keys.model(_NOBODY)),
    )
    for trial in tries:
        try:
            trial()
        except redis.exceptions.NoPermissionError as error:
            return str(error)
    return ""


def _clock(client: redis.Redis) -> Iterator[Finding]:
    begun = time.time()
    told = _info(client, "server").get("server_time_usec")
    took = time.time() - begun
    skew = 0.0 if told is None else begun + took / 2 - int(told) / 1e6
    if abs(skew) > _MOST_SKEW_S + took:
        yield Finding(
            _TOPIC,
            Level.MEND,
            f"This machine's clock is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} that of Redis' "
            "machine: workers that are there may count as gone.",
            "Let both set their clocks by the network:",
            ("sudo timedatectl set-ntp true",),
        )


def _who_is_there(client: redis.Redis) -> Iterator[Finding]:
    bots = presence.alive(client, presence.BOT)
    if bots:
        yield Finding("bot", Level.OK, f"The bot is there: {', '.join(bots)}")
    else:
        yield Finding("bot", Level.NOTE, "No bot is connected to this Redis now.", "`make run` starts one.")
    for queue, doing in ((TRAIN_QUEUE, "train"), (GENERATE_QUEUE, "write")):
        names = presence.alive(client, queue)
        told = cast(dict[bytes, bytes], client.hgetall(keys.worker_info(queue)))
        on = {name.decode(): what.decode() for name, what in told.items()}
        if names:
            listed = "; ".join(f"{name} on {on[name]}" if name in on else name for name in names)
            yield Finding("workers", Level.OK, f"Workers that {doing}: {listed}")
        else:
            yield Finding("workers", Level.NOTE, f"No worker that {doing}s is connected to this Redis now.")
