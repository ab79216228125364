"""Transcripts in Redis, as the bot writes them: pages are added, words are taken out, what is over is dropped."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import redis.asyncio
from redis.asyncio.client import Pipeline

from bot.channels.kept import KeptTranscripts, Transcript
from bot.channels.pages import Line, as_noted, pack, read_page, said_by, sizes
from bot.leader import Fence, Overtaken
from bot.redis_reply import reply
from shared import keys
from shared.transcripts import TranscriptInfo

if TYPE_CHECKING:
    from bot.channels.consent import ConsentStore

__all__ = ["Line", "Transcript", "TranscriptStore", "said_by"]

T = TypeVar("T")


class TranscriptStore(KeptTranscripts):
    """Transcripts. Only one bot writes them: what changes one waits for the change before (`lock`), and is fenced."""

    def __init__(self, client: redis.asyncio.Redis, fence: Fence | None = None) -> None:
        super().__init__(client)
        self._fence = fence or Fence(client)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def lock(self, transcript_id: str) -> asyncio.Lock:
        """Held while a transcript is changed: also while somebody decides what is added to it."""
        return self._locks[transcript_id]

    # ------------------------------------------------------------------ writing

    async def create(
        self,
        *,
        guild_id: int,
        channel_id: int,
        source_id: int,
        asked_by: int,
        reading: str,
        after: int = 0,
        until: int = 0,
        speakers: bool = False,
        transcript_id: str | None = None,
    ) -> TranscriptInfo:
        """Begin an empty transcript; arguments as the fields of TranscriptInfo. `reading`: see `Transcript`."""
        info = TranscriptInfo(
            transcript_id=transcript_id or secrets.token_hex(12),
            guild_id=guild_id,
            channel_id=channel_id,
            source_id=source_id,
            asked_by=asked_by,
            created_at=time.time(),
            after=after,
            until=until,
            speakers=speakers,
        )
        self._known[info.transcript_id] = info
        fields: dict[Any, Any] = {"info": info.model_dump_json(), "reading": reading, "revision": 0}

        async def enter(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(keys.transcript(info.transcript_id), mapping=fields)
            pipe.hset(keys.TRANSCRIPTS, info.transcript_id, str(guild_id))

        await self._fence.step(enter)
        return info

    async def append(
        self,
        transcript_id: str,
        lines: list[Line],
        reading: str,
        names: Mapping[int, str] | None = None,
        *,
        after: str | None = None,
        consents: ConsentStore | None = None,
    ) -> set[int]:
        """Add a page, and keep how far the reading is, in one step. Hold the `lock` from when the lines were chosen.

        Args:
            transcript_id: which.
            lines: the page; none: there was nothing in it.
            reading: see `Transcript`.
            names: pseudonyms of members who speak here for the first time.
            after: how far the reading was when the page was read; None: that does not matter.
            consents: what they say in this very step decides whose lines are added; None: all are.

        Returns:
            Whose lines were added. Nothing is added to one that was forgotten meanwhile.

        Raises:
            Overtaken: the reading is elsewhere by now.
            redis.RedisError: Redis cannot be reached.
        """
        key = keys.transcript(transcript_id)

        async def add(pipe: Pipeline) -> set[int]:
            now = cast(bytes | None, await reply(pipe.hget(key, "reading")))
            done = now == reading.encode()  # the reply was lost, and this is the second try
            if after is not None and not done and now != after.encode():
                raise Overtaken("the reading is elsewhere by now")
            taken = lines
            if consents is not None:
                info = TranscriptInfo.model_validate_json(cast(bytes, await reply(pipe.hget(key, "info"))))
                said = await consents.of(info.guild_id, {line.author_id for line in lines}, pipe)
                taken = [line for line in lines if said.includes(line.author_id, line.message_id)]
            authors = {line.author_id for line in taken}
            if after is not None and done:
                return authors
            pipe.multi()
            if taken:
                self._write(pipe, transcript_id, None, taken)
                self._count(pipe, transcript_id, taken)
            if known := {str(who): name for who, name in (names or {}).items() if who in authors}:
                pipe.hset(keys.transcript_names(transcript_id), mapping=cast(Any, known))
            pipe.hset(key, "reading", reading)
            return authors

        return await self._change(transcript_id, add) or set()

    async def save_card(self, transcript_id: str, card: tuple[int, int]) -> None:
        """Keep which message (channel id, message id) shows the reading."""

        async def keep(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(keys.transcript(transcript_id), "card", f"{card[0]}:{card[1]}")

        await self._change(transcript_id, keep)

    async def cancel(self, transcript_id: str) -> bool:
        """Note that the reading is to end, so that the next run of the bot does not go on; False: it is over."""

        async def note(pipe: Pipeline) -> bool:
            reads = bool(await reply(pipe.hexists(keys.transcript(transcript_id), "reading")))
            pipe.multi()
            if reads:
                pipe.hset(keys.transcript(transcript_id), "cancelled", "1")
            return reads

        return bool(await self._change(transcript_id, note))

    async def complete(self, transcript_id: str) -> bool:
        """The reading is over: what is there is the transcript. Whether somebody cancelled it until now."""

        async def end(pipe: Pipeline) -> bool:
            cancelled = bool(await reply(pipe.hexists(keys.transcript(transcript_id), "cancelled")))
            pipe.multi()
            pipe.hdel(keys.transcript(transcript_id), "reading", "card", "cancelled")
            return cancelled

        return bool(await self._change(transcript_id, end))

    async def drop_oldest(self, transcript_id: str, most_bytes: int) -> int:
        """Take the oldest pages out until the rest is short enough. Hold the `lock`.

        Returns:
            The number of lines that were left out.
        """
        key = keys.transcript(transcript_id)

        async def drop(pipe: Pipeline) -> int | None:
            size = int(cast(bytes | None, await reply(pipe.hget(key, "bytes"))) or 0)
            page = await self._page(pipe, transcript_id, 0) if size > most_bytes else None
            pipe.multi()
            if page is None:
                return None
            pipe.lpop(keys.transcript_text(transcript_id))
            pipe.lpop(keys.transcript_index(transcript_id))
            self._count(pipe, transcript_id, page, sign=-1)
            pipe.hincrby(key, "left_out", len(page))
            return len(page)

        left_out = 0
        while (lines := await self._change(transcript_id, drop, *_words(transcript_id))) is not None:
            left_out += lines
        return left_out

    # ------------------------------------------------------------------ taking out

    async def note_gone(self, transcript_id: str, changes: Mapping[int, str], threads: Collection[int] = ()) -> None:
        """Note messages that were deleted (``), or what they say now, and deleted threads; `purge` is to follow.

        It survives a crash: until then no worker reads the transcript. A purge that has begun must not take a later
        note of the same message for the one that it saw, so this waits for its end.
        """
        fields = {f"m:{message_id}": text for message_id, text in changes.items()}
        fields |= {f"t:{thread_id}": "" for thread_id in threads}
        if not fields:
            return
        async with self.lock(transcript_id):
            await self._note(transcript_id, fields)

    async def note_withdrawn(self, transcript_id: str, author_ids: Collection[int]) -> None:
        """Note members who withdrew: from now on all that was learned is stale. `purge` is to follow."""
        if author_ids:
            await self._note(transcript_id, {f"a:{author_id}": "" for author_id in author_ids}, withdrawn=True)

    async def _note(self, transcript_id: str, fields: Mapping[str, str], *, withdrawn: bool = False) -> None:
        async def note(pipe: Pipeline) -> None:
            revision = await self._next_revision(pipe, transcript_id)
            pipe.multi()
            pipe.hset(keys.transcript_gone(transcript_id), mapping=cast(Any, fields))
            if withdrawn:
                self._revise(pipe, transcript_id, revision, withdrawn=True)

        await self._change(transcript_id, note)

    async def purge(self, transcript_id: str, *, of_messages: bool = True) -> int:
        """Take out what was noted as gone, of words that are still kept.

        Args:
            transcript_id: which.
            of_messages: False: take out members only; what was noted of messages stays noted.

        Returns:
            The number of lines that were taken out or changed.
        """
        async with self.lock(transcript_id):
            key = keys.transcript_gone(transcript_id)
            noted = cast(dict[bytes, bytes], await reply(self._redis.hgetall(key)))
            gone = {name.decode(): text.decode() for name, text in noted.items()}
            gone = {name: text for name, text in gone.items() if of_messages or name.startswith("a:")}
            if not gone:
                return 0
            transcript = await self.load(transcript_id)
            speakers = transcript is not None and transcript.info.speakers
            authors = {int(name[2:]) for name in gone if name.startswith("a:")}
            threads = {int(name[2:]) for name in gone if name.startswith("t:")}
            messages = {int(name[2:]): text for name, text in gone.items() if name.startswith("m:")}
            changed = 0

            def left(page: list[Line]) -> list[Line | None]:
                return [
                    as_noted(line, messages, speakers)
                    if line.author_id not in authors and line.thread_id not in threads
                    else None
                    for line in page
                ]

            async for number, page in self.pages(transcript_id):
                if left(page) != page:
                    changed += await self._rewrite(transcript_id, number, left)
            await self._end_purge(transcript_id, gone, authors, changed, of_messages)
            return changed

    async def _rewrite(self, transcript_id: str, number: int, left: Callable[[list[Line]], list[Line | None]]) -> int:
        """Take lines out of a page, or change them, as `left` says of the page as it is now; the number of them."""

        async def rewrite(pipe: Pipeline) -> int:
            page = await self._page(pipe, transcript_id, number) or []
            kept = left(page)
            there = [line for line in kept if line is not None]
            pipe.multi()
            if kept != page:
                self._write(pipe, transcript_id, number, there)
                self._count(pipe, transcript_id, page, sign=-1)
                self._count(pipe, transcript_id, there)
            return sum(new != old for new, old in zip(kept, page, strict=True))

        return await self._change(transcript_id, rewrite, *_words(transcript_id)) or 0

    async def _end_purge(
        self, transcript_id: str, gone: Mapping[str, str], authors: set[int], changed: int, of_messages: bool
    ) -> None:
        """What was noted is out.

        Edited messages that stay noted are noted as deleted if somebody withdrew: nobody knows whose they are.
        """
        key = keys.transcript_gone(transcript_id)

        async def end(pipe: Pipeline) -> None:
            noted = cast(dict[bytes, bytes], await reply(pipe.hgetall(key)))
            edited = [name for name, text in noted.items() if name.startswith(b"m:") and text]
            revision = await self._next_revision(pipe, transcript_id)
            pipe.multi()
            if authors and not of_messages and edited:
                pipe.hset(key, mapping=cast(Any, dict.fromkeys(edited, "")))
            pipe.hdel(key, *gone)
            if authors:
                pipe.hdel(keys.transcript_members(transcript_id), *map(str, authors))
                pipe.hdel(keys.transcript_names(transcript_id), *map(str, authors))
            if authors or changed:
                # Once more: whoever read it while it was noted, and not yet taken out, begins anew.
                self._revise(pipe, transcript_id, revision, withdrawn=bool(authors))

        await self._change(transcript_id, end, key)

    # ------------------------------------------------------------------ ending

    async def drop_text(self, transcript_id: str) -> None:
        """Drop the words now. Who was in it stays known, for models that learned from it."""

        async def drop(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.delete(*_words(transcript_id))

        async with self.lock(transcript_id):
            await self._fence.step(drop)

    async def forget(self, transcript_id: str, ending: str | None = None) -> None:
        """Drop all that is known of it, and keep how its reading ended. A model that refers to it is stale from now on.

        Args:
            transcript_id: which.
            ending: an `Ending` (JSON) that has yet to be told.
        """

        async def drop(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.delete(
                keys.transcript(transcript_id),
                *_words(transcript_id),
                keys.transcript_members(transcript_id),
                keys.transcript_names(transcript_id),
                keys.transcript_gone(transcript_id),
            )
            pipe.hdel(keys.TRANSCRIPTS, transcript_id)
            if ending is not None:
                pipe.hset(keys.READINGS_ENDED, transcript_id, ending)

        async with self.lock(transcript_id):
            await self._fence.step(drop)
        self._locks.pop(transcript_id, None)
        self._known.pop(transcript_id, None)

    # ------------------------------------------------------------------ plumbing

    async def _change(self, transcript_id: str, work: Callable[[Pipeline], Awaitable[T]], *watched: str) -> T | None:
        """Change a transcript in one step of the `Fence`; None, and nothing is done, when it is forgotten."""
        key = keys.transcript(transcript_id)

        async def known(pipe: Pipeline) -> T | None:
            return await work(pipe) if await reply(pipe.hexists(key, "info")) else None

        return await self._fence.step(known, key, *watched)

    async def _page(self, pipe: Pipeline, transcript_id: str, number: int) -> list[Line] | None:
        """A page as it is now; None: there is none."""
        text, index = [cast(bytes | None, await reply(pipe.lindex(key, number))) for key in _words(transcript_id)]
        return None if text is None or index is None else read_page(text, index) if text else []

    def _write(self, pipe: Pipeline, transcript_id: str, number: int | None, lines: list[Line]) -> None:
        """Queue a page: in the place of another one, or (None) at the end."""
        for key, data in zip(_words(transcript_id), pack(lines), strict=True):
            if number is None:
                pipe.rpush(key, data)
            else:
                pipe.lset(key, number, cast(Any, data))

    def _count(self, pipe: Pipeline, transcript_id: str, lines: list[Line], sign: int = 1) -> None:
        """Queue the counters' change when lines come (or, with -1, go)."""
        for author, count in Counter(line.author_id for line in lines).items():
            pipe.hincrby(keys.transcript_members(transcript_id), str(author), sign * count)
        for name, count in sizes(lines).items():
            pipe.hincrby(keys.transcript(transcript_id), name, sign * count)

    async def _next_revision(self, pipe: Pipeline, transcript_id: str) -> int:
        return int(cast(bytes | None, await reply(pipe.hget(keys.transcript(transcript_id), "revision"))) or 0) + 1

    def _revise(self, pipe: Pipeline, transcript_id: str, revision: int, *, withdrawn: bool) -> None:
        """Queue a new revision; `withdrawn`: it is that at which a member withdrew."""
        fields = {"revision": revision} | ({"withdrawn": revision} if withdrawn else {})
        pipe.hset(keys.transcript(transcript_id), mapping=cast(Any, fields))


def _words(transcript_id: str) -> tuple[str, str]:
    """Where a transcript's pages are, and their index."""
    return keys.transcript_text(transcript_id), keys.transcript_index(transcript_id)
