"""What the bot does at its start so that nobody waits for it later."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
