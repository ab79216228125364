"""One attempt at a training: call the engine, save the model, send the events. No Celery here."""

import contextlib
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import redis
import structlog

from galvanic import model_file
from galvanic.checkpoint import when_there_is_room
from galvanic.errors import UserError
from galvanic.files import replacing, write_text
from galvanic.read.language import language_of
from galvanic.results import TrainingCancelled, TrainingInterrupted, TrainResult
from galvanic.verdict import verdict
from shared import keys
from shared.corpora.corpus import unpack
from shared.events import Cancelled, Finished, Started
from shared.jobs import LOSS_FILE, TrainJob
from shared.models import ModelFacts
from shared.settings import Settings
from worker.checkpoints import CheckpointCopies, FinishedTraining, TextFiles, read_finished
from worker.events import JobEvents, Superseded
from worker.hooks import JobHooks
from worker.jobs import MAX_DEATHS, Died
from worker.store import ModelStore, difficulty
from worker.threads import Lease

T = TypeVar("T")
PAUSES_S = {2: 15.0, 3: 60.0, 4: 240.0}
"""Seconds for which an attempt waits first, by how many in a row ended in trouble: this may be over by then, as when
another program takes the memory."""
_ASK_EVERY_S = 0.5  # what is wanted of it, while it waits
log = structlog.get_logger()


