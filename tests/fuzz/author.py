"""A generate worker without a model: it answers every job at once, with the words that a case gives it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

from pydantic import TypeAdapter

from shared import keys
from shared.events import Compared, ComparedText, Event, Exported, Failed, Generated, Pictured, Surprised
from shared.jobs import (
    CARD_FILE,
    GENERATE_QUEUE,
    MODEL_FILE,
    SURPRISE_FILE,
    CompareJob,
    DeleteJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    Job,
    PictureJob,
    SurpriseJob,
    TrainJob,
)
from shared.settings import Settings
from tests.bot.stand_in import StandIn
from worker.handlers import HANDLERS
from worker.joblog import JobLog

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fe"
    "dccc59e70000000049454e44ae426082"
)
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
            message = json.loads(base64.b64decode(json.loads(raw)["body"]))[1]["job"]
            job = _job.validate_python(message, strict=False)
            if isinstance(job, ImportJob):
                (handler,) = (one for one in HANDLERS if one.kind is ImportJob)
                await asyncio.to_thread(handler.run, message)
            else:
                self._answer(job)

    def _answer(self, job: Job) -> None:
        log = JobLog(self.redis, job.job_id)
        log.begin()
        for name in (SURPRISE_FILE, CARD_FILE, MODEL_FILE):
            log.attach(name, PICTURE, 60)
        log.publish(event_for(job, self.says))

    def forget(self) -> None:
        """Drop what a case has left: trainings that wait, jobs and their files."""
        for key in self.redis.scan_iter(keys.job_pattern()):
            self.redis.delete(key)
        for key in (keys.ACTIVE, keys.WAITING, keys.UNDELIVERED, keys.CLAIMS, "train"):
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
        case PictureJob():
            return Pictured(facts=(("Says", says), ("Written", says)))
        case ExportJob():
            return Exported(size=len(PICTURE))
        case ImportJob() | DeleteJob() | TrainJob():
            return Failed(problem="Not now.", remedy="Later.")
