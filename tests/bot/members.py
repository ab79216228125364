"""Members and what is held of them: their words, and their requests."""

from __future__ import annotations

import asyncio

from bot.channels.store import Line
from galvanic.options import TranscriptRef
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import GenerateJob, Place
from shared.models import ModelRecord
from tests import factories
from tests.bot.live import Live
from tests.transcripts import expire, written

LAB, TAVERN, CELLAR = CHANNEL_IDS["lab"], CHANNEL_IDS["tavern"], CHANNEL_IDS["cellar"]
ADA, BEN, CLEO, DORA = (USER_IDS[name] for name in ("ada", "ben", "cleo", "dora"))


async def stored(live: Live, *people: int, channel_id: int = TAVERN, guild_id: int = GUILD_ID) -> str:
    """A transcript with two lines of each of these, who agreed."""
    for who in people:
        await live.bot.consents.agree(guild_id, who)
    lines = [Line(1_000 + 2 * who + part, who, f"secret {who} part {part}") for who in people for part in (0, 1)]
    store = live.bot.transcripts
    info = await written(store, lines, guild_id=guild_id, channel_id=channel_id, asked_by=ADA, until=10**18)
    await expire(store, info.transcript_id, 3_600)
    return info.transcript_id


async def gone(live: Live, transcript_id: str, who: int) -> None:
    """Wait until nothing of somebody's is in a transcript."""
    async with asyncio.timeout(30):
        while await live.bot.transcripts.lines_of(transcript_id, who):  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.01)


async def model_of(live: Live, transcript_id: str, name: str = "chatter", channel_id: int = TAVERN) -> ModelRecord:
    """A model that learned a transcript."""
    ref = TranscriptRef(transcript_id=transcript_id, revision=0, guild_id=GUILD_ID, channel_id=channel_id)
    record = factories.record(
        model_id=f"id-{name}", name=name, guild_id=GUILD_ID, channel_id=channel_id, owner_id=ADA, transcripts=(ref,)
    )
    await live.bot.redis.set(keys.model(record.model_id), record.model_dump_json())
    await live.bot.redis.hset(keys.guild_models(GUILD_ID), record.name, record.model_id)  # type: ignore[misc]
    return record


async def asked_for(live: Live, job_id: str, who: int, seed: str) -> None:
    """A request of somebody's that was answered."""
    job = GenerateJob(
        job_id=job_id,
        place=Place(guild_id=GUILD_ID, channel_id=LAB, user_id=who),
        model_id="m",
        model_name="m",
        seed=seed,
        length=10,
        blocked=("blocklisted",),
    )
    await live.bot.redis.hset(keys.job(job_id), "job", job.model_dump_json())  # type: ignore[misc]
    await live.bot.redis.xadd(keys.job_events(job_id), {"event": "{}"})


async def ben_and_dora(live: Live) -> str:
    """Both have words in a transcript, of which there is a model, and asked for a text (`g-1`, `g-2`); its id."""
    transcript_id = await stored(live, BEN, DORA)
    await model_of(live, transcript_id)
    await asked_for(live, "g-1", BEN, "a seed of ben")
    await asked_for(live, "g-2", DORA, "a seed of dora")
    return transcript_id
