"""Channels' messages in Redis, as the bot writes them, for tests of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis

from bot.transcripts.store import Line, TranscriptStore
from shared import turns
from shared.connect import connect_async
from shared.events import Event, Queued, parse_event
from shared.jobs import CorpusInfo, TrainJob, TrainOptions, TranscriptRef
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.factories import CHANNEL, GUILD, place
from tests.worker.conftest import babble
from worker.jobs.joblog import run_script

ANN, BEN = 410_000_000_000_000_071, 410_000_000_000_000_072
RAIN, SNOW = "☔", "☃"
"""Ann's messages have the one, Ben's the other, so that what a model knows tells whose words it learned."""
SMALL = TrainOptions(epochs=2, units=8, random_seed=1)
T = TypeVar("T")


def keep(settings: Settings, work: Callable[[TranscriptStore], Awaitable[T]]) -> T:
    """Do something with the store of transcripts."""

    async def run() -> T:
        client = connect_async(settings)
        try:
            return await work(TranscriptStore(client))
        finally:
            await client.aclose()

    return asyncio.run(run())


def message_id(author: int, index: int) -> int:
    """Of an author's nth message."""
    return 10**18 + author % 100 * 1_000 + index


def messages(author: int, number: int = 40) -> list[Line]:
    """An author's messages; no two are alike."""
    mark = RAIN if author == ANN else SNOW
    return [
        Line(message_id(author, index), author, f"{mark} {babble(40, seed=message_id(author, index))} {index}")
        for index in range(number)
    ]


def transcribed(settings: Settings, *, guild_id: int = GUILD, lines: list[Line] | None = None) -> TranscriptInfo:
    """A transcript that is complete: Ann's and Ben's words, unless other lines are given."""

    async def work(store: TranscriptStore) -> TranscriptInfo:
        info = await store.create(guild_id=guild_id, channel_id=CHANNEL, source_id=CHANNEL, asked_by=ANN, reading="{}")
        for page in (messages(ANN), messages(BEN)) if lines is None else (lines,):
            await store.append(info.transcript_id, page, "{}")
        await store.complete(info.transcript_id)
        return info

    return keep(settings, work)


def withdraw(settings: Settings, info: TranscriptInfo, author: int = BEN, *, purge: bool = True) -> None:
    """Somebody withdraws."""

    async def work(store: TranscriptStore) -> None:
        await store.note_withdrawn(info.transcript_id, [author])
        if purge:
            await store.purge(info.transcript_id)

    keep(settings, work)


def delete_message(settings: Settings, info: TranscriptInfo) -> None:
    """Somebody deletes one message."""

    async def work(store: TranscriptStore) -> None:
        await store.note_gone(info.transcript_id, {message_id(ANN, 0): ""})
        await store.purge(info.transcript_id)

    keep(settings, work)


def channel_corpus(ref: TranscriptRef) -> CorpusInfo:
    """A channel's messages, as a job names them."""
    return CorpusInfo(
        name="general", title="#general", source="channel", chars=1, sha256="", hard_wrapped=False, transcript=ref
    )


def channel_job(info: TranscriptInfo, job_id: str = "t-1", **fields: Any) -> TrainJob:
    """A training on a transcript as it was at first."""
    corpus = channel_corpus(info.ref(0))
    return TrainJob(**{"job_id": job_id, "place": place(), "corpus": corpus, "options": SMALL, **fields})


def enter(client: redis.Redis, job: TrainJob) -> TrainJob:
    """Let a job wait for a worker."""
    run_script(client, turns.enter(job, (CHANNEL, 5), (9, 9), Queued().model_dump_json()))
    return job


def events_of(client: redis.Redis, key: str) -> list[Event]:
    """All that a job's stream has."""
    found: Any = client.xrange(key)
    return [parse_event(fields[b"event"]) for _, fields in found]
