"""Transcripts as a reading leaves them, for tests that need one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.channels.store import ImportState, Line, Transcript, TranscriptStore
from bot.jobs.client import page_keys
from shared.transcripts import TranscriptInfo

_PAGE = 10
READING = ImportState(job_id="t-1")


async def begun(store: TranscriptStore, **fields: Any) -> TranscriptInfo:
    """An empty transcript; `fields` of TranscriptInfo: `guild_id` and `channel_id` at least."""
    info = TranscriptInfo(**{"source_id": fields["channel_id"], **fields})
    await store.create(info, READING)
    return info


async def written(
    store: TranscriptStore, lines: Sequence[Line], *, reading: bool = False, **fields: Any
) -> TranscriptInfo:
    """Write a transcript, a page for each ten lines.

    Args:
        store: where to.
        lines: its lines.
        reading: leave it as one that is still being read.
        fields: as of `begun`.
    """
    info = await begun(store, **fields)
    for start in range(0, len(lines), _PAGE):
        await store.append(info.transcript_id, list(lines[start : start + _PAGE]), READING)
    if not reading:
        await store.complete(info.transcript_id)
    return info


async def words(store: TranscriptStore, transcript_id: str) -> list[str]:
    """All lines that are kept, in order."""
    return [line.text async for _, page in store.pages(transcript_id) for line in page]


async def state_of(store: TranscriptStore, transcript_id: str) -> Transcript:
    """What is known of one that is there."""
    transcript = await store.load(transcript_id)
    assert transcript is not None
    return transcript


async def take_out(
    store: TranscriptStore, transcript_id: str, *members: int, messages: Mapping[int, str] | None = None
) -> int:
    """Take out the words of members who withdrew and of messages, or put others there; the revision from then on."""
    if members:
        await store.note_withdrawn(transcript_id, members)
    if messages:
        await store.note_gone(transcript_id, messages)
    await store.purge(transcript_id)
    return (await state_of(store, transcript_id)).revision


async def has_text(store: TranscriptStore, transcript_id: str) -> bool:
    """Whether its words are still kept."""
    transcript = await store.load(transcript_id)
    return transcript is not None and transcript.has_text


async def expire(store: TranscriptStore, transcript_id: str, seconds: float) -> None:
    """Let the words be dropped after so long, as they are some time after the last training on them."""
    for key in page_keys(transcript_id):
        await store._redis.pexpire(key, int(1_000 * seconds))
