"""What a train job does: claim the training whose turn it is, call the engine, tell the person. No Celery here."""

from __future__ import annotations

import json
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import redis
import structlog

from shared import keys, turns
from shared.connect import connect
from shared.corpora import unpack_to_file, unpacked_limit
from shared.errors import UserError
from shared.events import Cancelled, Failed, Finished, Interrupted, Progress, Sample, Started
from shared.history import Past
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings, get_settings
from worker.answer import HandBack, answer_errors, in_context, unpack_message
from worker.joblog import JobLog, Superseded, run_script
from worker.lease import Lease
from worker.serve import stop_requested
from worker.store import ModelStore, folder_bytes

if TYPE_CHECKING:
    from worker.model.results import TrainResult

MAX_DEATHS = 3
"""A job that killed its worker this often is given up."""
PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5

log = structlog.get_logger()


def run_train(message: dict[str, Any], delivery_tag: str, token: str | None = None) -> None:
    """Train the model that the next TrainJob asks for, and publish how it went.

    Args:
        message: a TrainJob. It is only a token (`shared.turns`): the training whose turn it is may be another one.
        delivery_tag: Celery's, of the message.
        token: id of the message; None: that of the job in it.

    Raises:
        HandBack: the job is to be delivered again.
    """
    settings = get_settings()
    client = connect(settings)
    token = token or message.get("job_id")
    if not isinstance(token, str):
        unpack_message(client, TrainJob, message)  # says in the log what is wrong with it
        return
    try:
        claimed = _claim(settings, client, token)
    except redis.RedisError as error:
        log.error("redis_lost", error=type(error).__name__)
        raise HandBack("Redis cannot be reached") from error
    if claimed is None:
        log.info("nothing_waits", token=token)
        return
    job = unpack_message(client, TrainJob, claimed)
    if job is None:
        return
    with in_context(job), Lease(client, delivery_tag, job.corpus.sha256, _ttl_s(settings)) as lease:
        joblog = JobLog(client, job.job_id)
        try:
            joblog.begin()
            if joblog.deaths() >= MAX_DEATHS:
                remedy = "The machine may be short of memory: try fewer units, or a shorter text."
                reason = f"The worker was killed {MAX_DEATHS} times while it ran this job, so it has been given up."
                joblog.publish(Failed(problem=reason, remedy=remedy))
            else:
                answer_errors(joblog, lambda: _train(settings, client, job, joblog, lease))
            joblog.end()
            _discard(settings, job.job_id)  # it is over, one way or another
        except HandBack:
            try:
                joblog.end()
                joblog.hand_back(token)
            except redis.RedisError as error:  # the token comes again all the same, and brings this job with it
                log.error("redis_lost", error=type(error).__name__)
            raise
        except Superseded:
            log.warning("job_superseded", attempt=joblog.attempt)
        except redis.RedisError as error:
            log.error("redis_lost", error=type(error).__name__)
            raise HandBack("Redis cannot be reached") from error


