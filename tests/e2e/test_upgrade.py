"""A newer version goes on with what an older one was doing when it was stopped.

`tests/fixtures/upgrade` is what version 0.1.0 of November 2026 had in Redis and in its checkpoint: one training that
ran, and one that waited.
"""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from shared import keys
from shared.events import Finished, Started, parse_event
from tests.driver.client import Message, text_of
from tests.e2e.acts import start_bot, start_worker, stop_bot
from tests.e2e.system import TRAIN_S, System

pytestmark = pytest.mark.whole

OLD = Path(__file__).parent.parent / "fixtures" / "upgrade"


def restore(client: redis.Redis) -> None:
    """Put the old version's keys into an empty Redis."""
    for entry in json.loads((OLD / "redis.json").read_text("utf-8")):
        key, value = entry["key"], entry["value"]
        match entry["type"]:
            case "string":
                client.set(key, _bytes(value))
            case "hash":
                client.hset(key, mapping={name: _bytes(one) for name, one in value.items()})
            case "set":
                client.sadd(key, *map(_bytes, value))
            case "zset":
                client.zadd(key, dict(value))
            case "list":
                client.rpush(key, *map(_bytes, value))
            case "stream":
                for entry_id, fields in value:
                    client.xadd(key, {name: _bytes(one) for name, one in fields.items()}, id=entry_id)


def _bytes(value: str) -> bytes:
    return base64.b64decode(value.removeprefix("base64:")) if value.startswith("base64:") else value.encode()


@pytest.mark.faults
def test_trainings_of_the_version_before_go_on(own_system: System) -> None:
    system = own_system
    stop_bot(system)
    system.stop_part("train")
    with system.redis as client:
        restore(client)
        ran, waited = sorted(member.decode() for member in client.hkeys(keys.ACTIVE))
    shutil.copytree(OLD / "checkpoints", system.data / "checkpoints", dirs_exist_ok=True)
    start_worker(system, "train")
    start_bot(system)

    def card_of(job_id: str, name: str) -> Message:
        def shown() -> Message | None:
            words = (f"job {job_id}", f"`{name}` is now this channel's model")
            messages = system.client.messages()
            return next((one for one in messages if all(word in text_of(one) for word in words)), None)

        return cast(Message, system.client.wait_for(shown, TRAIN_S, f"the end of {name}"))

    card_of(ran, "elder")
    card_of(waited, "younger")
    for job_id, resumed in ((ran, True), (waited, False)):
        assert sum(f"job {job_id}" in text_of(one) for one in system.client.messages()) == 1
        events = _events(system, job_id)
        assert [one.resumed for one in events if isinstance(one, Started)][-1] == resumed
        assert sum(isinstance(one, Finished) for one in events) == 1
    with system.redis as client:
        assert not client.hlen(keys.ACTIVE)
        system.client.wait_for(lambda: not client.scard(keys.OUTBOX), 30, "both ends to be noted")


def _events(system: System, job_id: str) -> list[Any]:
    with system.redis as client:
        entries = cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrange(keys.job_events(job_id)))
    return [parse_event(fields[b"event"]) for _, fields in entries]
