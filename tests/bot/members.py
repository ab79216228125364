"""Members and what is held of them: their words, and their requests."""

from __future__ import annotations

import asyncio

from bot.channels.store import Line
from galvanic.options import TranscriptRef
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.lifecycle import enter
from shared.models import ModelRecord
from tests import factories
from tests.bot import channels
from tests.bot.live import Live
from tests.transcripts import expire, written

LAB, TAVERN, CELLAR = CHANNEL_IDS["lab"], CHANNEL_IDS["tavern"], CHANNEL_IDS["cellar"]
ADA, BEN, CLEO, DORA = (USER_IDS[name] for name in ("ada", "ben", "cleo", "dora"))


async def stored(live: Live, *people: int, channel_id: int = TAVERN, guild_id: int = GUILD_ID) -> str:
    """A transcript with two lines of each of these, who agreed."""
    for who in people:
        await live.channels.consents.agree(guild_id, who)
    lines = [Line(1_000 + 2 * who + part, who, f"secret {who} part {part}") for who in people for part in (0, 1)]
    store = live.channels.transcripts
    info = await written(store, lines, guild_id=guild_id, channel_id=channel_id, until=10**18)
    await expire(store, info.transcript_id, 3_600)
    return info.transcript_id


async def gone(live: Live, transcript_id: str, who: int) -> None:
    """Wait until nothing of somebody's is in a transcript."""
    async with asyncio.timeout(30):
        while await live.channels.transcripts.lines_of(transcript_id, who):  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.01)


def model_of(live: Live, transcript_id: str, name: str = "chatter", channel_id: int = TAVERN) -> ModelRecord:
    """A model that learned a transcript; its id is its name."""
    ref = TranscriptRef(transcript_id=transcript_id, revision=0, guild_id=GUILD_ID, channel_id=channel_id)
    return channels.model_of(live, name, ref, channel_id=channel_id)


async def answer_of(live: Live, who: int, guild_id: int = GUILD_ID) -> str | None:
    """Whether somebody said yes or no to being learned from, if anything."""
    said = await live.channels.consents.said(guild_id, who)
    return said and said.state


async def asked_for(live: Live, job_id: str, who: int, seed: str) -> None:
    """A request of somebody's that was answered."""
    place = factories.place(guild_id=GUILD_ID, channel_id=LAB, user_id=who)
    job = factories.generate_job(job_id=job_id, place=place, seed=seed, blocked=("blocklisted",))
    assert await live.core.jobs.run(enter(job, "key", "n")) == b"entered"
    await live.bot.redis.srem(keys.OUTBOX, job_id)  # type: ignore[misc]


async def ben_and_dora(live: Live) -> str:
    """Both have words in a transcript, of which there is a model, and asked for a text (`g-1`, `g-2`); its id."""
    transcript_id = await stored(live, BEN, DORA)
    model_of(live, transcript_id)
    await asked_for(live, "g-1", BEN, "a seed of ben")
    await asked_for(live, "g-2", DORA, "a seed of dora")
    return transcript_id
