"""A job that is asked for while the bot starts is answered by whoever asked, and by nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from playground.places import CHANNEL_IDS, GUILD_ID
from shared import keys
from shared.events import Failed, Imported
from shared.jobs import GENERATE_QUEUE
from tests import lives
from tests.bot.live import Live, text_of
from tests.bot.stand_in import TEXT, StandIn, lab
from tests.factories import generate_job, record
from worker.events import Superseded

LAB = CHANNEL_IDS["lab"]
pytestmark = pytest.mark.usefixtures("worker")


async def test_an_answer_is_posted_once_though_the_bot_only_just_starts(live: Live, worker: StandIn) -> None:
    bot = live.bot
    job = generate_job(place=lab())
    send = bot.jobs._send

    async def slowly(*arguments: Any) -> None:
        await live.start_again()  # the job is entered, and nobody listens yet
        await send(*arguments)

    live.patch.setattr(bot.jobs, "_send", slowly)
    channel = bot.get_channel(LAB)
    asked = asyncio.create_task(bot.delivery.ask(job, channel.send))  # type: ignore[union-attr]
    await live.until(lambda: worker.redis.llen(GENERATE_QUEUE), "the job")
    await bot.delivery.ask(job, channel.send)  # type: ignore[union-attr]  # Discord delivered it twice
    worker.write(job.job_id)
    await asked
    await live.handled()
    assert sum(TEXT in text_of(message) for message in live.world.messages[LAB].values()) == 1
    assert not await bot.jobs.undelivered()


async def test_what_took_too_long_does_not_come_about_after_all(live: Live, worker: StandIn) -> None:
    delivery = live.bot.delivery
    job = generate_job(place=lab())
    await live.bot.jobs.submit(job)
    log = lives.take(worker.redis, job.job_id)
    slow = Failed(problem="slow")
    assert await delivery.end_of(job, 0.05, slow) == slow
    with pytest.raises(Superseded):
        log.enter(Imported(model=record(model_id="m9", guild_id=GUILD_ID)), GUILD_ID)
    assert not worker.redis.exists(keys.model("m9"))
    assert log.is_over()


async def test_what_is_put_off_while_the_bot_stops_is_left_to_the_next_start(live: Live) -> None:
    job = generate_job(place=lab())
    await live.bot.jobs.submit(job)
    await live.bot.delivery.stop()
    live.bot.delivery.deliver_later(job)
    assert not live.bot.delivery.tasks
    assert not live.bot.delivery.in_background
    assert await live.bot.jobs.undelivered() == {job.job_id}
