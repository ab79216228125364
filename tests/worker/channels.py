"""Channels' messages in Redis, as the bot writes them, and trainings on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import redis

from bot.channels.store import Line, TranscriptStore
from galvanic.learners import StreamsLearner
from galvanic.model_file import describe
from galvanic.options import CorpusInfo, TrainOptions, TranscriptRef
from shared import keys
from shared.connect import connect, connect_async
from shared.corpora import pack
from shared.events import Event, Finished, Started
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings, get_settings
from shared.transcripts import TranscriptInfo
from tests import lives
from tests.factories import CHANNEL, GUILD, place
from tests.transcripts import READING, begun
from tests.worker.small import stored
from tests.worker.texts import babble, corpus
from worker import hooks
from worker.training import run_train

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
        info = await begun(store, guild_id=guild_id, channel_id=CHANNEL, asked_by=ANN)
        for page in (messages(ANN), messages(BEN)) if lines is None else (lines,):
            await store.append(info.transcript_id, page, READING)
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


def book_job(client: redis.Redis, job_id: str = "t-1", text: str = babble(1_500), **fields: Any) -> TrainJob:
    """A training on a text that is nobody's, which waits for a worker."""
    info = fields.pop("corpus", corpus(text))
    client.set(keys.corpus(info.sha256), pack(text))
    return enter(client, TrainJob(**{"job_id": job_id, "place": place(), "corpus": info, "options": SMALL, **fields}))


def channel_job(info: TranscriptInfo, job_id: str = "t-1", **fields: Any) -> TrainJob:
    """A training on a transcript as it was at first."""
    fields = {"corpus": channel_corpus(info.ref(0)), "options": SMALL, **fields}
    return TrainJob(**{"job_id": job_id, "place": place(), **fields})


def enter(client: redis.Redis, job: TrainJob) -> TrainJob:
    """Let a job wait for a worker."""
    lives.enter(client, job)
    return job


def train(client: redis.Redis, job: TrainJob) -> Event:
    """Run a job that was entered to its end; its last event."""
    run_train(*lives.message(client, job.job_id))
    return lives.newest(client, job.job_id)


def learned(client: redis.Redis, job: TrainJob) -> ModelRecord:
    return lives.expect(Finished, train(client, enter(client, job))).model


def known(settings: Settings, model: ModelRecord) -> set[str]:
    """The characters that a model has learned."""
    return set("".join(describe(stored(settings, model.model_id)).symbols))


def starts(client: redis.Redis, job_id: str = "t-1") -> list[tuple[bool, str | None]]:
    """Whether each start of a job resumed it, and why it began anew."""
    return [(event.resumed, event.restart_reason) for event in lives.told_of(Started, client, job_id)]


def in_the_middle(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], at: int | None = None) -> None:
    """Let something happen once while a training runs: in its second epoch, or before its nth step."""
    monkeypatch.setattr(hooks, "POLL_EVERY_S", 0.0)
    step = StreamsLearner.step
    seen: list[int] = []

    def stepping(self: StreamsLearner, index: int, rate: float) -> tuple[float, int]:
        seen.append(index)
        if len(seen) == (self.steps + 1 if at is None else at):
            happens()
        return step(self, index, rate)

    monkeypatch.setattr(StreamsLearner, "step", stepping)


def interrupt(job: TrainJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a job that was entered until its worker is stopped in the middle of it: it saves, and gives the job back."""
    stopping: list[bool] = []
    client = connect(get_settings())
    with monkeypatch.context() as patch:
        patch.setattr(hooks, "stop_requested", lambda: bool(stopping))
        in_the_middle(patch, lambda: stopping.append(True))
        run_train(*lives.message(client, job.job_id))
