"""The pages of a channel that is being read, which the bot alone may see; and the text that they become."""

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio
from pydantic import BaseModel
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.channels.consent import Consents
from bot.models.readings import ReadingMember
from galvanic.options import ReadingId
from galvanic.read.chat import line_by
from galvanic.read.pseudonyms import pseudonyms
from shared import keys
from shared.corpora.lines import Line, counted_bytes, pack_page, unpack_page
from shared.jobs import AUTHOR_BYTES, Snowflake, TrainJob

PAGES_TTL_S = 24 * 3600
"""A reading may be interrupted for so long; after that it begins with the first page again."""
_RANDOM = random.SystemRandom()


class PagesMoved(Exception):
    """The pages are not what they were when a page was read: they expired, or it is among them already."""


class ReadingState(BaseModel, frozen=True, extra="ignore"):
    """The progress of reading a channel.

    Attributes:
        sources: the threads and their channel in the order of reading; none of an export, whose pages come from a file;
            None: they were not looked up yet.
        at: which of them is being read.
        first, cursor: the first message read there, and the last one; `first` 0: none was.
        read: messages so far, anybody's.
        lines, bytes: of the pages; bytes as `counted_bytes` counts them.
        left_out: lines that were too many, those that were read first.
    """

    sources: tuple[Snowflake, ...] | None = None
    at: int = 0
    first: Snowflake = 0
    cursor: Snowflake = 0
    read: int = 0
    lines: int = 0
    bytes: int = 0
    left_out: int = 0

    @property
    def is_export(self) -> bool:
        """Return whether the pages come from a file."""
        return self.sources == ()

    @property
    def done(self) -> bool:
        """Return whether all was read."""
        return self.sources is not None and self.at >= len(self.sources)


class PageStore:
    """Pages in Redis. Any method raises `redis.RedisError` while Redis cannot be reached."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def state(self, reading_id: ReadingId) -> ReadingState:
        """Return how far a reading is; at the start, none of its pages are kept."""
        return _state(await redis_call(self._redis.get(keys.reading_state(reading_id))))

    async def append(
        self,
        guild_id: int,
        reading_id: ReadingId,
        before: ReadingState,
        after: ReadingState,
        lines: Sequence[Line],
        most_bytes: int,
    ) -> ReadingState:
        """Add a page, maybe an empty one, and keep how far the reading is, in one step; return the new state.

        `before`, `after`: where the reading was and is. The first pages go if there are more than `most_bytes`.

        Raises PagesMoved: the kept pages are not those of `before`.
        """
        pages, kept = keys.reading_pages(reading_id), keys.reading_state(reading_id)

        async def add(pipe: Pipeline) -> ReadingState:
            stored = _state(await redis_call(pipe.get(kept)))
            if stored != before:
                raise PagesMoved
            size, dropped, gone = stored.bytes + _bytes(lines), 0, 0
            while size > most_bytes and (oldest := await redis_call(pipe.lindex(pages, dropped))) is not None:
                page = unpack_page(oldest)
                size, dropped, gone = size - _bytes(page), dropped + 1, gone + len(page)
            kept_lines = stored.lines + len(lines) - gone
            state = after.model_copy(update={"lines": kept_lines, "bytes": size, "left_out": stored.left_out + gone})
            pipe.multi()
            pipe.hset(keys.READINGS, reading_id, str(guild_id))  # it is found there if its training ends
            if lines:
                pipe.rpush(pages, pack_page(lines))
            if dropped:
                pipe.ltrim(pages, dropped, -1)
            pipe.set(kept, state.model_dump_json(), ex=PAGES_TTL_S)
            pipe.expire(pages, PAGES_TTL_S)
            return state

        transaction = self._redis.transaction(add, pages, kept, value_from_callable=True)
        return cast(ReadingState, await redis_call(transaction))

    async def put(self, guild_id: int, reading_id: ReadingId, pages: Sequence[bytes]) -> None:
        """Keep the pages of a reading that is complete: they come from a file, and no channel is read."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.READINGS, reading_id, str(guild_id))
            pipe.rpush(keys.reading_pages(reading_id), *pages)
            pipe.expire(keys.reading_pages(reading_id), keys.JOB_TTL_S)  # it may wait for its turn
            pipe.set(keys.reading_state(reading_id), ReadingState(sources=()).model_dump_json(), ex=keys.JOB_TTL_S)
            await redis_call(pipe.execute())

    async def pages(self, reading_id: ReadingId, pipe: Pipeline | None = None) -> list[bytes]:
        """Return all pages, packed. `pipe`: of a transaction that is to fail if they change."""
        if pipe is not None:
            await redis_call(pipe.watch(keys.reading_pages(reading_id)))
        client = pipe if pipe is not None else self._redis
        return cast(list[bytes], await redis_call(client.lrange(keys.reading_pages(reading_id), 0, -1)))

    def drop(self, reading_id: ReadingId, pipe: Pipeline) -> None:
        """Queue that all pages go."""
        pipe.delete(keys.reading_pages(reading_id), keys.reading_state(reading_id))


