"""Channels' texts in Redis, as the bot writes them, and trainings on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from galvanic.learners import StreamsLearner
from galvanic.model_file import describe
from galvanic.options import CorpusInfo, TrainOptions
from shared import lifecycle
from shared.connect import connect
from shared.corpora.corpus import pack
from shared.corpora.lines import Line
from shared.events import Event, Finished, Started
from shared.jobs import AUTHOR_BYTES, TrainJob
from shared.models import ModelFacts
from shared.settings import Settings, get_settings
from tests import lives
from tests.factories import CHANNEL, place
from tests.readings import channel_reading
from tests.worker.small import stored
from tests.worker.texts import babble, corpus
from worker import hooks
from worker.training import run_train

ANN, BEN = 410_000_000_000_000_071, 410_000_000_000_000_072
RAIN, SNOW = "☔", "☃"
"""Ann's messages have the one, Ben's the other, so that what a model knows tells whose words it learned."""
SMALL = TrainOptions(epochs=2, units=8, random_seed=1)


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
    """A channel that was read, and trainings on it.

    Args:
        settings: where.
        client: its Redis.
        patch: for what befalls a training.
        lines: the messages, instead of Ann's and Ben's.
    """

    def __init__(
        self,
        settings: Settings,
        client: redis.Redis,
        patch: pytest.MonkeyPatch,
        *,
        lines: Sequence[Line] | None = None,
    ) -> None:
        self.settings, self.client, self.patch = settings, client, patch
        self.lines = [*messages(ANN), *messages(BEN)] if lines is None else list(lines)
        self.reading = channel_reading(CHANNEL)

    def another(self, **of: Any) -> Channel:
        """A second channel, or a second reading of this one."""
        return Channel(self.settings, self.client, self.patch, **of)

    @property
    def text(self) -> str:
        return "".join(f"{line.text}\n" for line in self.lines)

    @property
    def authors(self) -> bytes:
        return b"".join((line.author_id % 1_000).to_bytes(AUTHOR_BYTES, "little") for line in self.lines)

    def job(self, job_id: str = "t-1", **fields: Any) -> TrainJob:
        """A training on it."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        known = channel_corpus(self.reading.reading_id, chars=len(self.text), sha256=digest)
        fields = {"corpus": known, "reading": self.reading, "options": SMALL, **fields}
        return TrainJob(**{"job_id": job_id, "place": place(), **fields})

    def enter(self, **fields: Any) -> TrainJob:
        """Such a training, which waits for a worker."""
        job = self.job(**fields)
        lives.enter(self.client, job.model_copy(update={"corpus": job.corpus.model_copy(update={"chars": 0})}))
        assert lives.run(self.client, lifecycle.text_read(job, pack(self.text), self.authors)) is not None
        return job

    def withdraw(self, author: int = BEN, job_id: str = "t-1") -> None:
        """A member withdraws, and the training gets the text without their lines; the bot sends what is to be sent."""
        self.lines = [line for line in self.lines if line.author_id != author]
        job = self.job(job_id)
        lives.run(self.client, lifecycle.replace_text(job, pack(self.text), self.authors, lifecycle.new_nonce()))

    def train(self, job: TrainJob) -> Event:
        return train(self.client, job)

    def learned(self, **fields: Any) -> ModelFacts:
        """The model of a training."""
        return lives.expect(Finished, self.train(self.enter(**fields))).model

    def known(self, model: ModelFacts) -> set[str]:
        """The characters that a model has learned."""
        return set("".join(describe(stored(self.settings, model.model_id)).symbols))

    def starts(self) -> list[bool]:
        """Return for each start of the training whether it resumed from a checkpoint."""
        return [event.resumed for event in lives.told_of(Started, self.client, "t-1")]


def channel_corpus(reading_id: str, **known: Any) -> CorpusInfo:
    """A channel's messages, as a job names them."""
    own = {"name": "general", "title": "#general", "source": "channel", "hard_wrapped": False, "reading": reading_id}
    return CorpusInfo(**{**own, "chars": 1, "sha256": "", **known})


def book_job(client: redis.Redis, job_id: str = "t-1", text: str = babble(1_500), **fields: Any) -> TrainJob:
    """A training on a text that is nobody's, which waits for a worker."""
    info = fields.pop("corpus", corpus(text))
    job = TrainJob(**{"job_id": job_id, "place": place(), "corpus": info, "options": SMALL, **fields})
    return enter(client, job, pack(text))


def enter(client: redis.Redis, job: TrainJob, text: bytes = b"") -> TrainJob:
    """Let a job wait for a worker; `text`: packed, of a book."""
    lives.enter(client, job, text)
    return job


def train(client: redis.Redis, job: TrainJob) -> Event:
    """Run a job that was entered to its end; its last event."""
    run_train(*lives.message(client, job.job_id))
    return lives.newest(client, job.job_id)


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
