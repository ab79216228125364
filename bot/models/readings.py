"""The notes about readings of channels: what was read for a training, and whose words; only the bot sees them.

Jobs, models and exported files carry only the ids of readings. A model with an unknown reading, or with one whose
time is over, cannot be used.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, cast

import redis.asyncio
import structlog
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from galvanic.options import ReadingId
from shared import keys
from shared.jobs import ChannelReading, ReadingRef, Snowflake
from shared.models import ModelRecord

_MARKS = ("withdrawn_at", "outdated_at")  # fields of a note that are set later, beside it
# Set a field once, of a note that is there. KEYS: the note. ARGV: the field, its value.
_MARK = "return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) or 0"
log = structlog.get_logger()


class ReadingMember(NamedTuple):
    """A member in a text. `number` stands for them; `name`: their lines begin with it; None: lines have no names."""

    number: int
    name: str | None


class ReadingNote(ChannelReading, frozen=True, extra="ignore"):
    """One reading of a channel. Times are in seconds since the epoch."""

    guild_id: Snowflake
    read_at: float
    withdrawn_at: float | None = None  # when the bot first heard that words in it were withdrawn
    outdated_at: float | None = None  # when the bot found that it is too old

    def gone_by(self, forget_s: float, renew_s: float) -> float | None:
        """Return when the models that learned it expire; None: that is not known yet.

        `forget_s`, `renew_s`: for how long they may be used after words were withdrawn, and after it was too old.
        """
        ends = ((self.withdrawn_at, forget_s), (self.outdated_at, renew_s))
        return min((at + within_s for at, within_s in ends if at is not None), default=None)


class ReadingNotes:
    """Reading notes in Redis. Any method raises `redis.RedisError` while Redis cannot be reached."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    def write(self, pipe: Pipeline, note: ReadingNote, members: Mapping[int, ReadingMember]) -> None:
        """Queue commands that store a new note, and the members whose words were read."""
        fields = {str(user_id): f"{member.number} {member.name or ''}".strip() for user_id, member in members.items()}
        pipe.hset(keys.READINGS, note.reading_id, str(note.guild_id))
        pipe.hset(keys.reading(note.reading_id), "note", note.model_dump_json(exclude=set(_MARKS)))
        pipe.hset(keys.reading_members(note.reading_id), mapping=cast(Any, fields))

    async def load(self, reading_id: ReadingId) -> ReadingNote | None:
        """Return a note; None: it is unknown or damaged."""
        return (await self.load_all([reading_id])).get(reading_id)

    async def of(self, readings: Iterable[ReadingRef]) -> dict[ReadingId, ReadingNote]:
        """Return the notes of a model's readings that are known, by their ids, in one round trip."""
        return await self.load_all(ref.reading_id for ref in readings)

    async def own(self, model: ModelRecord) -> ReadingNote | None:
        """Return the note of the channel that a model's own training read; None: it learned no channel."""
        notes = await self.of(model.readings)
        return notes.get(model.corpus.reading or "") if model.corpus is not None else None

    async def load_all(self, reading_ids: Iterable[ReadingId]) -> dict[ReadingId, ReadingNote]:
        """Return the notes of these readings that are known, in one round trip."""
        ids = sorted(set(reading_ids))
        async with self._redis.pipeline(transaction=False) as pipe:
            for reading_id in ids:
                pipe.hgetall(keys.reading(reading_id))
            hashes = await redis_call(pipe.execute())
        notes = {reading_id: _note(reading_id, fields) for reading_id, fields in zip(ids, hashes, strict=True)}
        return {reading_id: note for reading_id, note in notes.items() if note is not None}

    async def ids(self, guild_id: int | None = None) -> dict[ReadingId, int]:
        """Return the ids of all readings, or of a server's, each with the id of its server."""
        guilds = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.READINGS)))
        return {name.decode(): int(guild) for name, guild in guilds.items() if guild_id in (None, int(guild))}

    async def all(self, guild_id: int) -> Collection[ReadingNote]:
        """Return the notes of a server's readings."""
        return (await self.load_all(await self.ids(guild_id))).values()

    async def members(self, reading_id: ReadingId) -> dict[int, ReadingMember]:
        """Return the number and the invented name of each member whose words were read, by their ids."""
        fields = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.reading_members(reading_id))))
        values = ((int(user_id), member.decode().partition(" ")) for user_id, member in fields.items())
        return {user_id: ReadingMember(int(number), name or None) for user_id, (number, _, name) in values}

    async def with_member(self, user_id: int, guild_id: int | None = None) -> dict[ReadingId, int]:
        """Return the ids of readings with a member's words, in a server or everywhere, each with its server's id."""
        ids = await self.ids(guild_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            for reading_id in ids:
                pipe.hexists(keys.reading_members(reading_id), str(user_id))
            in_reading = await redis_call(pipe.execute())
        return {name: ids[name] for name, has_words in zip(ids, in_reading, strict=True) if has_words}

    async def mark(self, reading_id: ReadingId, why: Literal["withdrawn", "outdated"]) -> bool:
        """Note that words of a reading were withdrawn, or that it is too old, and return whether that is new.

        From the first time on, time is running for its models.
        """
        marked = self._redis.eval(_MARK, 1, keys.reading(reading_id), f"{why}_at", str(time.time()))
        if new := bool(await redis_call(marked)):
            log.info(f"reading_{why}", reading_id=reading_id)
        return new

    async def take_out(self, reading_id: ReadingId, user_ids: Collection[int]) -> None:
        """Forget members whose lines were taken out of a text before any model learned it."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.reading_members(reading_id), "", *map(str, user_ids))
            pipe.hdel(keys.reading(reading_id), "withdrawn_at")
            await redis_call(pipe.execute())

    async def forget(self, reading_id: ReadingId) -> None:
        """Drop a note, or the pages of a reading that did not end: a model that names it cannot be used any more."""
        own = (keys.reading, keys.reading_members, keys.reading_pages, keys.reading_state)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(*(key(reading_id) for key in own))
            pipe.hdel(keys.READINGS, reading_id)
            await redis_call(pipe.execute())
        log.info("reading_forgotten", reading_id=reading_id)


def is_withdrawn(readings: Iterable[ReadingRef], notes: Mapping[ReadingId, ReadingNote]) -> bool:
    """Return whether words of some readings were withdrawn, or nothing is known of one any more. `notes`: theirs."""
    return any((note := notes.get(ref.reading_id)) is None or note.withdrawn_at is not None for ref in readings)


def _note(reading_id: ReadingId, fields: Mapping[bytes, bytes]) -> ReadingNote | None:
    if b"note" not in fields:
        return None
    try:
        note = ReadingNote.model_validate_json(fields[b"note"])
        return note.model_copy(
            update={name: float(fields[name.encode()]) for name in _MARKS if name.encode() in fields}
        )
    except ValueError:
        log.error("reading_not_understood", reading_id=reading_id)
        return None