# ---------------------------------------------------------------------- the text of pages


@dataclass(frozen=True, repr=False)
class ReadText:
    """A channel's text, a line for each message. Its words are not in its `repr`.

    Attributes:
        text: each line with its line end.
        authors: a number of `AUTHOR_BYTES` bytes for each line.
        members: what stands for each author.
    """

    text: str
    authors: bytes
    members: Mapping[int, ReadingMember]


def read_text(
    pages: Sequence[bytes],
    consents: Consents | None,
    *,
    speakers: bool,
    seed: int | None = None,
    people: Collection[int] = (),
) -> ReadText:
    """Join the lines of members who agree now.

    `consents`: None: nobody has to agree. `speakers`: begin each line with an invented name for its author. `seed`:
    gives the same names each time. `people`: the authors whose lines are taken; none: everybody's.
    """
    lines = [line for line in agreed_lines(pages, consents) if not people or line.author_id in people]
    author_ids = list(dict.fromkeys(line.author_id for line in lines))
    numbers = _RANDOM.sample(range(256**AUTHOR_BYTES), len(author_ids))
    names = pseudonyms(len(author_ids), seed) if speakers else [None] * len(author_ids)
    members = dict(zip(author_ids, map(ReadingMember, numbers, names), strict=True))
    parts, authors = list[str](), bytearray()
    for line in lines:
        number, name = members[line.author_id]
        parts.append(f"{line_by(name, line.text) if name else line.text}\n")
        authors += number.to_bytes(AUTHOR_BYTES, "little")
    return ReadText("".join(parts), bytes(authors), members)


def agreed_lines(pages: Sequence[bytes], consents: Consents | None) -> list[Line]:
    """Return the lines of members who agree now; with None, all."""
    lines = (line for page in pages for line in unpack_page(page))
    return [line for line in lines if consents is None or consents.includes(line.author_id, line.message_id)]


def without(text: str, authors: bytes, numbers: Collection[int]) -> tuple[str, bytes]:
    """Return a text and its lines' authors without the lines of some of these."""
    gone = {number.to_bytes(AUTHOR_BYTES, "little") for number in numbers}
    numbered = [authors[start : start + AUTHOR_BYTES] for start in range(0, len(authors), AUTHOR_BYTES)]
    lines = zip((f"{line}\n" for line in text.split("\n")[:-1]), numbered, strict=True)
    kept = [(line, author) for line, author in lines if author not in gone]
    return "".join(line for line, _ in kept), b"".join(author for _, author in kept)


def with_text(job: TrainJob, text: str, **fields: object) -> TrainJob:
    """Return a training with the length and hash of its text, and other `fields` of its corpus."""
    about = {"chars": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest(), **fields}
    return job.model_copy(update={"corpus": job.corpus.model_copy(update=about)})


def _bytes(lines: Sequence[Line]) -> int:
    return sum(counted_bytes(line.text) for line in lines)


def _state(data: Any) -> ReadingState:
    return ReadingState.model_validate_json(data) if data is not None else ReadingState()
