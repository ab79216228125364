"""Models whose channel is gone, and what two people change at once."""

from __future__ import annotations

import discord
import pytest

from playground.places import CHANNEL_IDS, GUILD_ID
from shared import keys
from tests.bot.channels import model_of
from tests.bot.live import Live
from tests.driver.faults import Fault

GUILD, LAB, LIBRARY = GUILD_ID, CHANNEL_IDS["lab"], CHANNEL_IDS["library"]
GONE = 1_297_999_999_999_999_999


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
    assert await live.bot.redis.smembers(keys.DELETING) == {b"lost"}


async def test_nothing_is_left_of_what_a_deleted_channel_had_chosen(live: Live) -> None:
    redis = live.bot.redis
    for channel in (LAB, LIBRARY):
        await redis.hset(keys.channel(channel), mapping={"temperature": "0.5", "chat": "1"})
    await live.models.removal.forget_channel(GUILD, LIBRARY)
    assert not await redis.exists(keys.channel(LIBRARY))
    assert await redis.exists(keys.channel(LAB))
