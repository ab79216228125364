"""Whether what a training writes may be read in a place: not everybody may read what it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.jobs.jobview import JobView
from shared.jobs import TrainJob, TranscriptRef

if TYPE_CHECKING:
    from bot.client import Galvanic


async def heard_by(bot: Galvanic, job: TrainJob, view: JobView) -> tuple[TranscriptRef, ...] | None:
    """The transcripts that a training learns from, those of the model that it goes on from included.

    Returns:
        None when nobody can tell: the model that it goes on from is gone.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    own = (job.corpus.transcript,) if job.corpus.transcript is not None else ()
    if view.finished is not None:
        return (*own, *view.finished.model.transcripts)
    if job.parent is None:
        return own
    parent = await bot.registry.record(job.parent.model_id)
    return (*own, *parent.transcripts) if parent is not None else None


async def may_quote(bot: Galvanic, job: TrainJob, view: JobView, channel_ids: Sequence[int]) -> bool:
    """Whether all who read a place of the training's server could have read what the training learns from.

    Args:
        bot: the bot.
        job: the training.
        view: what is known of it.
        channel_ids: the channel, and for a thread also its parent.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    heard = await heard_by(bot, job, view)
    return heard is not None and bot.audience.allows_words(job.place.guild_id, channel_ids, heard)


async def samples_stand(bot: Galvanic, job: TrainJob, view: JobView) -> bool:
    """Whether no member has withdrawn words that a training had read when it wrote its samples.

    One that waits to go on, because its worker is gone, begins anew only when another takes it up. Of one that is over
    there is nothing to say: a model is made again as a whole (`bot.models.upkeep`).

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    if not view.samples or view.over:
        return True
    heard = await heard_by(bot, job, view)
    if heard is None:
        return False
    read, own = view.samples[-1].revision, job.corpus.transcript
    if own is not None and read is not None:
        heard = (own.model_copy(update={"revision": read}), *heard[1:])
    revisions = await bot.transcripts.revisions([ref.transcript_id for ref in heard])
    found = ((ref, revisions.get(ref.transcript_id)) for ref in heard)
    return all(now is not None and not now.withdraws(ref) for ref, now in found)
