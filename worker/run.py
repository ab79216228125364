"""What a job does: read the message, call the engine, tell the person. No Celery here."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import redis
import structlog
from pydantic import ValidationError

from shared import keys
from shared.connect import connect
from shared.corpora import unpack, unpacked_limit
from shared.errors import UserError
from shared.events import Cancelled, Failed, Finished, Generated, Interrupted, Progress, Sample, Started
from shared.jobs import GenerateJob, TrainJob
from shared.logging import job_context
from shared.models import ModelRecord
from shared.settings import Settings, get_settings
from worker.joblog import JobLog, Superseded
from worker.lease import Lease
from worker.serve import stop_requested
from worker.store import ModelStore
from worker.warm import WarmModels

if TYPE_CHECKING:
    from worker.model.results import TrainResult

MAX_DEATHS = 3
"""A job that killed its worker this often is given up."""
PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5

log = structlog.get_logger()
_J = TypeVar("_J", TrainJob, GenerateJob)
_warm: WarmModels | None = None


class HandBack(Exception):
    """The job must go back to the queue: this worker stops, or cannot reach Redis."""


def run_train(message: dict[str, Any], delivery_tag: str) -> None:
    """Train the model that a TrainJob asks for, and publish how it went.

    Raises:
        HandBack: the job is to be delivered again.
    """
    settings = get_settings()
    client = connect(settings)
    job = _unpack(client, TrainJob, message)
    if job is None:
        return
    with _job_context(job), Lease(client, delivery_tag, job.corpus.sha256, _ttl_s(settings)) as lease:
        joblog = JobLog(client, job.job_id)
        try:
            if joblog.is_over():
                log.info("job_already_over")
                _discard(settings, job.job_id)
                return
            joblog.begin()
            if joblog.deaths() >= MAX_DEATHS:
                reason = f"The worker was killed {MAX_DEATHS} times while it ran this job, so it has been given up."
                joblog.publish(Failed(problem=reason, remedy="The machine may be short of memory: try a shorter text."))
            else:
                _answer_errors(joblog, lambda: _train(settings, client, job, joblog, lease))
            joblog.end()
            _discard(settings, job.job_id)  # it is over, one way or another
        except HandBack:
            joblog.end()
            raise
        except Superseded:
            log.warning("job_superseded", attempt=joblog.attempt)
        except redis.RedisError as error:
            log.error("redis_lost", error=type(error).__name__)
            raise HandBack("Redis cannot be reached") from error


def run_generate(message: dict[str, Any]) -> None:
    """Write the text that a GenerateJob asks for, and publish it."""
    client = connect(get_settings())
    job = _unpack(client, GenerateJob, message)
    if job is None:
        return
    with _job_context(job):
        joblog = JobLog(client, job.job_id)
        if joblog.is_over():
            return
        joblog.begin()
        _answer_errors(joblog, lambda: _generate(job, joblog))
        joblog.end()


def _train(settings: Settings, client: redis.Redis, job: TrainJob, joblog: JobLog, lease: Lease) -> None:
    checkpoint, out = _folders(settings, job.job_id)
    joblog.publish(Started(worker=socket.gethostname(), resumed=checkpoint.exists()))
    packed = cast(bytes | None, client.get(keys.corpus(job.corpus.sha256)))
    if packed is None:
        raise UserError("The text of this job is no longer in Redis.", "Please send the command again.")
    text = unpack(packed, unpacked_limit(settings))

    from worker.model.chart import loss_chart
    from worker.model.train import OtherCheckpoint, TrainingCancelled, TrainingInterrupted, train

    def attempt() -> TrainResult:
        return train(text, job.options, job.corpus, out=out, checkpoint=checkpoint, hooks=_Hooks(joblog, lease))

    try:
        try:
            result = attempt()
        except OtherCheckpoint:
            # An update of Galvanic changed the network since it was saved.
            log.warning("checkpoint_of_another_version")
            shutil.rmtree(checkpoint)
            result = attempt()
    except TrainingCancelled:
        joblog.publish(Cancelled())
        return
    except TrainingInterrupted as stop:
        joblog.publish(Interrupted())
        raise HandBack("the worker is stopping") from stop

    model_id = joblog.model_id()
    ModelStore(settings).save(out, model_id)
    place = job.place
    record = joblog.register(
        ModelRecord(
            model_id=model_id,
            name=job.options.name or job.corpus.name,
            guild_id=place.guild_id,
            channel_id=place.channel_id,
            owner_id=place.user_id,
            # A text that a member uploaded stays in the channel where it was shown.
            scope="channel" if job.corpus.source == "upload" else "guild",
            recipe=job.options.recipe,
            corpus_title=job.corpus.title,
            corpus_chars=job.corpus.chars,
            parameters=result.parameters,
            epochs=result.epochs,
            train_loss=result.train_loss,
            heldout_loss=result.heldout_loss,
        )
    )
    joblog.attach("loss.png", loss_chart(result.curve, record.name))
    joblog.publish(
        Finished(
            model=record,
            samples=result.samples,
            seconds=result.seconds,
            stopped=result.stopped,
            notes=result.notes,
        )
    )
    log.info("trained", model_id=model_id, seconds=round(result.seconds), epochs=result.epochs)


def _generate(job: GenerateJob, joblog: JobLog) -> None:
    global _warm
    _warm = _warm or WarmModels(get_settings())
    with _warm.borrow(job.model_id) as model:
        written = model.generate(
            job.seed,
            length=job.length,
            temperature=job.temperature,
            random_seed=job.random_seed,
            from_corpus=job.from_corpus,
        )
    joblog.publish(
        Generated(
            seed=written.seed,
            text=written.text,
            temperature=written.temperature,
            random_seed=written.random_seed,
            notes=written.notes,
            seconds=written.seconds,
        )
    )


class _Hooks:
    """Between the training loop and the job's stream."""

    def __init__(self, joblog: JobLog, lease: Lease) -> None:
        self._joblog = joblog
        self._lease = lease
        self._published = 0.0
        self._polled = 0.0
        self._wish: Literal["cancel", "finish"] | None = None

    def progress(self, event: Progress) -> None:
        self._lease.touch()
        if time.monotonic() - self._published >= PROGRESS_EVERY_S:
            self._joblog.publish(event)
            self._published = time.monotonic()

    def sample(self, event: Sample) -> None:
        self._lease.touch()
        self._joblog.publish(event)

    def control(self) -> Literal["cancel", "finish", "interrupt"] | None:
        if stop_requested():
            return "interrupt"
        if time.monotonic() - self._polled >= POLL_EVERY_S:
            self._wish = self._joblog.wish()
            self._polled = time.monotonic()
        return self._wish


