"""A bot refuses data that another version wrote."""

from __future__ import annotations

import pytest

from playground.places import GUILD_ID
from shared import keys
from shared.connect import connect
from shared.version import OtherVersion
from tests.bot.live import Live
from tests.factories import record
from tests.registered import register


async def test_data_without_a_number_is_refused(live: Live) -> None:
    await live.bot.presence.stop()  # which write it
    await live.bot.redis.delete(keys.VERSION)
    await live.bot.presence.require_version()
    assert await live.bot.redis.get(keys.VERSION) == b"1", "an empty Redis gets the number"
    await live.bot.redis.delete(keys.VERSION)
    register(connect(live.bot.settings), record(guild_id=GUILD_ID))
    with pytest.raises(OtherVersion, match="number unknown"):
        await live.bot.presence.require_version()
    assert not await live.bot.redis.exists(keys.VERSION)


async def test_a_redis_that_lost_its_data_gets_the_number_again(live: Live) -> None:
    client = connect(live.bot.settings)
    client.flushdb()
    await live.until(lambda: client.get(keys.VERSION) == b"1", "the number")
