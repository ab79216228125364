"""One attempt at a training: call the engine, keep what it made, tell the person. No Celery here."""

from __future__ import annotations

import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import redis
import structlog

from shared import keys
from shared.corpora import unpack_to_file, unpacked_limit
from shared.errors import UserError
from shared.events import Cancelled, Finished, Interrupted, Progress, Sample, Started
from shared.history import Past
from shared.jobs import LOSS_FILE, TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from worker.job_errors import HandBack
from worker.joblog import JobLog, Superseded
from worker.lease import Lease
from worker.serve import stop_requested
from worker.store import ModelStore, folder_bytes

if TYPE_CHECKING:
    from worker.model.results import TrainResult

PROGRESS_EVERY_S = 1.0
POLL_EVERY_S = 0.5

log = structlog.get_logger()


@dataclass(frozen=True)
class JobFiles:
    """Where a job's files lie on this host.

    Attributes:
        folder: for all of them.
        checkpoint: from which another attempt goes on.
        model: the unfinished model.
        text: what it learns, unpacked.
    """

    folder: Path
    checkpoint: Path
    model: Path
    text: Path

    @classmethod
    def of(cls, settings: Settings, job_id: str) -> JobFiles:
        """Those of a job; nothing need be there."""
        folder = settings.data_dir / "checkpoints" / job_id
        return cls(folder, folder / "checkpoint", folder / "model", folder / "text.txt")

    def discard(self) -> None:
        """Remove what is there: the job is over."""
        shutil.rmtree(self.folder, ignore_errors=True)


def attempt_training(settings: Settings, client: redis.Redis, job: TrainJob, joblog: JobLog, lease: Lease) -> None:
    """Do a job, or go on with it from its checkpoint.

    Raises:
        HandBack: the worker is stopping.
        Superseded: another attempt has begun, or is to.
        UserError: the job cannot be done as asked.
    """
    begun = time.monotonic()
    files = JobFiles.of(settings, job.job_id)
    resumed = files.checkpoint.exists()
    joblog.publish(Started(worker=socket.gethostname(), resumed=resumed))
    store = ModelStore(settings)
    parent = _parent(client, job)
    parent_folder = store.fetch(parent.model_id) if parent else None
    _prepare(settings, client, job, files)
    lease.touch()

    from worker.model.train import TrainingCancelled, TrainingInterrupted

    try:
        result = _attempt(job, files, _Hooks(joblog, lease), parent, parent_folder)
    except TrainingCancelled:
        joblog.publish(Cancelled())
        return
    except TrainingInterrupted as stop:
        joblog.publish(Interrupted())
        files.text.unlink(missing_ok=True)  # another host may take over; it comes from Redis again
        raise HandBack("the worker is stopping") from stop
    model_id = joblog.model_id()
    store.save(files.model, model_id)
    _finish(joblog, _record(job, parent, result, model_id, folder_bytes(files.model)), result)
    joblog.remember(_past(job, result, None if resumed else time.monotonic() - begun))
    log.info("trained", model_id=model_id, seconds=round(result.seconds), epochs=result.epochs)


def _prepare(settings: Settings, client: redis.Redis, job: TrainJob, files: JobFiles) -> None:
    """Lay the job's text into its folder.

    Raises:
        UserError: Redis no longer has it, or it is too long.
    """
    packed = cast(bytes | None, client.get(keys.corpus(job.corpus.sha256)))
    if packed is None:
        raise UserError("The text of this training has expired.", "Run the command again.")
    files.folder.mkdir(parents=True, exist_ok=True)
    unpack_to_file(packed, files.text, unpacked_limit(settings))


def _attempt(
    job: TrainJob, files: JobFiles, hooks: _Hooks, parent: ModelRecord | None, parent_folder: Path | None
) -> TrainResult:
    """Train, from the checkpoint if there is one that this version can read.

    Raises:
        TrainingCancelled: somebody asked for it.
        TrainingInterrupted: the worker is stopping.
        UserError: the text or the options cannot be used.
    """
    from worker.model.train import OtherCheckpoint, train

    def attempt() -> TrainResult:
        return train(
            files.text,
            job.options,
            job.corpus,
            out=files.model,
            checkpoint=files.checkpoint,
            hooks=hooks,
            parent=parent_folder,
            parent_name=parent.name if parent else None,
        )

    try:
        return attempt()
    except OtherCheckpoint:
        # An update of Galvanic changed the network since it was saved.
        log.warning("checkpoint_of_another_version")
        shutil.rmtree(files.checkpoint)
        return attempt()


def _finish(joblog: JobLog, wished: ModelRecord, result: TrainResult) -> None:
    """Enter a model that is in the store into the registry, and tell the person."""
    from worker.model.chart import loss_chart

    record = joblog.register(wished)
    joblog.attach(LOSS_FILE, loss_chart(result.curve, record.name))
    joblog.publish(
        Finished(
            model=record,
            samples=result.samples,
            seconds=result.seconds,
            stopped=result.stopped,
            notes=result.notes,
        )
    )


def _record(job: TrainJob, parent: ModelRecord | None, result: TrainResult, model_id: str, size: int) -> ModelRecord:
    """The registry's record of a trained model, under the name wished for."""
    place, corpus, options = job.place, job.corpus, job.options
    return ModelRecord(
        model_id=model_id,
        name=options.name or corpus.name,
        guild_id=place.guild_id,
        channel_id=place.channel_id,
        owner_id=place.user_id,
        scope=_scope(job, parent),
        recipe=options.recipe,
        corpus_title=corpus.title,
        corpus_chars=corpus.chars,
        parameters=result.parameters,
        epochs=result.epochs_before + result.epochs,
        train_loss=result.train_loss,
        heldout_loss=result.heldout_loss,
        corpus=corpus,
        options=options,
        parent=parent.name if parent else None,
        copy_share=result.copy_share,
        file_bytes=size,
        sources=_sources(job, parent),
    )


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
    if record is None or record.guild_id != place.guild_id or not record.usable_in(place.channel_ids):
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
        self._requested: Literal["cancel", "finish"] | None = None
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
        self._lease.touch()
        if self._lease.lost:
            raise Superseded(self._joblog.job_id)
        if stop_requested():
            return "interrupt"
        if time.monotonic() - self._polled >= POLL_EVERY_S:
            self._requested = self._joblog.control()
            self._polled = time.monotonic()
        # "Finish now" keeps the best so far: until a first step was made there is nothing that is worth a model.
        return None if self._requested == "finish" and not self._learned else self._requested