def _answer_errors(joblog: JobLog, work: Callable[[], None]) -> None:
    """Run `work`; whatever goes wrong is told to the person, and the cause goes to the log."""
    try:
        work()
    except (HandBack, Superseded, redis.RedisError):
        raise
    except UserError as error:
        log.info("job_refused")  # the sentences may quote what the person wrote
        joblog.publish(Failed(problem=error.problem, remedy=error.remedy))
    except MemoryError:
        log.exception("out_of_memory")
        joblog.publish(
            Failed(problem="The worker ran out of memory.", remedy="Try a shorter text or the recipe `char`.")
        )
    except OSError as error:
        log.exception("job_failed")
        if error.errno == errno.ENOSPC:
            failed = Failed(problem="The worker's disk is full.", remedy="Ask whoever runs the bot to make room.")
        else:
            failed = _unknown(joblog.job_id)
        joblog.publish(failed)
    except Exception:
        log.exception("job_failed")
        joblog.publish(_unknown(joblog.job_id))


def _unknown(job_id: str) -> Failed:
    return Failed(
        problem="Something broke in the worker.",
        remedy=f"Whoever runs the bot finds the cause in the worker's log, under job `{job_id}`.",
    )


def _unpack(client: redis.Redis, kind: type[_J], message: dict[str, Any]) -> _J | None:
    """Validate a message. What cannot be read is refused in the job's own stream, if that much can be read."""
    try:
        return kind.model_validate(message)
    except ValidationError as error:
        job_id = message.get("job_id")
        fields = [".".join(map(str, detail["loc"])) for detail in error.errors()]
        log.error("message_refused", job_id=job_id, fields=fields)
        if isinstance(job_id, str):
            joblog = JobLog(client, job_id)
            if not joblog.is_over():
                joblog.begin()
                joblog.publish(
                    Failed(
                        problem="The worker does not understand this job: it runs another version than the bot.",
                        remedy="Ask whoever runs the bot to bring both to the same version.",
                    )
                )
        return None


def _job_context(job: TrainJob | GenerateJob) -> AbstractContextManager[None]:
    return job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id)


def _ttl_s(settings: Settings) -> int:
    return int(settings.corpus_ttl_hours * 3600)


def _folders(settings: Settings, job_id: str) -> tuple[Path, Path]:
    """Where a job's checkpoint and its unfinished model lie on this host."""
    checkpoint = settings.data_dir / "checkpoints" / job_id
    return checkpoint, checkpoint.with_name(f"{job_id}.model")


def _discard(settings: Settings, job_id: str) -> None:
    for folder in _folders(settings, job_id):
        shutil.rmtree(folder, ignore_errors=True)
