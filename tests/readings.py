"""Reading notes as readings leave them, for tests that need one."""

import itertools
import time
from collections.abc import Mapping
from typing import Any, cast

import discord
import redis

from bot.models.readings import ReadingMember, ReadingNote, ReadingNotes
from shared.jobs import ChannelReading, ReadingRef

_NUMBERS = itertools.count(1)


def reading_ref(channel_id: int, **fields: Any) -> ReadingRef:
    """A reading of a channel; `fields`: others of ReadingRef."""
    return ReadingRef(**{"reading_id": f"r{next(_NUMBERS)}", "channel_id": channel_id, **fields})


def channel_reading(channel_id: int, **fields: Any) -> ChannelReading:
    """What is to be read of a channel; `fields`: others of ChannelReading."""
    now = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
    return ChannelReading(**{**dict(reading_ref(channel_id)), "source_id": channel_id, "until": now, **fields})


def put_note(client: redis.Redis, ref: ReadingRef, guild_id: int, *members: int) -> None:
    """Write the note of a reading for who waits for Redis' answers."""
    note = ReadingNote(**dict(channel_reading(**dict(ref))), guild_id=guild_id, read_at=time.time())
    pipe: Any = client.pipeline(transaction=True)
    known = {who: ReadingMember(number, None) for number, who in enumerate(members, 1)}
    ReadingNotes(cast(Any, client)).write(pipe, note, known)
    pipe.execute()


async def noted(
    notes: ReadingNotes,
    *members: int,
    guild_id: int,
    channel_id: int,
    names: Mapping[int, str] | None = None,
    read_at: float | None = None,
    **fields: Any,
) -> ReadingNote:
    """Write a reading note: members' numbers count from 1; `names`: what their lines begin with."""
    reading = channel_reading(channel_id, **fields)
    told = {"guild_id": guild_id, "read_at": time.time() if read_at is None else read_at}
    note = ReadingNote(**dict(reading), **told)
    known = {who: ReadingMember(number, (names or {}).get(who)) for number, who in enumerate(members, 1)}
    async with notes._redis.pipeline(transaction=True) as pipe:
        notes.write(pipe, note, known)
        await pipe.execute()
    return note