def _claim(settings: Settings, client: redis.Redis, token: str) -> dict[str, Any] | None:
    """The training whose turn it is, as its message; None when none waits.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    while (reply := cast(bytes | None, run_script(client, turns.claim(token)))) is not None:
        job_id = reply.decode()
        joblog = JobLog(client, job_id)
        data = cast(bytes | None, client.hget(keys.job(job_id), "job"))
        if data is not None and not joblog.is_over():
            message: dict[str, Any] = json.loads(data)
            return message
        log.info("job_already_over", job_id=job_id)
        joblog.close()
        _discard(settings, job_id)
    return None


def _train(settings: Settings, client: redis.Redis, job: TrainJob, joblog: JobLog, lease: Lease) -> None:
    begun = time.monotonic()
    places = _places(settings, job.job_id)
    checkpoint = places.checkpoint
    resumed = checkpoint.exists()
    joblog.publish(Started(worker=socket.gethostname(), resumed=resumed))
    store = ModelStore(settings)
    parent = _parent(client, job)
    parent_folder = store.fetch(parent.model_id) if parent else None
    packed = cast(bytes | None, client.get(keys.corpus(job.corpus.sha256)))
    if packed is None:
        raise UserError("The text of this job is no longer in Redis.", "Please send the command again.")
    places.folder.mkdir(parents=True, exist_ok=True)
    unpack_to_file(packed, places.text, unpacked_limit(settings))
    del packed

    from worker.model.chart import loss_chart
    from worker.model.train import OtherCheckpoint, TrainingCancelled, TrainingInterrupted, train

    def attempt() -> TrainResult:
        return train(
            places.text,
            job.options,
            job.corpus,
            out=places.model,
            checkpoint=checkpoint,
            hooks=_Hooks(joblog, lease),
            parent=parent_folder,
            parent_name=parent.name if parent else None,
        )

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
        places.text.unlink(missing_ok=True)  # another host may take over; it comes from Redis again
        raise HandBack("the worker is stopping") from stop

    model_id = joblog.model_id()
    store.save(places.model, model_id)
    record = joblog.register(
        ModelRecord(
            model_id=model_id,
            name=job.options.name or job.corpus.name,
            guild_id=job.place.guild_id,
            channel_id=job.place.channel_id,
            owner_id=job.place.user_id,
            scope=_scope(job, parent),
            recipe=job.options.recipe,
            corpus_title=job.corpus.title,
            corpus_chars=job.corpus.chars,
            parameters=result.parameters,
            epochs=result.epochs_before + result.epochs,
            train_loss=result.train_loss,
            heldout_loss=result.heldout_loss,
            corpus=job.corpus,
            options=job.options,
            parent=parent.name if parent else None,
            copy_share=result.copy_share,
            file_bytes=folder_bytes(places.model),
            sources=_sources(job, parent),
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
    joblog.remember(_past(job, result, None if resumed else time.monotonic() - begun))
    log.info("trained", model_id=model_id, seconds=round(result.seconds), epochs=result.epochs)


def _past(job: TrainJob, result: TrainResult, whole_s: float | None) -> Past:
    """What to note of a finished training. `whole_s`: how long it took in all, None when this was not all of it."""
    return Past(
        recipe=job.options.recipe,
        chars=job.corpus.chars,
        asked_epochs=job.options.epochs,
        units=job.options.units,
        allowed_s=60 * job.options.minutes if job.options.minutes is not None else None,
        epochs=result.epochs,
        used_s=result.seconds,
        beside_s=None if whole_s is None else max(0.0, whole_s - result.seconds),
        cut_short=result.stopped == "finish",
    )


def _parent(client: redis.Redis, job: TrainJob) -> ModelRecord | None:
    """The record of the model to start from.

    The bot has checked that it may be used there; it is checked again, for the message may be old or forged.

    Raises:
        UserError: it is gone, or is not to be used there.
    """
    if job.parent is None:
        return None
    data = cast(bytes | None, client.get(keys.model(job.parent.model_id)))
    record = ModelRecord.model_validate_json(data) if data is not None else None
    place = job.place
    here = [place.channel_id, *([] if place.parent_channel_id is None else [place.parent_channel_id])]
    if record is None or record.guild_id != place.guild_id or not record.usable_in(here):
        raise UserError("The model to start from is gone.", "Choose another one, or train without it.")
    return record


def _scope(job: TrainJob, parent: ModelRecord | None) -> Literal["guild", "channel"]:
    """Who may use the new model: everyone in the guild, or only the place where it was trained.

    A text that a member uploaded stays where it was shown, and what was learned from it with it. A model that goes
    on from one of a channel in a thread of it is the thread's: the thread may be private.
    """
    if job.corpus.source == "upload" or (parent is not None and parent.scope == "channel"):
        return "channel"
    return "guild"


def _sources(job: TrainJob, parent: ModelRecord | None) -> tuple[int, ...]:
    """The channels of the uploaded texts that are in the new model: its parent's are, wherever it goes on."""
    inherited = parent.origins if parent is not None else ()
    own = (job.place.channel_id,) if job.corpus.source == "upload" else ()
    return tuple(dict.fromkeys((*inherited, *own)))


class _Hooks:
    """Between the training loop and the job's stream."""

    def __init__(self, joblog: JobLog, lease: Lease) -> None:
        self._joblog = joblog
        self._lease = lease
        self._published = 0.0
        self._polled = 0.0
        self._wish: Literal["cancel", "finish"] | None = None
        self._learned = False

    def progress(self, event: Progress) -> None:
        self._lease.touch()
        self._learned = self._learned or event.train_loss is not None or event.heldout_loss is not None
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
        # "Finish now" keeps the best so far: until a first step was made there is nothing that is worth a model.
        return None if self._wish == "finish" and not self._learned else self._wish


def _ttl_s(settings: Settings) -> int:
    return int(settings.corpus_ttl_hours * 3600)


@dataclass(frozen=True)
class _Places:
    """Where a job's files lie on this host: its checkpoint, its unfinished model, and its text."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def text(self) -> Path:
        return self.folder / "text.txt"


def _places(settings: Settings, job_id: str) -> _Places:
    return _Places(settings.data_dir / "checkpoints" / job_id)


def _discard(settings: Settings, job_id: str) -> None:
    shutil.rmtree(_places(settings, job_id).folder, ignore_errors=True)
