"""Models whose channel is gone, and what two people change at once."""

from __future__ import annotations

import json
import time
from datetime import datetime

from bot.jobs.client import DELETED_WITHIN_S
from bot.jobs.recovery import Recovery
from playground.places import CHANNEL_IDS, GUILD_ID
from shared import keys
from shared.jobs import GENERATE_QUEUE, DeleteJob
from tests.bot.live import Live
from tests.bot.stand_in import lab

GUILD, LAB, LIBRARY = GUILD_ID, CHANNEL_IDS["lab"], CHANNEL_IDS["library"]
GONE = 1_297_999_999_999_999_999


async def test_files_of_deleted_models_are_removed_again_until_that_is_done(live: Live) -> None:
    redis, damaged = live.bot.redis, "{"
    job = DeleteJob(job_id="d-0", place=lab(), model_id="m1")
    await redis.hset(keys.DELETING, mapping={"a": damaged, "m1": job.model_dump_json(), "z": damaged})
    recovery = Recovery(redis, live.bot.jobs)
    await recovery.look_after_deletions()
    assert not await redis.llen(GENERATE_QUEUE), "nobody would take what is sent again"
    await live.bot.recovery.stop()
    await redis.zadd(keys.workers(GENERATE_QUEUE), {"w": time.time() + 60})
    for _ in range(2):
        await recovery.look_after_deletions()
    (message,) = await redis.lrange(GENERATE_QUEUE, 0, -1)
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"]).timestamp()
    assert 0 < expires - time.time() <= DELETED_WITHIN_S
    recovery._deleting = {model_id: at - DELETED_WITHIN_S for model_id, at in recovery._deleting.items()}
    await recovery.look_after_deletions()
    assert await redis.llen(GENERATE_QUEUE) == 2
