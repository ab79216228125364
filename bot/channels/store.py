"""Transcripts in Redis: pages of lines are added, words are taken out, what is over is dropped.

Of each page its lines and a number for each line's author, which a worker reads, and an index of who wrote which are
kept. Only the bot that leads writes them, each change in one transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import redis.asyncio
import structlog
from pydantic import BaseModel, Json, ValidationError
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.channels.consent import ConsentStore
from bot.jobs.client import page_keys
from bot.leader import Leader, Overtaken
from shared import keys
from shared.jobs import Snowflake
from shared.transcripts import AUTHOR_BYTES, TranscriptInfo, pack_page, unpack_page

_SAID = ": "
"""Between a speaker's pseudonym and their words."""
_PAGES_AT_ONCE = 50
_NO_KEY = -2
"""Redis' answer to how long a key lives that is not there; -1: it does not expire."""

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True)
class Line:
    """A message's line. `thread_id` 0: in no thread of the channel."""

    message_id: int
    author_id: int
    text: str
    thread_id: int = 0


def said_by(pseudonym: str, text: str) -> str:
    return f"{pseudonym}{_SAID}{text}"


class ImportState(BaseModel, frozen=True, extra="ignore", hide_input_in_errors=True):
    """How far the import for a training is; kept in Redis with each page.

    `sources`: the channel and its threads in the order of reading; None: not looked up yet. `at`: which of them is
    being read. `first`, `cursor`: its first message, and the last one read; `first` 0: none was. `read`: messages so
    far, of anybody.
    """

    job_id: str
    sources: tuple[Snowflake, ...] | None = None
    at: int = 0
    first: Snowflake = 0
    cursor: Snowflake = 0
    read: int = 0

    @property
    def done(self) -> bool:
        return self.sources is not None and self.at >= len(self.sources)


class Transcript(BaseModel, frozen=True, extra="ignore", hide_input_in_errors=True):
    """What is known of a transcript beside its words.

    `revision`: grows with every change that takes words out. `bytes`: in UTF-8. `left_out`: lines, the oldest, that
    were too many. `reading`: its import's state; None: it is complete. `has_text`: its words are still kept; `until`:
    when they are dropped, seconds since the epoch; None: not decided yet, or done.
    """

    info: Json[TranscriptInfo]
    revision: int = 0
    lines: int = 0
    chars: int = 0
    bytes: int = 0
    left_out: int = 0
    reading: Json[ImportState] | None = None
    has_text: bool
    until: float | None

    @property
    def transcript_id(self) -> str:
        return self.info.transcript_id


