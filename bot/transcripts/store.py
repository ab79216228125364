"""Transcripts in Redis, as the bot writes them: pages are added, words are taken out, what is over is dropped."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any, cast

import redis.asyncio

from bot.redis_reply import reply
from bot.transcripts.kept import KeptTranscripts, Transcript
from bot.transcripts.pages import Line, as_noted, pack, read_page, said_by, sizes
from shared import keys
from shared.transcripts import TranscriptInfo

__all__ = ["Line", "Transcript", "TranscriptStore", "said_by"]

# A new revision; if ARGV[1] is 1, the one at which a member withdrew. KEYS: the transcript.
# Of a forgotten one nothing comes back: whoever learned from it is stale.
_REVISE = """
if redis.call('HEXISTS', KEYS[1], 'info') == 0 then return 0 end
local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'withdrawn', revision) end
return revision
"""

# Keep one field, ARGV[1] with the value ARGV[2], of a transcript that is not forgotten. KEYS: the transcript.
_KEEP = """
if redis.call('HEXISTS', KEYS[1], 'info') == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""

# Note that somebody cancelled a reading that is not over; whether it was. KEYS: the transcript.
_CANCEL = """
if redis.call('HEXISTS', KEYS[1], 'reading') == 0 then return 0 end
redis.call('HSET', KEYS[1], 'cancelled', '1')
return 1
"""


