"""Transcripts: a channel's messages, cleaned, one a line, as the bot writes them to Redis and a worker reads them.

The words are in pages in one list, who wrote which line in a second one of the same length, and numbers in the place of
who wrote it, drawn for this transcript alone, in a third: a worker reads the first and the third. Withdrawn words are
taken out of all in place, and the transcript's revision grows. By that, whoever learned from an earlier revision is
known without being noted anywhere.
"""

from __future__ import annotations

import secrets
import time
import zlib
from itertools import zip_longest
from pathlib import Path
from typing import cast

import redis
import structlog
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import NoPermissionError

from galvanic.errors import UserError
from galvanic.options import TranscriptRef
from galvanic.units import MEGABYTE
from shared import keys
from shared.jobs import Snowflake

AUTHOR_BYTES = 4
"""Of an author's number."""
_PAGES_AT_ONCE = 200
_TRIES = 20

log = structlog.get_logger()


class TranscriptInfo(BaseModel):
    """What a transcript is of. It never changes.

    Attributes:
        transcript_id: its name in Redis; unguessable.
        channel_id: who reads this channel, or this private thread, may read the transcript.
        source_id: the channel or thread that is read.
        created_at: seconds since the epoch.
        after: only messages after this one; 0: all.
        until: only messages up to this id, which was the newest possible one when the reading began.
        speakers: each line begins with the pseudonym of whoever wrote it.
        author_id: only this member's messages are read; 0: those of all who agreed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    transcript_id: str = Field(default_factory=lambda: secrets.token_hex(12))
    guild_id: Snowflake
    channel_id: Snowflake
    source_id: Snowflake
    created_at: float = Field(default_factory=time.time)
    after: Snowflake = 0
    until: Snowflake = 0
    speakers: bool = False
    author_id: Snowflake = 0

    def may_hold(self, message_id: int) -> bool:
        return self.after < message_id <= self.until

    def ref(self, revision: int) -> TranscriptRef:
        return TranscriptRef(
            transcript_id=self.transcript_id,
            revision=revision,
            guild_id=self.guild_id,
            channel_id=self.channel_id,
            author_id=self.author_id,
        )


class BeingChanged(UserError):
    """Words are being taken out of a transcript; it can be read in a moment."""


class Revision(BaseModel):
    """`now`: the transcript's present revision. `withdrawn`: the one at which a member last withdrew; 0: none did."""

    model_config = ConfigDict(frozen=True)

    now: int = Field(ge=0)
    withdrawn: int = Field(ge=0)

    def withdraws(self, ref: TranscriptRef) -> bool:
        return self.withdrawn > ref.revision


def pack_page(text: str) -> bytes:
    """A page, or its index, as in Redis; an empty one is empty."""
    return zlib.compress(text.encode("utf-8"), level=6) if text else b""


def unpack_page(data: bytes) -> str:
    return zlib.decompress(data).decode("utf-8") if data else ""


def read_revision(fields: list[bytes | None]) -> Revision | None:
    """From the fields `revision` and `withdrawn` of a transcript's hash; None: there is no such transcript."""
    now, withdrawn = fields
    return Revision(now=int(now), withdrawn=int(withdrawn or 0)) if now is not None else None


def revision_of(client: redis.Redis, transcript_id: str) -> Revision | None:
    """None: it is forgotten."""
    fields = client.hmget(keys.transcript(transcript_id), "revision", "withdrawn")
    return read_revision(cast(list[bytes | None], fields))


def is_being_purged(client: redis.Redis, transcript_id: str) -> bool:
    """Words have yet to be taken out of it, so nobody may read it now."""
    return bool(client.exists(keys.transcript_gone(transcript_id)))


def write_text(client: redis.Redis, transcript_id: str, path: Path, max_bytes: int) -> tuple[int, bytes | None]:
    """Write the text in UTF-8, with Unix line ends, a few pages in memory at a time; returns its revision, and the
    numbers of its lines' authors, `AUTHOR_BYTES` each; None: an older version wrote some of it.

    Raises, and leaves no file, `BeingChanged`: it is being purged all the time; `UserError`: it is no longer there, or
    has more than `max_bytes`; `OSError`: the file cannot be written.
    """
    try:
        for _ in range(_TRIES):
            before = revision_of(client, transcript_id)
            if before is None or not client.exists(keys.transcript_text(transcript_id)):
                raise UserError("The channel's messages are no longer kept.", "Run it again: I read the channel again.")
            authors = _write_pages(client, transcript_id, path, max_bytes)
            if not is_being_purged(client, transcript_id) and revision_of(client, transcript_id) == before:
                return before.now, authors
        raise BeingChanged("The channel's messages are being changed all the time.", "Run the command again.")
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write_pages(client: redis.Redis, transcript_id: str, path: Path, max_bytes: int) -> bytes | None:
    lists, known = [keys.transcript_text(transcript_id), keys.transcript_authors(transcript_id)], True
    try:
        client.llen(lists[1])
    except NoPermissionError:  # Redis has the users of an older version, and is read as by that
        log.warning("authors_may_not_be_read")
        lists, known = lists[:1], False
    written, start, authors = 0, 0, bytearray()
    with path.open("wb") as file:
        while True:
            with client.pipeline(transaction=True) as pipe:
                for key in lists:
                    pipe.lrange(key, start, start + _PAGES_AT_ONCE - 1)
                pages, *others = cast(list[list[bytes]], pipe.execute())
            if not pages:
                return bytes(authors) if known else None
            start += len(pages)
            for page, numbered in zip_longest(pages, *others or [[]], fillvalue=b""):
                data = zlib.decompress(page) + b"\n" if page else b""
                written += len(data)
                if written > max_bytes:
                    raise UserError(
                        f"The channel's messages are longer than this worker accepts ({max_bytes / MEGABYTE:.1f} MB).",
                        "Ask the bot's operator to raise CORPUS_MAX_MB for the bot and the worker.",
                    )
                file.write(data)
                authors += numbered
                known = known and len(numbered) == AUTHOR_BYTES * data.count(b"\n")
