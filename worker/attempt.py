"""One attempt at a training: call the engine, save the model, send the events. No Celery here."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import redis
import structlog

from galvanic.results import TrainingCancelled, TrainingInterrupted
from shared import keys
from shared.corpora import unpack_to_file, unpacked_limit
from shared.errors import UserError
from shared.events import Cancelled, Finished, Started
from shared.history import Past
from shared.jobs import LOSS_FILE, CorpusInfo, TrainJob, TranscriptRef
from shared.models import ModelRecord
from shared.settings import Settings
from worker.channel_text import (
    Withdrawn,
    is_withdrawn,
    read_channel,
    require_standing,
    revisions_now,
    stale_parent,
)
from worker.copies import CheckpointCopies
from worker.events import JobEvents, Superseded
from worker.files import JobFiles, Made
from worker.hooks import JobHooks
from worker.jobs import Stopped
from worker.lease import Lease
from worker.remote import when_there_is_room
from worker.store import ModelStore

if TYPE_CHECKING:
    from galvanic.results import TrainResult

RestartReason = Literal["withdrawn", "changed"]

log = structlog.get_logger()


def attempt_training(
    settings: Settings, client: redis.Redis, job: TrainJob, job_events: JobEvents, lease: Lease
) -> None:
    """Do a job, or continue it from its checkpoint. Whenever a member withdraws words that it read, start over.

    Raises Stopped (the worker is stopping), Superseded (another attempt has begun, or is to) or UserError (the job
    cannot be done as asked).
    """
    files = JobFiles.of(settings, job.job_id)
    store = ModelStore(settings)
    copies = CheckpointCopies(settings, store, files, job_events.attempt)
    attempt = _Attempt(settings, client, job, job_events, lease, files, store, copies)
    try:
        while not attempt.over:
            attempt.run()
    except TrainingCancelled:
        job_events.publish(Cancelled())
    except Superseded:
        raise  # the attempt that took over may be on this host, and read the same file
    except BaseException as error:
        files.text.unlink(missing_ok=True)  # another host may take over; it comes from Redis again
        if not isinstance(error, TrainingInterrupted):
            raise
        copies.complete()  # another host may take over
        raise Stopped("the worker is stopping") from error
    finally:
        copies.close()


@dataclass
class _Attempt:
    settings: Settings
    client: redis.Redis
    job: TrainJob
    job_events: JobEvents
    lease: Lease
    files: JobFiles
    store: ModelStore
    copies: CheckpointCopies  # of its checkpoints, in a remote store
    restart_reason: RestartReason | None = None  # why it starts over; None: it does not
    whole: bool = True  # it is all of the training, so its time tells how long others may take
    over: bool = False  # there is a model

    def run(self) -> None:
        """Train to the end, or until a member withdraws; then nothing of it is left.

        Raises TrainingCancelled, TrainingInterrupted (the worker is stopping), and as `attempt_training`.
        """
        begun = time.monotonic()
        try:
            self._run(begun)
        except Withdrawn:
            log.info("words_withdrawn_while_training")
            self._forget("withdrawn")

    def _run(self, begun: float) -> None:
        job, job_events = self.job, self.job_events
        waiting = JobHooks(job_events, self.lease)
        when_there_is_room(self.copies.bring, waiting)
        if (self.files.checkpoint.exists() or self.files.made.exists()) and self._is_withdrawn_meanwhile():
            log.info("words_withdrawn_before_resuming")
            self._forget("withdrawn")
        if (made := when_there_is_room(self._made_before, waiting)) is not None:
            log.info("made_before")
            self._tell_start()
            self._deliver(made, JobHooks(job_events, self.lease, made.finished.model.transcripts))
            return
        self._tell_start()
        parent = _parent(self.client, job, resumed=self.files.checkpoint.exists())
        hooks = JobHooks(job_events, self.lease, parent.transcripts if parent else ())
        hooks.copies = self.copies
        learned = when_there_is_room(lambda: self._prepare(hooks), hooks)
        job_events.model_id()  # known to all attempts, long before there is a model
        self.lease.touch()
        with contextlib.ExitStack() as kept:
            result = self._train(hooks, learned, parent, self._fetch(parent, hooks, kept))
        hooks.require_standing()  # the last samples took a while
        record = _record(job, learned, parent, result, job_events.model_id(), self.files.model.stat().st_size)
        past = _past(job, learned, result, time.monotonic() - begun if self.whole else None)
        made = Made(finished=_finished(record, result), past=past, curve=result.curve)
        when_there_is_room(lambda: made.save(self.files.made), hooks)
        self._deliver(made, hooks)

    def _deliver(self, made: Made, hooks: JobHooks) -> None:
        """Save a finished model and send the end; safe to repeat, wherever an earlier attempt was cut off."""
        from galvanic.pictures import loss_chart

        record, store, job_events = made.finished.model, self.store, self.job_events
        job_events.require_standing()  # an attempt that was frozen may wake up when another one has ended
        if self.files.model.exists():
            when_there_is_room(lambda: store.take(self.files.model, record.model_id), hooks)

        def draw(entered: ModelRecord) -> None:
            job_events.attach(LOSS_FILE, loss_chart(made.curve, entered.name))

        while True:
            # A model that was made again becomes current only where the old one was, which the bot sees to.
            job_events.enter(made.finished, current=record.replaces is None, prepare=draw)
            job_events.durable()
            if job_events.is_over():  # it is not, if Redis lost its last second meanwhile
                break
        self.over = True
        job_events.remember(made.past)
        log.info("trained", model_id=record.model_id, seconds=round(made.finished.seconds), epochs=made.past.epochs)

    def _made_before(self) -> Made | None:
        """What an attempt that was cut off while it delivered left to do; None: there is a training to do."""
        made = Made.load(self.files.made)
        if made is None:
            return None
        model_id = made.finished.model.model_id
        whole = self.files.model.exists() or self.store.has(model_id)
        return made if whole and self.job_events.model_id() == model_id else None

    def _tell_start(self) -> None:
        resumed = self.files.checkpoint.exists() or self.files.made.exists()
        if self.job.corpus.transcript is not None and not resumed:
            self.job_events.forget_samples()  # an attempt that was killed may have learned more words than are left
        self.job_events.publish(
            Started(worker=socket.gethostname(), resumed=resumed, restart_reason=self.restart_reason)
        )
        self.whole = self.whole and not resumed
        self.restart_reason = None

    def _forget(self, why: RestartReason) -> None:
        """Drop all that was made of words which are not to be learned any more."""
        self.files.discard()
        waiting = JobHooks(self.job_events, self.lease)
        when_there_is_room(self.copies.drop, waiting)
        model_id = cast(bytes | None, self.client.hget(keys.job(self.job.job_id), "model_id"))
        if model_id is not None:  # an attempt may have been killed between saving the model and entering it
            when_there_is_room(lambda: self.store.delete(model_id.decode()), waiting)
        self.restart_reason, self.whole = why, False

    def _is_withdrawn_meanwhile(self) -> bool:
        """Whether the checkpoint learned words that a member withdrew since, or nobody knows."""
        if self.job.corpus.transcript is None:
            return False
        learned = self.files.load_learned()
        if learned is None or learned.transcript is None:
            return True
        now = revisions_now(self.client, (learned.transcript,))
        return is_withdrawn(learned.transcript, now.get(learned.transcript.transcript_id))

    def _prepare(self, hooks: JobHooks) -> CorpusInfo:
        """Write the job's text into its folder, and return what is known of it; can be repeated.

        Raises UserError when Redis no longer has the text, or it is too short or too long; OSError when it cannot be
        written.
        """
        job, files = self.job, self.files
        files.folder.mkdir(parents=True, exist_ok=True)
        if job.corpus.transcript is None:
            packed = cast(bytes | None, self.client.get(keys.corpus(job.corpus.sha256)))
            if packed is None:
                raise UserError("The text of this training has expired.", "Run the command again.")
            unpack_to_file(packed, files.text, unpacked_limit(self.settings))
            return job.corpus
        learned = read_channel(self.settings, self.client, job, files.text, hooks.go_on)
        hooks.watch(learned.transcript)
        before = files.load_learned()
        if files.checkpoint.exists() and before is not None and before.sha256 != learned.sha256:
            log.info("words_changed_before_resuming")
            self.copies.drop()
            shutil.rmtree(files.checkpoint)
            self.restart_reason = "changed"
            self._tell_start()
        files.save_learned(learned)
        return learned

    def _fetch(self, parent: ModelRecord | None, hooks: JobHooks, kept: contextlib.ExitStack) -> Path | None:
        """The file of the model to start from, there until `kept` ends; a remote store's is copied onto the disk."""
        if parent is None:
            return None
        return when_there_is_room(lambda: kept.enter_context(self.store.reading(parent.model_id)), hooks)

    def _train(
        self, hooks: JobHooks, learned: CorpusInfo, parent: ModelRecord | None, parent_file: Path | None
    ) -> TrainResult:
        """Train, from the checkpoint if there is one that this version can read.

        Raises TrainingCancelled, TrainingInterrupted (the worker is stopping), Withdrawn (a member withdrew words that
        it has read) or UserError (the text or the options cannot be used).
        """
        from galvanic.training import OtherCheckpoint, train

        def attempt() -> TrainResult:
            return train(
                self.files.text,
                self.job.options,
                learned,
                out=self.files.model,
                checkpoint=self.files.checkpoint,
                hooks=hooks,
                limits=self.settings.train_limits,
                parent=parent_file,
                parent_name=parent.name if parent else None,
            )

        try:
            return attempt()
        except OtherCheckpoint:
            # An update of Galvanic changed the network since it was saved.
            log.warning("checkpoint_of_another_version")
            shutil.rmtree(self.files.checkpoint)
            return attempt()


