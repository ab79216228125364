"""A Redis that takes nothing is as good as away."""

from collections.abc import Iterator

import pytest
import redis

from bot.background import redis_call
from shared.connect import TakesNothing, connect, connect_async
from shared.settings import Settings


@pytest.fixture
def full(settings: Settings) -> Iterator[Settings]:
    """One whose memory is full."""
    client = connect(settings)
    client.config_set("maxmemory", "1")
    yield settings
    client.config_set("maxmemory", "0")


def test_it_is_an_outage(full: Settings) -> None:
    client = connect(full)
    with pytest.raises(TakesNothing):
        client.set("a", "1")
    pipe = client.pipeline()
    pipe.get("a")
    pipe.set("a", "1")
    with pytest.raises(TakesNothing):
        pipe.execute()
    assert isinstance(TakesNothing(), redis.ConnectionError)
    assert client.get("a") is None, "what only reads is answered"


async def test_it_is_one_for_the_bot(full: Settings) -> None:
    client = connect_async(full)
    with pytest.raises(TakesNothing):
        await redis_call(client.set("a", "1"))
    with pytest.raises(TakesNothing):
        await redis_call(client.eval("return redis.call('SET', KEYS[1], '1')", 1, "a"))
    assert await redis_call(client.get("a")) is None
    await client.aclose()
