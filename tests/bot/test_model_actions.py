"""Models whose channel is gone, and what two people change at once."""

from __future__ import annotations

import json
import time
from datetime import datetime

import discord
import pytest

from bot.jobs.client import DELETED_WITHIN_S
from bot.jobs.recovery import Recovery
from playground.places import CHANNEL_IDS, GUILD_ID
from shared import keys
from shared.jobs import GENERATE_QUEUE, DeleteJob
from tests.bot.channels import model_of
from tests.bot.live import Live
from tests.bot.stand_in import lab
from tests.driver.faults import Fault

GUILD, LAB, LIBRARY = GUILD_ID, CHANNEL_IDS["lab"], CHANNEL_IDS["library"]
GONE = 1_297_999_999_999_999_999


async def test_files_of_deleted_models_are_removed_again_until_that_is_done(live: Live) -> None:
    redis, damaged = live.bot.redis, "{"
    job = DeleteJob(job_id="d-0", place=lab(), model_id="m1")
    await redis.hset(keys.DELETING, mapping={"a": damaged, "m1": job.model_dump_json(), "z": damaged})
    recovery = Recovery(redis, live.core.jobs)
    await recovery.look_after_deletions()
    assert not await redis.llen(GENERATE_QUEUE), "nobody would take what is sent again"
    await live.core.recovery.stop()
    await redis.zadd(keys.workers(GENERATE_QUEUE), {"w": time.time() + 60})
    for _ in range(2):
        await recovery.look_after_deletions()
    (message,) = await redis.lrange(GENERATE_QUEUE, 0, -1)
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"]).timestamp()
    assert 0 < expires - time.time() <= DELETED_WITHIN_S
    recovery._deleting = {model_id: at - DELETED_WITHIN_S for model_id, at in recovery._deleting.items()}
    await recovery.look_after_deletions()
    assert await redis.llen(GENERATE_QUEUE) == 2


async def test_what_was_lost_while_the_bot_was_away_makes_room(live: Live) -> None:
    for name, fields in {
        "lost": {"channel_id": GONE},
        "lent": {"channel_id": GONE, "shared_with": (LIBRARY,)},
        "public": {"channel_id": GONE, "scope": "guild"},
        "here": {"channel_id": LAB},
    }.items():
        model_of(live, name, **{"scope": "channel", **fields})
    archived = live.world.create_channel(GUILD, "archived").id
    live.guild._channels.pop(archived, None)  # as an archived thread
    model_of(live, "archived", scope="channel", channel_id=archived)
    path = rf".*/channels/({GONE}|{archived})"
    for status in (404, 403):  # not Discord's
        live.faults.clear()
        live.faults.add(Fault("GET", path, status, times=20))  # the bot may look as well, as it does after its start
        with pytest.raises(discord.HTTPException):  # so it is asked again
            await live.models.removal.forget_lost_channels()
        assert "lost" in {model.name for model in await live.models.registry.all(GUILD)}
    live.faults.clear()
    live.faults.add(Fault("GET", path, 404, 404, times=20))  # a proxy's, or of another server of the protocol
    await live.models.removal.forget_lost_channels()
    assert "lost" in {model.name for model in await live.models.registry.all(GUILD)}
    live.faults.clear()
    await live.models.removal.forget_lost_channels()
    left = {model.name for model in await live.models.registry.all(GUILD)}
    assert left == {"lent", "public", "here", "archived"}
    deleting = await live.bot.redis.hkeys(keys.DELETING)
    assert [one.decode() for one in deleting] == ["lost"]  # its files go as soon as that is sent


async def test_nothing_is_left_of_what_a_deleted_channel_had_chosen(live: Live) -> None:
    redis = live.bot.redis
    for channel in (LAB, LIBRARY):
        await redis.hset(keys.channel(channel), mapping={"temperature": "0.5", "chat": "1"})
    await live.models.removal.forget_channel(GUILD, LIBRARY)
    assert not await redis.exists(keys.channel(LIBRARY))
    assert await redis.exists(keys.channel(LAB))