def _finished(record: ModelRecord, result: TrainResult) -> Finished:
    return Finished(
        model=record,
        samples=result.samples,
        seconds=result.seconds,
        stopped=result.stopped,
        notes=result.notes,
    )


def _record(
    job: TrainJob, learned: CorpusInfo, parent: ModelRecord | None, result: TrainResult, model_id: str, size: int
) -> ModelRecord:
    """The registry's record of a trained model, under the wished name. `learned`: the text as it was read."""
    place, options = job.place, job.options
    corpus = learned.model_copy(update={"sha256": job.corpus.sha256})
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
        transcripts=_transcripts(learned, parent),
        replaces=job.replaces,
    )


def _past(job: TrainJob, learned: CorpusInfo, result: TrainResult, whole_s: float | None) -> Past:
    """The history entry of a training. `whole_s`: how long it took in all, None when this was not all of it."""
    return Past(
        recipe=job.options.recipe,
        chars=learned.chars,
        asked_epochs=job.options.epochs,
        units=job.options.units,
        allowed_s=60 * job.options.minutes if job.options.minutes is not None else None,
        epochs=result.epochs,
        used_s=result.seconds,
        beside_s=None if whole_s is None else max(0.0, whole_s - result.seconds),
        cut_short=result.stopped == "finish",
    )