class TranscriptStore:
    """Any method raises `redis.RedisError` while Redis cannot be reached, and `Overtaken` as `Leader.step`."""

    def __init__(self, client: redis.asyncio.Redis, leader: Leader | None = None) -> None:
        self._redis = client
        self._leader = leader or Leader(client)
        self.numbering = asyncio.Lock()
        """Held while pages must keep their numbers."""

    # ------------------------------------------------------------------ looking

    async def load(self, transcript_id: str) -> Transcript | None:
        """None: it is forgotten, or not understood."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hgetall(keys.transcript(transcript_id))
            pipe.pttl(keys.transcript_text(transcript_id))
            fields, left_ms = await redis_call(pipe.execute())
        if b"info" not in fields:
            return None
        until = time.time() + left_ms / 1_000 if left_ms >= 0 else None
        known: dict[str, Any] = {name.decode(): value for name, value in fields.items()}
        try:
            return Transcript.model_validate({**known, "has_text": left_ms != _NO_KEY, "until": until})
        except ValidationError as error:
            log.error("transcript_not_understood", transcript_id=transcript_id, fields=error.error_count())
            return None

    async def all(self, guild_id: int | None = None) -> list[Transcript]:
        known = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.TRANSCRIPTS)))
        wanted = [one.decode() for one, guild in known.items() if guild_id is None or int(guild) == guild_id]
        return [found for one in wanted if (found := await self.load(one)) is not None]

    async def members(self, transcript_id: str) -> dict[int, int]:
        """The number of lines by member. Known as long as the transcript, longer than its words."""
        found = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.transcript_members(transcript_id))))
        return {int(author): int(lines) for author, lines in found.items() if int(lines) > 0}

    async def names(self, transcript_id: str) -> dict[int, str]:
        """Pseudonyms by member, where lines begin with them."""
        found = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.transcript_names(transcript_id))))
        return {int(author): name.decode() for author, name in found.items()}

    async def lines_of(self, transcript_id: str, author_id: int) -> list[Line]:
        return [line async for _, page in self.pages(transcript_id) for line in page if line.author_id == author_id]

    async def pages(self, transcript_id: str) -> AsyncIterator[tuple[int, list[Line]]]:
        """Each page that is not empty, with its number."""
        start, count = 0, _PAGES_AT_ONCE
        while count == _PAGES_AT_ONCE:
            async with self._redis.pipeline(transaction=True) as pipe:
                for key in page_keys(transcript_id)[:2]:
                    pipe.lrange(key, start, start + _PAGES_AT_ONCE - 1)
                texts, indexes = await redis_call(pipe.execute())
            for number, (text, index) in enumerate(zip(texts, indexes, strict=True), start):
                if text:
                    yield number, _unpack(text, index)
                    await asyncio.sleep(0)  # a long transcript must not hold the bot up
            start, count = start + _PAGES_AT_ONCE, len(texts)

    # ------------------------------------------------------------------ writing

    async def create(self, info: TranscriptInfo, reading: ImportState) -> None:
        fields: dict[Any, Any] = {"info": info.model_dump_json(), "reading": reading.model_dump_json(), "revision": 0}

        def enter(pipe: Pipeline) -> None:
            pipe.hset(keys.transcript(info.transcript_id), mapping=fields)
            pipe.hset(keys.TRANSCRIPTS, info.transcript_id, str(info.guild_id))
            pipe.set(keys.transcript_salt(info.transcript_id), secrets.token_bytes())

        await self._leader.write(enter)

    async def append(
        self,
        transcript_id: str,
        lines: list[Line],
        reading: ImportState,
        names: Mapping[int, str] | None = None,
        *,
        after: ImportState | None = None,
        consents: ConsentStore | None = None,
    ) -> None:
        """Add a page, maybe empty, and the import's state after it, `reading`, in one step.

        `names`: members' pseudonyms. `after`: the import's state when the page was read; None: that does not matter.
        `consents`: what they say in this very step decides whose lines are added; None: all are. Nothing is added to a
        transcript that was forgotten meanwhile.

        Raises Overtaken: the import is elsewhere by now.
        """
        key = keys.transcript(transcript_id)

        async def add(pipe: Pipeline) -> None:
            data = cast(bytes | None, await redis_call(pipe.hget(key, "reading")))
            now = ImportState.model_validate_json(data) if data is not None else None
            done = after is not None and now == reading  # the reply was lost, and this is the second try
            if after is not None and not done and now != after:
                raise Overtaken("the import is elsewhere by now")
            taken = [] if done else lines
            if consents is not None:
                info = TranscriptInfo.model_validate_json(cast(bytes, await redis_call(pipe.hget(key, "info"))))
                said = await consents.of(info.guild_id, {line.author_id for line in lines}, pipe)
                taken = [line for line in taken if said.includes(line.author_id, line.message_id)]
            authors = {line.author_id for line in taken}
            salt = await _salt(pipe, transcript_id)
            pipe.multi()
            if taken:
                _write(pipe, transcript_id, None, taken, salt)
                _count(pipe, transcript_id, taken)
            if known := {str(who): name for who, name in (names or {}).items() if who in authors}:
                pipe.hset(keys.transcript_names(transcript_id), mapping=cast(Any, known))
            pipe.hset(key, "reading", reading.model_dump_json())

        await self._change(transcript_id, add)

    async def complete(self, transcript_id: str) -> None:
        await self._leader.write(lambda pipe: pipe.hdel(keys.transcript(transcript_id), "reading"))

    async def drop_oldest(self, transcript_id: str, most_bytes: int) -> None:
        """Take the oldest pages out until the rest is short enough."""
        key = keys.transcript(transcript_id)

        async def drop(pipe: Pipeline) -> bool:
            page = await _page(pipe, transcript_id, 0)
            pipe.multi()
            for list_key in page_keys(transcript_id):
                pipe.lpop(list_key)
            _count(pipe, transcript_id, page or [], sign=-1)
            pipe.hincrby(key, "left_out", len(page or []))
            return page is not None

        async with self.numbering:
            while int(await redis_call(self._redis.hget(key, "bytes")) or 0) > most_bytes:
                if not await self._change(transcript_id, drop, *page_keys(transcript_id)):
                    return

    # ------------------------------------------------------------------ taking out

    async def note_gone(self, transcript_id: str, changes: Mapping[int, str], threads: Collection[int] = ()) -> None:
        """Note what messages say now (empty: deleted), and deleted threads; `purge` is to follow.

        It survives a crash: until then no worker reads the transcript.
        """
        fields = {f"m:{message_id}": text for message_id, text in changes.items()}
        await self._note(transcript_id, fields | {f"t:{thread_id}": "" for thread_id in threads})

    async def note_withdrawn(self, transcript_id: str, author_ids: Collection[int]) -> None:
        """Note members who withdrew: from now on all that was learned is stale. `purge` is to follow."""
        await self._note(transcript_id, {f"a:{author_id}": "" for author_id in author_ids}, "revision", "withdrawn")

    async def _note(self, transcript_id: str, fields: Mapping[str, str], *revised: str) -> None:
        async def note(pipe: Pipeline) -> None:
            await _revise(pipe, transcript_id, *revised)
            pipe.hset(keys.transcript_gone(transcript_id), mapping=cast(Any, fields))

        if fields:
            await self._change(transcript_id, note)

    async def purge(self, transcript_id: str, *, of_messages: bool = True) -> int:
        """Take out what was noted as gone, of words that are still kept; how many lines are gone or changed.

        `of_messages` False: take out members only; what was noted of messages stays noted.
        """
        async with self.numbering:
            noted = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.transcript_gone(transcript_id))))
            gone = {name.decode(): text.decode() for name, text in noted.items() if of_messages or name[:2] == b"a:"}
            if not gone:
                return 0
            transcript = await self.load(transcript_id)
            speakers = transcript is not None and transcript.info.speakers

            def left(page: list[Line]) -> list[Line | None]:
                return [_left(line, gone, speakers) for line in page]

            changed = 0
            async for number, page in self.pages(transcript_id):
                if left(page) != page:
                    changed += await self._rewrite(transcript_id, number, left)
            await self._end_purge(transcript_id, gone, changed, of_messages)
            return changed

    async def _rewrite(self, transcript_id: str, number: int, left: Callable[[list[Line]], list[Line | None]]) -> int:
        """Change a page to what `left` makes of it (None: the line goes); how many lines changed or went."""

        async def rewrite(pipe: Pipeline) -> int:
            page = await _page(pipe, transcript_id, number) or []
            kept = left(page)
            salt = await _salt(pipe, transcript_id)
            pipe.multi()
            if kept != page:
                there = [line for line in kept if line is not None]
                _write(pipe, transcript_id, number, there, salt)
                _count(pipe, transcript_id, page, sign=-1)
                _count(pipe, transcript_id, there)
            return sum(new != old for new, old in zip(kept, page, strict=True))

        return await self._change(transcript_id, rewrite, *page_keys(transcript_id)) or 0

    async def _end_purge(self, transcript_id: str, gone: Mapping[str, str], changed: int, of_messages: bool) -> None:
        """Drop the notes of what is out, but those that changed meanwhile.

        If somebody withdrew, edited messages that stay noted are noted as deleted: nobody knows whose they are.
        """
        key, authors = keys.transcript_gone(transcript_id), [name[2:] for name in gone if name.startswith("a:")]

        async def end(pipe: Pipeline) -> None:
            noted = cast(dict[bytes, bytes], await redis_call(pipe.hgetall(key)))
            edited = [name for name, text in noted.items() if name.startswith(b"m:") and text]
            # Again, for those who read it between the note and this: they must begin anew.
            revised = ("revision", "withdrawn") if authors else ("revision",) if changed else ()
            await _revise(pipe, transcript_id, *revised)
            if authors and not of_messages and edited:
                pipe.hset(key, mapping=cast(Any, dict.fromkeys(edited, "")))
            pipe.hdel(key, "", *(name for name, text in gone.items() if noted.get(name.encode()) == text.encode()))
            if authors:
                pipe.hdel(keys.transcript_members(transcript_id), *authors)
                pipe.hdel(keys.transcript_names(transcript_id), *authors)

        await self._change(transcript_id, end, key)

    # ------------------------------------------------------------------ ending

    async def drop_text(self, transcript_id: str) -> None:
        """Drop the words now. Who was in it stays known, for models that learned from it."""
        gone = (*page_keys(transcript_id), keys.transcript_salt(transcript_id))
        await self._leader.write(lambda pipe: pipe.delete(*gone))

    async def forget(self, transcript_id: str) -> None:
        """Drop all that is known of it: models that refer to it are stale now."""
        more = (keys.transcript, keys.transcript_members, keys.transcript_names, keys.transcript_gone)

        def drop(pipe: Pipeline) -> None:
            pipe.delete(*page_keys(transcript_id), *(key(transcript_id) for key in (*more, keys.transcript_salt)))
            pipe.hdel(keys.TRANSCRIPTS, transcript_id)

        await self._leader.write(drop)

    async def _change(self, transcript_id: str, work: Callable[[Pipeline], Awaitable[T]], *watched: str) -> T | None:
        """Change a transcript in one step of `Leader.step`; None, and nothing is done, when it is forgotten."""
        key = keys.transcript(transcript_id)

        async def known(pipe: Pipeline) -> T | None:
            return await work(pipe) if await redis_call(pipe.hexists(key, "info")) else None

        return await self._leader.step(known, key, *watched)


# ---------------------------------------------------------------------- pages


def _unpack(text: bytes, index: bytes) -> list[Line]:
    """The lines of a page that is not empty."""
    entries = zip(unpack_page(text).split("\n"), json.loads(unpack_page(index)), strict=True)
    return [Line(message_id, author_id, line, *thread) for line, (message_id, author_id, *thread) in entries]


async def _page(pipe: Pipeline, transcript_id: str, number: int) -> list[Line] | None:
    """A page as it is now; None: there is none."""
    text, index = [
        cast(bytes | None, await redis_call(pipe.lindex(key, number))) for key in page_keys(transcript_id)[:2]
    ]
    return None if text is None or index is None else _unpack(text, index) if text else []


async def _salt(pipe: Pipeline, transcript_id: str) -> bytes | None:
    """None: an older version has begun it, and there are no numbers for its authors."""
    return cast(bytes | None, await redis_call(pipe.get(keys.transcript_salt(transcript_id))))


def _write(pipe: Pipeline, transcript_id: str, number: int | None, lines: Sequence[Line], salt: bytes | None) -> None:
    """Queue a page: in the place of another one, or (`number` None) at the end."""
    entries = [[line.message_id, line.author_id, *([line.thread_id] if line.thread_id else [])] for line in lines]
    page = [pack_page("\n".join(line.text for line in lines)), pack_page(json.dumps(entries) if lines else "")]
    if salt is not None:  # two members of one number count as one, which tells less
        page.append(b"".join(_number(line.author_id, salt) for line in lines))
    for key, data in zip(page_keys(transcript_id), page, strict=False):
        if number is None:
            pipe.rpush(key, data)
        else:
            pipe.lset(key, number, cast(Any, data))


def _number(author_id: int, salt: bytes) -> bytes:
    return hashlib.blake2b(str(author_id).encode(), digest_size=AUTHOR_BYTES, key=salt).digest()


def _count(pipe: Pipeline, transcript_id: str, lines: Sequence[Line], sign: int = 1) -> None:
    """Queue the counters' change when lines, each with its line end, come or (`sign` -1) go."""
    for author, count in Counter(line.author_id for line in lines).items():
        pipe.hincrby(keys.transcript_members(transcript_id), str(author), sign * count)
    chars = sum(len(line.text) + 1 for line in lines)
    size = sum(len(line.text.encode("utf-8")) + 1 for line in lines)
    for name, count in (("lines", len(lines)), ("chars", chars), ("bytes", size)):
        pipe.hincrby(keys.transcript(transcript_id), name, sign * count)


def _left(line: Line, gone: Mapping[str, str], speakers: bool) -> Line | None:
    """What is left of a line after what was noted; None: it is gone."""
    if f"a:{line.author_id}" in gone or f"t:{line.thread_id}" in gone:
        return None
    text = gone.get(f"m:{line.message_id}")
    if text is None:
        return line
    if text and speakers:
        text = said_by(line.text.partition(_SAID)[0], text)
    return replace(line, text=text) if text else None


async def _revise(pipe: Pipeline, transcript_id: str, *fields: str) -> None:
    """Begin to queue, first that these fields have the next revision."""
    key = keys.transcript(transcript_id)
    revision = int(cast(bytes | None, await redis_call(pipe.hget(key, "revision"))) or 0) + 1
    pipe.multi()
    if fields:
        pipe.hset(key, mapping=cast(Any, dict.fromkeys(fields, revision)))
