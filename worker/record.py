"""What is written down of a model that was trained: its record in the registry, and the training's in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.events import Finished
from shared.history import Past
from shared.jobs import CorpusInfo, TrainJob, TranscriptRef
from shared.models import ModelRecord
from worker.files import Made

if TYPE_CHECKING:
    from galvanic.results import TrainResult


def made(
    job: TrainJob,
    learned: CorpusInfo,
    parent: ModelRecord | None,
    result: TrainResult,
    model_id: str,
    size: int,
    whole_s: float | None,
) -> Made:
    """All that is to be told of a training.

    `learned`: the text as it was read; `size`: the model's, in bytes; `whole_s`: how long the training took in all,
    None when this was not all of it.
    """
    finished = Finished(
        model=_record(job, learned, parent, result, model_id, size),
        samples=result.samples,
        seconds=result.seconds,
        stopped=result.stopped,
        notes=result.notes,
    )
    past = Past(
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
    return Made(finished=finished, past=past, curve=result.curve)


def _record(
    job: TrainJob, learned: CorpusInfo, parent: ModelRecord | None, result: TrainResult, model_id: str, size: int
) -> ModelRecord:
    """Under the wished name."""
    place, options = job.place, job.options
    uploaded = job.corpus.source == "upload"
    corpus = learned.model_copy(update={"sha256": job.corpus.sha256})
    # A text that a member uploaded stays where it was shown, and so does what was learned from it. A model trained
    # further in a thread from one of its channel is the thread's: the thread may be private.
    stays = uploaded or (parent is not None and parent.scope == "channel")
    sources = (*(parent.origins if parent else ()), *((place.channel_id,) if uploaded else ()))
    own = (learned.transcript,) if learned.transcript else ()
    return ModelRecord(
        model_id=model_id,
        name=options.name or corpus.name,
        guild_id=place.guild_id,
        channel_id=place.channel_id,
        owner_id=place.user_id,
        scope="channel" if stays else "guild",
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
        sources=tuple(dict.fromkeys(sources)),
        transcripts=oldest((*(parent.transcripts if parent else ()), *own)),
        replaces=job.replaces,
    )


def oldest(refs: tuple[TranscriptRef, ...]) -> tuple[TranscriptRef, ...]:
    """Each transcript once, at its oldest revision: what a parent learned is still in its child."""
    newest_first = sorted(refs, key=lambda ref: -ref.revision)
    return tuple({ref.transcript_id: ref for ref in newest_first}.values())