def _parent(client: redis.Redis, job: TrainJob, *, resumed: bool) -> ModelRecord | None:
    """The record of the model to start from.

    The bot has checked that it may be used there; it is checked again, for the message may be old or forged. `resumed`:
    the training has started from it before; then single messages that were deleted since do not end it.

    Raises UserError when it is gone, may not be used there, or learned words that were withdrawn since.
    """
    if job.parent is None:
        return None
    data = cast(bytes | None, client.get(keys.model(job.parent.model_id)))
    record = ModelRecord.model_validate_json(data) if data is not None else None
    place = job.place
    if record is None or record.guild_id != place.guild_id or not record.usable_in(place.channel_ids):
        raise UserError("The model to start from is gone.", "Choose another one, or train without it.")
    revisions = revisions_now(client, record.transcripts)
    require_standing(record.transcripts, revisions)
    if record.is_stale(revisions) and not resumed:
        raise stale_parent()
    return record


def _scope(job: TrainJob, parent: ModelRecord | None) -> Literal["guild", "channel"]:
    """Who may use the new model: everyone in the guild, or only the place where it was trained.

    A text that a member uploaded stays where it was shown, and so does what was learned from it. A model trained
    further in a thread from one of its channel is the thread's: the thread may be private.
    """
    if job.corpus.source == "upload" or (parent is not None and parent.scope == "channel"):
        return "channel"
    return "guild"


def _sources(job: TrainJob, parent: ModelRecord | None) -> tuple[int, ...]:
    """The channels of the uploaded texts that are in the new model, its parent's included."""
    inherited = parent.origins if parent is not None else ()
    own = (job.place.channel_id,) if job.corpus.source == "upload" else ()
    return tuple(dict.fromkeys((*inherited, *own)))


def _transcripts(learned: CorpusInfo, parent: ModelRecord | None) -> tuple[TranscriptRef, ...]:
    """The channels' messages in the new model, each at its oldest revision: what the parent learned is still in it."""
    refs = [*(parent.transcripts if parent is not None else ()), *([learned.transcript] if learned.transcript else [])]
    oldest: dict[str, TranscriptRef] = {}
    for ref in refs:
        known = oldest.get(ref.transcript_id)
        if known is None or ref.revision < known.revision:
            oldest[ref.transcript_id] = ref
    return tuple(oldest.values())
