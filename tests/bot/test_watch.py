"""Channels and threads that are deleted on Discord take the models along that learned them."""

from __future__ import annotations

import pytest

from bot.channels.watch import Watch
from playground.places import GUILD_ID, USER_IDS
from tests.bot.channels import LAB, Away, model_of, names, queued, read, talked, until, worked_off
from tests.bot.live import Live

ADA, CLEO = USER_IDS["ada"], USER_IDS["cleo"]
pytestmark = pytest.mark.usefixtures("opted_in", "at_once")


async def no_models(live: Live) -> bool:
    """Whether the server has none."""
    return not await names(live)


async def test_a_deleted_channel_is_forbidden_and_its_models_go(live: Live) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    live.remove_channel(LAB)
    await until(lambda: no_models(live))
    await worked_off(live.core.chores)
    assert LAB not in await live.channels.consents.allowed(GUILD_ID)
    assert await live.core.jobs.channel_text(job.job_id) is None, "and trainings on it end"


async def test_a_deleted_thread_that_was_learned_by_itself_takes_its_models_along(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    thread = live.world.create_thread(LAB, "one", ADA)
    for number in range(60):
        live.world.create_message(thread.id, ADA, f"this is the thread's line {number}")
    await live.until(lambda: live.guild.get_thread(thread.id), "the thread")
    job = await queued(live, live.send(f"!train <#{thread.id}>").id)
    assert job.reading is not None
    assert (job.reading.source_id, job.reading.channel_id) == (thread.id, LAB)
    model_of(live, "sea", *job.readings)
    live.world.delete_channel(thread.id)
    await until(lambda: no_models(live))


async def test_while_redis_is_away_it_is_remembered(live: Live) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    away = Away(live)
    away.gone = True
    live.remove_channel(LAB)
    await live.until(lambda: away.refused >= 10, "tries")
    away.gone = False
    await until(lambda: no_models(live))


async def test_what_was_deleted_or_forbidden_meanwhile_is_found_at_a_start(live: Live) -> None:
    job = await read(live)
    model_of(live, "sea", *job.readings)
    await live.bot.redis.delete(f"guild:{GUILD_ID}:allowed")
    cog = live.bot.get_cog("Watch")
    assert isinstance(cog, Watch)
    await cog.on_ready()
    await worked_off(live.channels.looks)
    await worked_off(live.core.chores)
    assert await names(live) == []
