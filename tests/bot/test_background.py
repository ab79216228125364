"""How long the bot waits for Redis, how it tries again, and that nothing ends what runs in the background."""

import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as AwayError, TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from bot.background import BackgroundService, redis_call, retry, run_forever


async def test_a_silent_server_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(RedisTimeoutError):
        await redis_call(asyncio.Event().wait(), 0.2)
    assert time.monotonic() - began >= 0.2


async def test_a_loop_goes_on_whatever_happens_and_logs_an_outage_once() -> None:
    troubles = [AwayError(), AwayError(), KeyError("x"), None, AwayError(), None]
    done, wakeup = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        await asyncio.sleep(0)
        trouble = troubles.pop(0) if troubles else None
        wakeup.set()  # as if there were news at once
        if not troubles:
            done.set()
        if trouble is not None:
            raise trouble

    with capture_logs() as logged:
        service = BackgroundService()
        service.spawn(run_forever("look", step, every_s=None, wakeup=wakeup, retry_s=0.01))
        await asyncio.wait_for(done.wait(), 10)
        await service.stop()
    assert [(entry["event"], entry["doing"]) for entry in logged] == [
        ("redis_unreachable", "look"),
        ("background_failed", "look"),
        ("redis_unreachable", "look"),
    ]


async def test_what_passes_is_tried_again_and_nothing_else() -> None:
    tries: list[Exception] = [AwayError(), AwayError(), KeyError("x")]

    async def post() -> None:
        raise tries.pop(0)

    with pytest.raises(KeyError):
        await retry(post, pauses_s=(0.01,) * 9)
    assert not tries
    tries.append(AwayError())
    with pytest.raises(AwayError):
        await retry(post, pauses_s=(0.01,), unless=lambda: True)
