"""What the bot does at its start so that nobody waits for it later."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import pytest

from bot.__main__ import _serve
from bot.app import Galvanic
from shared.settings import Settings

pytestmark = pytest.mark.process

WARM = """
import asyncio, sys
from bot.jobs.client import JobClient
from shared.connect import connect_async
from shared.settings import Settings

settings = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0")
queue = JobClient(settings, connect_async(settings))
assert "kombu.transport.redis" not in sys.modules
asyncio.run(queue.warm())
assert "kombu.transport.redis" in sys.modules
assert "celery.app.amqp" in sys.modules
"""


def test_what_sends_jobs_is_loaded_before_the_first_even_without_redis() -> None:
    done = subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_what_was_loaded_is_no_burden_to_later_collections(settings: Settings) -> None:
    seen = []
    gc.unfreeze()  # what bots of other tests have left

    class Unconnected(Galvanic):
        async def login(self, token: str) -> None:
            seen.append(("login", gc.get_freeze_count()))
            self._connection.application_id = 1

        async def connect(self, **_options: Any) -> None:
            seen.append(("connect", gc.get_freeze_count()))

    bot = Unconnected(settings)
    try:
        await _serve(bot, "any-token")
    finally:
        gc.unfreeze()
        await bot.redis.aclose()
    (first, before), (second, frozen) = seen
    assert (first, second) == ("login", "connect")
    assert frozen > before + 10_000
