"""Transcripts in a real Redis: what is written, what a worker reads of it, and what is taken out again."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from bot.channels.store import Line, TranscriptStore
from bot.models.registry import Registry
from galvanic.errors import UserError
from shared import keys
from shared.connect import connect
from shared.settings import Settings
from shared.transcripts import AUTHOR_BYTES, TranscriptInfo, write_text
from tests.transcripts import READING, begun, expire, has_text, state_of, take_out

ADA, BEN = 11, 22
GUILD = 1


@pytest.fixture
def registry(client: redis.asyncio.Redis, settings: Settings) -> Registry:
    unneeded: Any = None
    return Registry(client, settings, unneeded, unneeded)


async def empty(store: TranscriptStore, *, speakers: bool = False) -> TranscriptInfo:
    return await begun(store, guild_id=GUILD, channel_id=2, until=10**18, speakers=speakers)


async def talked(store: TranscriptStore, info: TranscriptInfo, *, pages: int = 3) -> None:
    """Ada and Ben talk; each page has one line of Ada's and two of Ben's."""
    for page in range(pages):
        first = 10 * page
        lines = [
            Line(first + 1, BEN, f"ben one {page}"),
            Line(first + 2, ADA, f"ada {page}"),
            Line(first + 3, BEN, f"ben two {page}"),
        ]
        await store.append(info.transcript_id, lines, READING)


def as_read(settings: Settings, info: TranscriptInfo, tmp_path: Path) -> list[str]:
    """The lines that a worker reads."""
    path = tmp_path / "text.txt"
    write_text(connect(settings), info.transcript_id, path, 10**6)
    return path.read_text("utf-8").splitlines()


async def test_a_worker_reads_what_was_written_and_no_ids(
    settings: Settings, store: TranscriptStore, tmp_path: Path
) -> None:
    info = await empty(store)
    await talked(store, info)
    await store.complete(info.transcript_id)
    assert as_read(settings, info, tmp_path)[:3] == ["ben one 0", "ada 0", "ben two 0"]
    known = await state_of(store, info.transcript_id)
    assert (known.lines, known.reading) == (9, None)
    assert known.chars == known.bytes == len((tmp_path / "text.txt").read_text("utf-8"))
    assert await store.members(info.transcript_id) == {ADA: 3, BEN: 6}
    assert [line.text for line in await store.lines_of(info.transcript_id, ADA)] == ["ada 0", "ada 1", "ada 2"]


async def test_who_wrote_a_line_is_another_number_in_each_transcript(
    settings: Settings, store: TranscriptStore, client: redis.asyncio.Redis, tmp_path: Path
) -> None:
    told = []
    for _ in range(2):
        info = await empty(store)
        await talked(store, info)
        told.append(write_text(connect(settings), info.transcript_id, tmp_path / "text", 10**6)[1] or b"")
    first, second = [[one[at : at + AUTHOR_BYTES] for at in range(0, len(one), AUTHOR_BYTES)] for one in told]
    assert first == [first[0], first[1], first[0]] * 3
    assert len({*first, *second}) == 4
    await client.lset(keys.transcript_authors(info.transcript_id), 1, b"")  # as versions that knew none of it leave it
    assert write_text(connect(settings), info.transcript_id, tmp_path / "text", 10**6)[1] is None


async def test_no_worker_reads_between_the_note_and_the_purge(
    settings: Settings, store: TranscriptStore, tmp_path: Path
) -> None:
    info = await empty(store)
    await talked(store, info)
    await store.note_withdrawn(info.transcript_id, [ADA])
    with pytest.raises(UserError, match="being changed"):
        await asyncio.to_thread(as_read, settings, info, tmp_path)
    assert not (tmp_path / "text.txt").exists()
    restarted = TranscriptStore(store._redis)  # after a crash in between
    await restarted.purge(info.transcript_id)
    assert len(as_read(settings, info, tmp_path)) == 6


async def test_the_oldest_pages_go_when_it_is_too_long(
    settings: Settings, store: TranscriptStore, tmp_path: Path
) -> None:
    info = await empty(store)
    await talked(store, info, pages=5)
    await store.drop_oldest(info.transcript_id, 60)
    assert as_read(settings, info, tmp_path)[0] == "ben one 3"
    assert await store.members(info.transcript_id) == {ADA: 2, BEN: 4}
    known = await state_of(store, info.transcript_id)
    assert known.left_out == 9


async def test_words_expire_and_who_was_in_it_stays_known(store: TranscriptStore) -> None:
    info = await empty(store)
    await talked(store, info)
    await store.complete(info.transcript_id)
    await expire(store, info.transcript_id, 100)
    known = await state_of(store, info.transcript_id)
    assert known.has_text
    assert 90 < (known.until or 0) - time.time() <= 100
    await store.drop_text(info.transcript_id)
    assert not await has_text(store, info.transcript_id)
    assert await store.members(info.transcript_id) == {ADA: 3, BEN: 6}
    await take_out(store, info.transcript_id, ADA)
    assert await store.members(info.transcript_id) == {BEN: 6}


async def test_nothing_is_left_of_one_that_is_forgotten(store: TranscriptStore, client: redis.asyncio.Redis) -> None:
    info = await empty(store, speakers=True)
    await store.append(info.transcript_id, [Line(1, ADA, "Robin: hm")], READING, {ADA: "Robin"})
    await store.note_gone(info.transcript_id, {1: ""})
    await store.forget(info.transcript_id)
    assert await client.keys() == []


async def test_all_of_a_server(store: TranscriptStore, client: redis.asyncio.Redis) -> None:
    info = await empty(store)
    assert [one.transcript_id for one in await store.all(GUILD)] == [info.transcript_id]
    assert await store.all(GUILD + 1) == []
    await client.hset(keys.transcript(info.transcript_id), "info", "{}")  # type: ignore[misc]
    assert await store.all() == [], "what is not understood is left out"


async def test_an_edited_line_keeps_its_speaker(settings: Settings, store: TranscriptStore, tmp_path: Path) -> None:
    info = await empty(store, speakers=True)
    await store.append(info.transcript_id, [Line(1, ADA, "Robin: good morning")], READING, {ADA: "Robin"})
    await take_out(store, info.transcript_id, messages={1: "good evening"})
    assert as_read(settings, info, tmp_path) == ["Robin: good evening"]
    await take_out(store, info.transcript_id, ADA)
    assert await store.names(info.transcript_id) == {}
