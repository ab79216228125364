"""What Redis has of transcripts, for whoever only looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import redis.asyncio
import structlog
from pydantic import ValidationError

from bot.channels.pages import Line, read_page
from bot.jobs.understanding import card_of
from bot.redis_reply import reply
from shared import keys
from shared.transcripts import Revision, TranscriptInfo, read_revision

_PAGES_AT_ONCE = 50

log = structlog.get_logger()


@dataclass(frozen=True)
class Transcript:
    """What is known of a transcript.

    Attributes:
        reading: how far its reading is (JSON); None: it is complete.
        card: channel and message that show the reading.
        left_out: lines that were too many: the oldest.
        cancelled: whether somebody cancelled its reading.
    """

    info: TranscriptInfo
    revision: Revision
    lines: int
    chars: int
    bytes: int
    reading: str | None
    card: tuple[int, int] | None = None
    left_out: int = 0
    cancelled: bool = False

    @property
    def transcript_id(self) -> str:
        """Its name in Redis."""
        return self.info.transcript_id


class KeptTranscripts:
    """Transcripts as they are."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client
        self._known: dict[str, TranscriptInfo] = {}
        self._all_known = False

    async def load(self, transcript_id: str) -> Transcript | None:
        """What is known of a transcript; None when it is forgotten."""
        fields = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.transcript(transcript_id))))
        if b"info" not in fields:
            return None
        try:
            info = TranscriptInfo.model_validate_json(fields[b"info"])
        except ValidationError as error:
            log.error("transcript_not_understood", transcript_id=transcript_id, fields=error.error_count())
            return None
        revision = read_revision([fields.get(b"revision"), fields.get(b"withdrawn")])
        reading = fields.get(b"reading")
        return Transcript(
            info,
            revision or Revision(now=0, withdrawn=0),
            int(fields.get(b"lines", 0)),
            int(fields.get(b"chars", 0)),
            int(fields.get(b"bytes", 0)),
            reading.decode() if reading is not None else None,
            card_of(fields.get(b"card")),
            int(fields.get(b"left_out", 0)),
            b"cancelled" in fields,
        )

    async def all(self, guild_id: int | None = None) -> list[Transcript]:
        """All transcripts that are not forgotten, of one server or of every one."""
        known = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.TRANSCRIPTS)))
        wanted = [one.decode() for one, guild in known.items() if guild_id is None or int(guild) == guild_id]
        found = [await self.load(transcript_id) for transcript_id in wanted]
        return [transcript for transcript in found if transcript is not None]

    async def known(self) -> list[TranscriptInfo]:
        """What each transcript is of that is not forgotten. Read from Redis once: nobody else makes one."""
        if not self._all_known:
            found = {transcript.transcript_id: transcript.info for transcript in await self.all()}
            self._known = found | self._known
            self._all_known = True
        return list(self._known.values())

    def may_hold(self, guild_id: int, message_id: int) -> bool:
        """Whether a transcript of the server may have a message by its age; also while they are not `known` yet."""
        return not self._all_known or any(
            info.guild_id == guild_id and info.may_hold(message_id) for info in self._known.values()
        )

    async def members(self, transcript_id: str) -> dict[int, int]:
        """Who is in it, each with the number of lines. Known as long as the transcript, longer than its words."""
        found = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.transcript_members(transcript_id))))
        return {int(author): int(lines) for author, lines in found.items() if int(lines) > 0}

    async def names(self, transcript_id: str) -> dict[int, str]:
        """The pseudonyms of those who are in it, where its lines begin with them."""
        found = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.transcript_names(transcript_id))))
        return {int(author): name.decode() for author, name in found.items()}

    async def has_text(self, transcript_id: str) -> bool:
        """Whether its words are still kept."""
        return bool(await reply(self._redis.exists(keys.transcript_text(transcript_id))))

    async def expires_in(self, transcript_id: str) -> float | None:
        """Seconds until its words are dropped; None: they are not kept, or not yet to be dropped."""
        left = cast(int, await reply(self._redis.pttl(keys.transcript_text(transcript_id))))
        return left / 1_000 if left >= 0 else None

    async def lines_of(self, transcript_id: str, author_id: int) -> list[Line]:
        """What is kept of a member's words."""
        return [line async for _, page in self.pages(transcript_id) for line in page if line.author_id == author_id]

    async def pages(self, transcript_id: str) -> AsyncIterator[tuple[int, list[Line]]]:
        """Each page that is not empty, with its number."""
        start, count = 0, _PAGES_AT_ONCE
        while count == _PAGES_AT_ONCE:
            end = start + _PAGES_AT_ONCE - 1
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.lrange(keys.transcript_text(transcript_id), start, end)
                pipe.lrange(keys.transcript_index(transcript_id), start, end)
                texts, indexes = await reply(pipe.execute())
            for number, (text, index) in enumerate(zip(texts, indexes, strict=True), start):
                if text:
                    yield number, read_page(text, index)
                    await asyncio.sleep(0)  # a long transcript must not hold the bot up
            start, count = start + _PAGES_AT_ONCE, len(texts)