class Attempt:
    """Does a training, or continues it from the checkpoint that an earlier attempt made of the same text."""

    def __init__(self, settings: Settings, client: redis.Redis, job: TrainJob, events: JobEvents, lease: Lease) -> None:
        self._settings = settings
        self._client = client
        self._job = job
        self._job_events = events
        self._lease = lease
        self._files = TextFiles(settings, job)
        self._store = ModelStore(settings)
        self._copies = CheckpointCopies(self._store, job, self._files, events.attempt)
        self._hooks = JobHooks(events, lease, self._copies)
        self._authors: bytes | None = None  # of a channel's lines, by number; they are counted with, and never kept

    def run(self) -> Cancelled | None:
        """Train, and publish the end. Return None, or the end that is still to be told.

        Raises TrainingInterrupted (the worker is stopping), Died (the next one is to go on from the checkpoint),
        Superseded (another attempt has begun, or is to) or UserError (the job cannot be done as asked).
        """
        try:
            self._try()
            return None
        except TrainingCancelled:
            return Cancelled()
        except TrainingInterrupted:
            self._leave()
            raise
        except (UserError, Superseded, redis.RedisError):
            raise
        except Exception as error:
            if not (self._files.has_checkpoint or self._files.finished.exists()):
                raise
            log.exception("attempt_failed")
            self._job_events.require_newest()  # who took over may be on this host
            if self._job_events.deaths() + 1 >= MAX_DEATHS:
                raise
            self._leave()
            raise Died from error
        finally:
            self._copies.stop()

    def _leave(self) -> None:
        """Leave it to the next attempt, maybe on another host; the text comes from Redis again."""
        with contextlib.suppress(OSError):
            self._files.text.unlink(missing_ok=True)
        self._copies.complete()

    def _try(self) -> None:
        job_events, files = self._job_events, self._files
        self._pause()
        self._patiently(self._copies.bring)
        model_id = job_events.model_id()
        before = read_finished(files.finished)
        if before is not None and (files.model.exists() or self._patiently(lambda: self._store.has(model_id))):
            log.info("finished_before")
            self._tell_start(resumed=True)
            self._deliver(before)
            return
        if job_events.attempt > 1:  # an earlier one may have saved a model of another text, and not entered it
            self._patiently(lambda: self._store.delete(model_id))
        self._tell_start(resumed=files.has_checkpoint)
        self._patiently(self._prepare)
        self._lease.touch()
        result = self._train(self._patiently(self._parent))
        self._hooks.require_wanted()  # the last samples took a while
        finished = _finished(self._job, result, model_id, files.model.stat().st_size)
        self._patiently(lambda: write_text(files.finished, finished.model_dump_json()))
        self._deliver(finished)

    def _pause(self) -> None:
        """Wait if several attempts in a row ended in trouble. Raises as `Hooks.go_on`, or Superseded."""
        deaths = self._job_events.deaths()
        if deaths not in PAUSES_S:
            return
        log.warning("attempt_waits", deaths=deaths, seconds=PAUSES_S[deaths])
        until = time.monotonic() + PAUSES_S[deaths]
        while time.monotonic() < until:
            self._hooks.go_on()
            time.sleep(_ASK_EVERY_S)

    def _patiently(self, write: Callable[[], T]) -> T:
        """Do what needs the disk or the store, and wait while that is full or away; it can be repeated."""
        return when_there_is_room(write, self._hooks, difficulty)

    def _deliver(self, finished: FinishedTraining) -> None:
        """Save a finished model and send the end; safe to repeat, wherever an earlier attempt was cut off."""
        from galvanic.pictures import loss_chart

        model, job_events = finished.event.model, self._job_events
        job_events.require_newest()  # an attempt that was frozen may wake up when another one has ended
        if self._files.model.exists():
            self._patiently(lambda: self._store.save(self._files.model, model.model_id))

        while True:
            job_events.enter(
                finished.event,
                self._job.place.guild_id,
                prepare=lambda entered: job_events.attach(LOSS_FILE, loss_chart(finished.curve, entered.name)),
            )
            job_events.durable()
            if job_events.is_over():
                break  # else Redis has lost its last second meanwhile
        log.info("trained", model_id=model.model_id, seconds=round(finished.event.seconds), epochs=model.epochs)

    def _tell_start(self, *, resumed: bool) -> None:
        self._job_events.publish(Started(worker=socket.gethostname(), resumed=resumed))

    def _prepare(self) -> None:
        """Write the job's text into its folder, and find out its language; can be repeated.

        Raises UserError when Redis no longer has the text; OSError when it cannot be written.
        """
        job, files = self._job, self._files
        files.folder.mkdir(parents=True, exist_ok=True)
        texts = self._client.mget(keys.job_text(job.job_id), keys.job_authors(job.job_id))
        packed, self._authors = cast(list[bytes | None], texts)
        if packed is None:
            raise UserError("The text of this training has expired.", "Run the command again.")
        write_text(files.text, unpack(packed))
        if not job.corpus.language:
            corpus = job.corpus.model_copy(update={"language": language_of(files.text)})
            self._job = job.model_copy(update={"corpus": corpus})

    def _parent(self) -> Path | None:
        """Return a copy of the model to start from, for later attempts, too: the model may be deleted before those.

        The bot has checked that it may be used there. Can be repeated. Raises UserError: it is gone; or OSError.
        """
        parent, kept = self._job.parent, self._files.parent
        if parent is None:
            return None
        if not kept.exists():
            if not self._client.exists(keys.model(parent.model_id)):
                raise UserError("The model to start from is gone.", "Choose another one, or train without it.")
            with self._store.reading(parent.model_id) as file, replacing(kept) as copy:
                shutil.copyfile(file, copy)
        return kept

    def _train(self, parent_file: Path | None) -> TrainResult:
        """Train, from the checkpoint if this version can read it. Raises as `galvanic.training.train`."""
        from galvanic.training import OtherCheckpoint, train

        parent = self._job.parent
        try:
            return train(
                self._files.text,
                self._job.options,
                self._job.corpus,
                out=self._files.model,
                checkpoint=self._files.folder,
                hooks=self._hooks,
                limits=self._settings.train_limits,
                parent=parent_file,
                parent_name=parent.name if parent else None,
                authors=None if self._authors is None else np.frombuffer(self._authors, np.uint32),
                starter=model_file.STARTER_FILE,
            )
        except OtherCheckpoint:
            # An update of Galvanic changed the network since it was saved, or this host has another starter.
            log.warning("checkpoint_of_another_version")
            self._files.checkpoint.unlink()
            self._tell_start(resumed=False)  # nothing is left of its samples, either
            result = self._train(parent_file)
            note = "The training started over: the machine that went on with it has another version or starter."
            return result.model_copy(update={"notes": (note, *result.notes)})


def _finished(job: TrainJob, result: TrainResult, model_id: str, size: int) -> FinishedTraining:
    """Return all that is to be told of a training. `size`: the model's, in bytes."""
    options, corpus = job.options, job.corpus
    model = ModelFacts(
        model_id=model_id,
        name=options.name or corpus.name,
        recipe=options.recipe,
        corpus_title=corpus.title,
        corpus_chars=corpus.chars,
        parameters=result.parameters,
        epochs=result.epochs_before + result.epochs,
        corpus=corpus,
        options=options,
        parent=result.parent,
        verdict=verdict(result, options),
        file_bytes=size,
        author_id=job.author_id,
    )
    event = Finished(
        model=model, samples=result.samples, seconds=result.seconds, stopped=result.stopped, notes=result.notes
    )
    return FinishedTraining(event=event, curve=result.curve)