class TranscriptStore(KeptTranscripts):
    """Transcripts. Only one bot writes them: what changes one waits for the change before (`lock`)."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        super().__init__(client)
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
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.transcript(info.transcript_id), mapping=fields)
            pipe.hset(keys.TRANSCRIPTS, info.transcript_id, str(guild_id))
            await reply(pipe.execute())
        return info

    async def append(
        self, transcript_id: str, lines: list[Line], reading: str, names: Mapping[int, str] | None = None
    ) -> None:
        """Add a page, and keep how far the reading is, in one step. Hold the `lock` from when the lines were chosen.

        Args:
            transcript_id: which.
            lines: the page; none: there was nothing in it.
            reading: see `Transcript`.
            names: pseudonyms of members who speak here for the first time.

        Nothing is added to one that was forgotten meanwhile.
        """
        if not await reply(self._redis.hexists(keys.transcript(transcript_id), "info")):
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            if lines:
                self._write(pipe, transcript_id, None, lines)
                for author, count in Counter(line.author_id for line in lines).items():
                    pipe.hincrby(keys.transcript_members(transcript_id), str(author), count)
                for name, count in sizes(lines).items():
                    pipe.hincrby(keys.transcript(transcript_id), name, count)
            if names:
                pipe.hset(keys.transcript_names(transcript_id), mapping={str(who): name for who, name in names.items()})
            pipe.hset(keys.transcript(transcript_id), "reading", reading)
            await reply(pipe.execute())

    async def save_reading(self, transcript_id: str, reading: str) -> None:
        """Keep how far the reading is."""
        await self._keep(transcript_id, "reading", reading)

    async def save_card(self, transcript_id: str, card: tuple[int, int]) -> None:
        """Keep which message (channel id, message id) shows the reading."""
        await self._keep(transcript_id, "card", f"{card[0]}:{card[1]}")

    async def _keep(self, transcript_id: str, field: str, value: str) -> None:
        await reply(self._redis.eval(_KEEP, 1, keys.transcript(transcript_id), field, value))

    async def cancel(self, transcript_id: str) -> bool:
        """Note that the reading is to end, so that the next run of the bot does not go on; False: it is over."""
        return bool(await reply(self._redis.eval(_CANCEL, 1, keys.transcript(transcript_id))))

    async def complete(self, transcript_id: str) -> bool:
        """The reading is over: what is there is the transcript. Whether somebody cancelled it until now."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hexists(keys.transcript(transcript_id), "cancelled")
            pipe.hdel(keys.transcript(transcript_id), "reading", "card", "cancelled")
            cancelled, _ = await reply(pipe.execute())
        return bool(cancelled)

    async def drop_oldest(self, transcript_id: str, most_bytes: int) -> int:
        """Take the oldest pages out until the rest is short enough. Hold the `lock`.

        Returns:
            The number of lines that were left out.
        """
        left_out = 0
        while (transcript := await self.load(transcript_id)) is not None and transcript.bytes > most_bytes:
            page: list[Line] = []
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.lpop(keys.transcript_text(transcript_id))
                pipe.lpop(keys.transcript_index(transcript_id))
                text, index = await reply(pipe.execute())
            if text is None:
                break
            page = read_page(text, index) if text else []
            async with self._redis.pipeline(transaction=True) as pipe:
                self._count_out(pipe, transcript_id, page)
                pipe.hincrby(keys.transcript(transcript_id), "left_out", len(page))
                await reply(pipe.execute())
            left_out += len(page)
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
            if await reply(self._redis.hexists(keys.transcript(transcript_id), "info")):
                await reply(self._redis.hset(keys.transcript_gone(transcript_id), mapping=cast(Any, fields)))

    async def note_withdrawn(self, transcript_id: str, author_ids: Collection[int]) -> None:
        """Note members who withdrew: from now on all that was learned is stale. `purge` is to follow."""
        if not author_ids:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.transcript_gone(transcript_id), mapping={f"a:{author_id}": "" for author_id in author_ids})
            pipe.eval(_REVISE, 1, keys.transcript(transcript_id), "1")
            await reply(pipe.execute())

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
            async for number, page in self.pages(transcript_id):
                kept = [
                    as_noted(line, messages, speakers)
                    if line.author_id not in authors and line.thread_id not in threads
                    else None
                    for line in page
                ]
                differing = sum(new != old for new, old in zip(kept, page, strict=True))
                if not differing:
                    continue
                changed += differing
                left = [line for line in kept if line is not None]
                async with self._redis.pipeline(transaction=True) as pipe:
                    self._write(pipe, transcript_id, number, left)
                    self._count_out(pipe, transcript_id, page)
                    self._count_out(pipe, transcript_id, left, sign=-1)
                    await reply(pipe.execute())
            if authors and not of_messages:
                await self._blank_edits(transcript_id, noted)
            await self._end_purge(transcript_id, list(gone), authors, changed)
            return changed

    async def _blank_edits(self, transcript_id: str, noted: Mapping[bytes, bytes]) -> None:
        """Note edited messages as deleted. Nobody knows whose they are: maybe those of a member who withdrew."""
        edited = {name: "" for name, text in noted.items() if name.startswith(b"m:") and text}
        if edited:
            await reply(self._redis.hset(keys.transcript_gone(transcript_id), mapping=cast(Any, edited)))

    async def _end_purge(self, transcript_id: str, gone: list[str], authors: set[int], changed: int) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.transcript_gone(transcript_id), *gone)
            if authors:
                pipe.hdel(keys.transcript_members(transcript_id), *map(str, authors))
                pipe.hdel(keys.transcript_names(transcript_id), *map(str, authors))
            if authors or changed:
                # Once more: whoever read it while it was noted, and not yet taken out, begins anew.
                pipe.eval(_REVISE, 1, keys.transcript(transcript_id), str(int(bool(authors))))
            await reply(pipe.execute())

    # ------------------------------------------------------------------ ending

    async def drop_text(self, transcript_id: str) -> None:
        """Drop the words now. Who was in it stays known, for models that learned from it."""
        async with self.lock(transcript_id):
            await reply(self._redis.delete(keys.transcript_text(transcript_id), keys.transcript_index(transcript_id)))

    async def forget(self, transcript_id: str, ending: str | None = None) -> None:
        """Drop all that is known of it, and keep how its reading ended. A model that refers to it is stale from now on.

        Args:
            transcript_id: which.
            ending: an `Ending` (JSON) that has yet to be told.
        """
        async with self.lock(transcript_id), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(
                keys.transcript(transcript_id),
                keys.transcript_text(transcript_id),
                keys.transcript_index(transcript_id),
                keys.transcript_members(transcript_id),
                keys.transcript_names(transcript_id),
                keys.transcript_gone(transcript_id),
            )
            pipe.hdel(keys.TRANSCRIPTS, transcript_id)
            if ending is not None:
                pipe.hset(keys.READINGS_ENDED, transcript_id, ending)
            await reply(pipe.execute())
        self._locks.pop(transcript_id, None)
        self._known.pop(transcript_id, None)

    # ------------------------------------------------------------------ plumbing

    def _write(self, pipe: Any, transcript_id: str, number: int | None, lines: list[Line]) -> None:
        """Queue a page: in the place of another one, or (None) at the end."""
        text, index = pack(lines)
        for key, data in ((keys.transcript_text(transcript_id), text), (keys.transcript_index(transcript_id), index)):
            if number is None:
                pipe.rpush(key, data)
            else:
                pipe.lset(key, number, data)

    def _count_out(self, pipe: Any, transcript_id: str, lines: list[Line], sign: int = 1) -> None:
        """Queue the counters' change when lines go (or, with -1, come)."""
        for author, count in Counter(line.author_id for line in lines).items():
            pipe.hincrby(keys.transcript_members(transcript_id), str(author), -sign * count)
        for name, count in sizes(lines).items():
            pipe.hincrby(keys.transcript(transcript_id), name, -sign * count)
