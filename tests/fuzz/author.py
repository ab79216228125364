"""A generate worker without a model: it answers every job at once, with the words that a case gives it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

from pydantic import TypeAdapter

from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.events import Compared, ComparedText, Event, Exported, Failed, Generated, Pictured, Quizzed, Surprised
from shared.jobs import (
    GENERATE_QUEUE,
    LOSS_FILE,
    MODEL_FILE,
    SURPRISE_FILE,
    CompareJob,
    DeleteJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    Job,
    PictureJob,
    QuizJob,
    SurpriseJob,
    TrainJob,
    Variant,
)
from shared.settings import Settings
from tests import lives
from tests.bot.stand_in import StandIn, lab
from tests.factories import generate_job, record, train_job
from tests.registered import put
from worker.handlers import HANDLERS

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fe"
    "dccc59e70000000049454e44ae426082"
)
JOBS = ("t-5", "g-5", "k-5")
"""A training that waits, a text, and a comparison."""
FACTS = ("Verdict", "Unseen text", "Losses", "Training", "Network", "Vocabulary", "Goes back to", "Rights")
"""What a worker tells of a model's files, which may be foreign."""
_PAUSE_S = 0.003
_job: TypeAdapter[Job] = TypeAdapter(Job)


class Author(StandIn):
    """Takes jobs from the queue of the generate worker.

    Attributes:
        says: what it writes in each answer.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.says = "and the gulls went home"

    async def work(self) -> None:
        """Answer jobs until cancelled. Imports are a real worker's: they need no model in memory."""
        while True:
            raw = cast(bytes | None, self.redis.lpop(GENERATE_QUEUE))
            if raw is None:
                await asyncio.sleep(_PAUSE_S)
                continue
            message = json.loads(base64.b64decode(json.loads(raw)["body"]))[1]
            job = _job.validate_json(cast(bytes, self.redis.hget(keys.job(message["job_id"]), "job")))
            if isinstance(job, ImportJob):
                await asyncio.to_thread(HANDLERS["import"].run, **message)
            else:
                self._answer(job)

    def _answer(self, job: Job) -> None:
        log = lives.take(self.redis, job.job_id)
        for name in (SURPRISE_FILE, LOSS_FILE, MODEL_FILE):
            log.attach(name, PICTURE, 60)
        log.publish(event_for(job, self.says))

    def stock(self) -> None:
        """One of each that a press may be about: a model called `a`, a training that waits, texts that were written."""
        model = record(name="a", guild_id=GUILD_ID, channel_id=CHANNEL_IDS["lab"], owner_id=USER_IDS["ada"])
        put(self.redis, model)
        self.redis.delete(keys.guild_models(GUILD_ID), keys.guild_settings(GUILD_ID))
        self.redis.hset(keys.guild_models(GUILD_ID), model.name, model.model_id)
        self.redis.hset(keys.channel(model.channel_id), "model", model.model_id)
        variants = tuple(Variant(model_id="m1", name="a", temperature=one) for one in (0.2, 0.8))
        waits = train_job(job_id=JOBS[0], place=lab())
        lives.enter(self.redis, waits)
        self.redis.srem(keys.OUTBOX, waits.job_id)
        for job in (
            generate_job(job_id=JOBS[1], place=lab(), model_name="a"),
            CompareJob(job_id=JOBS[2], place=lab(), seed="the sea", length=40, variants=variants),
        ):
            self.redis.set(keys.asked(job.job_id), job.model_dump_json())
            self._answer(job)

    def untouched(self) -> bool:
        """Whether all is there still that only its owner, or an admin, may take away or change."""
        there = self.redis.exists(keys.model("m1"), keys.job(JOBS[0])) == 2
        return there and not self.redis.exists(keys.guild_settings(GUILD_ID), keys.job_control(JOBS[0]))

    def forget(self) -> None:
        """Drop what a case has left: trainings that wait, jobs and their files."""
        for pattern in (keys.job("*"), keys.asked("*"), keys.ownership("*")):
            for key in self.redis.scan_iter(pattern):
                self.redis.delete(key)
        for key in (keys.ACTIVE, keys.OUTBOX):
            self.redis.delete(key)


def event_for(job: Job, says: str) -> Event:
    """The end of a job, full of these words wherever an event has room for some."""
    told: dict[str, Any] = {"notes": (says, says), "seconds": 0.1}
    match job:
        case GenerateJob():
            return Generated(seed=job.seed or says, text=says, temperature=0.5, random_seed=1, **told)
        case CompareJob():
            texts = tuple(
                ComparedText(model_name=one.name, temperature=one.temperature or 0.5, text=says, problem=says[:0])
                for one in job.variants
            )
            return Compared(seed=job.seed, texts=texts, random_seed=1, **told)
        case SurpriseJob():
            return Surprised(nats_per_char=1.0, chars=3, most=tuple((one, 2.0) for one in says[:5]), **told)
        case QuizJob():
            return Quizzed(passages=(says,) * job.passages, real=0, window=0)
        case PictureJob():
            return Pictured(facts=tuple((name, says) for name in FACTS))
        case ExportJob():
            return Exported(size=len(PICTURE))
        case ImportJob() | DeleteJob() | TrainJob():
            return Failed(problem="Not now.", remedy="Later.")
