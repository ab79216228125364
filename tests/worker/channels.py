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
from shared.connect import connect, connect_async
from shared.corpora import pack
from shared.events import Event, Finished, Started
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings, get_settings
from shared.transcripts import Revision, TranscriptInfo, revision_of
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


class Channel:
    """A channel whose messages are in Redis, and trainings on them.

    Args:
        settings: where.
        client: its Redis.
        patch: for what befalls a training.
        guild_id: of the channel's server.
        lines: the messages, instead of Ann's and Ben's.

    Attributes:
        info: the transcript, which is complete.
    """

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        patch: pytest.MonkeyPatch,
        *,
        guild_id: int = GUILD,
        lines: list[Line] | None = None,
    ) -> None:
        self.settings, self.client, self.patch = settings, client, patch

        async def work(store: TranscriptStore) -> TranscriptInfo:
            info = await begun(store, guild_id=guild_id, channel_id=CHANNEL)
            for page in (messages(ANN), messages(BEN)) if lines is None else (lines,):
                await store.append(info.transcript_id, page, READING)
            await store.complete(info.transcript_id)
            return info

        self.info = self.keep(work)

    def another(self, **of: Any) -> Channel:
        """A second channel, or a second transcript of this one."""
        return Channel(self.settings, self.client, self.patch, **of)

    def keep(self, work: Callable[[TranscriptStore], Awaitable[T]]) -> T:
        async def run() -> T:
            client = connect_async(self.settings)
            try:
                return await work(TranscriptStore(client))
            finally:
                await client.aclose()

        return asyncio.run(run())

    def withdraw(self, author: int = BEN, *, purge: bool = True) -> None:
        self.keep(lambda store: store.note_withdrawn(self.info.transcript_id, [author]))
        if purge:
            self.purge()

    def delete_message(self) -> None:
        self.keep(lambda store: store.note_gone(self.info.transcript_id, {message_id(ANN, 0): ""}))
        self.purge()

    def purge(self) -> None:
        """Let go what was noted to go."""
        self.keep(lambda store: store.purge(self.info.transcript_id))

    @property
    def now(self) -> Revision:
        """Where the transcript stands."""
        found = revision_of(self.client, self.info.transcript_id)
        assert found is not None
        return found

    def is_stale(self, model: ModelRecord) -> bool:
        return model.is_stale({self.info.transcript_id: self.now})

    def job(self, job_id: str = "t-1", **fields: Any) -> TrainJob:
        """A training on it as it was at first."""
        fields = {"corpus": channel_corpus(self.info.ref(0)), "options": SMALL, **fields}
        return TrainJob(**{"job_id": job_id, "place": place(), **fields})

    def enter(self, **fields: Any) -> TrainJob:
        """Such a training, which waits for a worker."""
        return enter(self.client, self.job(**fields))

    def train(self, job: TrainJob) -> Event:
        return train(self.client, job)

    def learned(self, **fields: Any) -> ModelRecord:
        """The model of a training."""
        return lives.expect(Finished, self.train(self.enter(**fields))).model

    def known(self, model: ModelRecord) -> set[str]:
        """The characters that a model has learned."""
        return set("".join(describe(stored(self.settings, model.model_id)).symbols))

    def starts(self) -> list[tuple[bool, str | None]]:
        return starts(self.client)


def channel_corpus(ref: TranscriptRef) -> CorpusInfo:
    """A channel's messages, as a job names them."""
    return CorpusInfo(
        name="general", title="#general", source="channel", chars=1, sha256="", hard_wrapped=False, transcript=ref
    )


def book_job(client: redis.Redis, job_id: str = "t-1", text: str = babble(1_500), **fields: Any) -> TrainJob:
    """A training on a text that is nobody's, which waits for a worker."""
    info = fields.pop("corpus", corpus(text))
    job = TrainJob(**{"job_id": job_id, "place": place(), "corpus": info, "options": SMALL, **fields})
    return enter(client, job, pack(text))


def enter(client: redis.Redis, job: TrainJob, text: bytes = b"") -> TrainJob:
    """Let a job wait for a worker; `text`: packed, unless that is its transcript's."""
    lives.enter(client, job, text)
    return job


def train(client: redis.Redis, job: TrainJob) -> Event:
    """Run a job that was entered to its end; its last event."""
    run_train(*lives.message(client, job.job_id))
    return lives.newest(client, job.job_id)


def starts(client: redis.Redis, job_id: str = "t-1") -> list[tuple[bool, str | None]]:
    """Whether each start of a job resumed it, and why it began anew."""
    return [(event.resumed, event.restart_reason) for event in lives.told_of(Started, client, job_id)]


def in_the_middle(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen once while a training runs: in its second epoch."""
    monkeypatch.setattr(hooks, "POLL_EVERY_S", 0.0)
    step = StreamsLearner.step
    seen: list[int] = []

    def stepping(self: StreamsLearner, index: int, rate: float) -> tuple[float, int]:
        seen.append(index)
        if len(seen) == self.steps + 1:
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
