"""What the card of a reading shows, from what is known of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import discord

from bot.channels.import_embeds import ReadingFacts
from bot.channels.reader import ReadingState
from bot.channels.store import Transcript
from bot.escape import plain
from bot.jobs import queue

if TYPE_CHECKING:
    from bot.client import Galvanic

_GUESS_FROM = 0.02
"""Share of a reading from which on the rest is foreseen."""


def card_nonce(job_id: str, before: int = 0) -> str:
    """As `bot.jobs.queue.card_nonce`, of the card that shows the reading before the training."""
    return queue.card_nonce(f"r{job_id}", before)


async def facts_of(bot: Galvanic, transcript: Transcript) -> ReadingFacts:
    """The facts for a reading's card.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    assert transcript.reading is not None
    info, state = transcript.info, ReadingState.model_validate_json(transcript.reading)
    places = len(state.sources) if state.sources is not None else 1
    facts = ReadingFacts(
        title=f"#{plain(state.channel_name)}",
        read=state.read,
        lines=transcript.lines,
        chars=transcript.chars,
        people=len(await bot.transcripts.members(transcript.transcript_id)),
        reached=_seconds(state.cursor) if state.cursor > info.after else None,
        began=_seconds(state.first or info.after or info.source_id),
        until=_seconds(info.until),
        place=min(state.at + 1, places),
        places=places,
        left_s=None,
        footer=f"recipe {state.options.recipe} · job {state.job_id}",
        update=bool(info.after),
    )
    spent, share = time.time() - state.began, facts.share
    if share < _GUESS_FROM:
        return facts
    return ReadingFacts(**{**vars(facts), "left_s": spent / share * (1 - share)})


def _seconds(snowflake: int) -> float:
    return discord.utils.snowflake_time(snowflake).timestamp()
