"""Cancels and finishes trainings and shows their samples, for commands and buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import discord
import structlog
from discord import app_commands

from bot import cards
from bot.escape import MOST, label, plain
from bot.jobs.queue import TRAINING
from bot.jobs.queue_view import Standing
from bot.redis_reply import reply
from bot.servers import access
from bot.servers.actor import Actor
from bot.train import embeds
from bot.train.state import TrainingState
from shared import keys
from shared.errors import UserError
from shared.jobs import TRAIN_QUEUE, Place, TrainJob, TranscriptRef

if TYPE_CHECKING:
    from bot.client import Galvanic

    Person = discord.User | discord.Member

log = structlog.get_logger()
_LISTED = 10
_TRAINING_ID = re.compile(rf"{TRAINING}\d{{1,20}}")


async def cancel(bot: Galvanic, job_id: str, guild_id: int | None, user: Person) -> str:
    """Cancel a training, or the reading of a channel before it, on behalf of `user`.

    Returns:
        What to tell them.

    Raises:
        UserError: there is no such training in this server, it is over, or it is somebody else's.
    """
    if guild_id is not None and (reading := (await bot.readings.by_job(guild_id)).get(job_id)) is not None:
        return await bot.readings.cancel(reading[0], guild_id, user)
    job, view = await _load_own(bot, job_id, guild_id, user)
    match await bot.queue.cancel(job.job_id):
        case "over":
            raise _over()
        case "cancelled":
            return "Cancelled before it started." if view.state == "queued" else "Cancelled."
        case "asked" if await bot.queue.has_worker(TRAIN_QUEUE):
            return "I cancel it: its card shows when that is done."
    return "No worker is running: it is cancelled within two minutes, or as soon as one is back."


async def finish(bot: Galvanic, job_id: str, guild_id: int | None, user: Person) -> str:
    """End a training now and keep the best model so far, on behalf of `user`.

    Returns:
        What to tell them.

    Raises:
        UserError: as `cancel`, or there is nothing to keep yet.
    """
    job, view = await _load_own(bot, job_id, guild_id, user)
    if view.state == "queued":
        raise UserError("This training hasn't started, so there is nothing to keep.", "Use **Cancel** instead.")
    progress = view.progress
    if progress is None or (progress.train_loss is None and progress.heldout_loss is None):
        raise UserError(
            "There is nothing to keep yet.",
            "Try again once the card shows a loss, or use **Cancel**.",
        )
    await bot.queue.finish(job.job_id)
    if await bot.queue.control(job.job_id) == "cancel":
        raise UserError("This training is already being cancelled.", "Its card shows when it is over.")
    if not await bot.queue.has_worker(TRAIN_QUEUE):
        return "No worker is running: it will be finished as soon as one is back, and the best so far is kept."
    if view.state == "interrupted":
        return "It is paused: it will be finished as soon as it resumes, and the best so far is kept."
    return "Finishing: the best so far is kept."


async def meant(bot: Galvanic, who: Actor, doing: Literal["cancel", "finish"], *, private: bool) -> str:
    """The training that somebody means who names none: the only one of theirs in this server.

    Args:
        bot: the bot.
        who: who asks, and where.
        doing: what is to be done with it. Of those that can be finished, only what has begun counts.
        private: the answer is for this person alone.

    Raises:
        UserError: they have none, or several, which it lists with what to type; to a moderator who has none, those
            that they may end.
    """
    standings = [one for one in (await bot.outlook.look(now=True)).standings if one.job.place.guild_id == who.guild_id]
    own = [one for one in standings if one.job.place.user_id == who.user.id]
    if doing == "finish":
        own = [one for one in own if one.place is None] or own
    readings = await bot.readings.by_job(who.guild_id) if doing == "cancel" else {}
    found = [one.job.job_id for one in own]
    found += [job_id for job_id, (_, place) in readings.items() if place.user_id == who.user.id]
    if len(found) == 1:
        return found[0]
    prefix = await bot.guild_settings.prefix(who.guild_id)
    problem = f"You have {len(found)} trainings here."
    if not found:
        found = [one.job.job_id for one in standings if moderates(who.user, one.job)]
        found += [job_id for job_id, (_, place) in readings.items() if moderates_place(who.user, place)]
        problem = "These trainings are not yours, but you may end them."
    if not found:
        raise UserError("You have no training here that waits or runs.", f"`{prefix}jobs` lists this server's.")
    jobs = {one.job.job_id: one.job for one in standings}
    lines = ["Type which one you mean:"]
    for job_id in found[:_LISTED]:
        what = "a channel that is being read"
        if (job := jobs.get(job_id)) is not None:
            shown = await may_show(bot, who, job, private=private)
            what = plain(job.corpus.title[:80]) if shown else "a training that I don't name here"
        lines.append(f"`{prefix}{doing} {job_id}` {what}")
    raise UserError(problem, "\n".join(lines))


async def may_show(bot: Galvanic, who: Actor, job: TrainJob, *, private: bool) -> bool:
    """Whether a list may say what a training is about: to the person and, unless it is private, to all others there."""
    if not sees(who.user, job):
        return False
    if private and job.place.user_id == who.user.id:
        return True
    return bot.audience.may_quote(job, who.here)


async def samples(
    bot: Galvanic, job_id: str, guild_id: int | None, user: Person, channel_ids: list[int]
) -> discord.Embed:
    """The samples that a training wrote, epoch by epoch.

    Args:
        bot: the bot.
        job_id: which training.
        guild_id: where somebody asks.
        user: who asks.
        channel_ids: the channel where they ask, which they surely read, and of a thread its parent.

    Raises:
        UserError: there is no such training that this person can see, it learns from messages that they may not be
            able to read, or it has no samples yet.
    """
    job = await _load(bot, job_id, guild_id)
    if not sees(user, job):
        raise _unknown(job_id)
    view = await _view(bot, job_id)
    if not bot.audience.may_quote(job, channel_ids):
        raise UserError(
            "I can't show these samples here.",
            "They come from messages that not everybody who reads this channel could have read.",
        )
    revisions = await bot.transcripts.revisions([ref.transcript_id for ref in job.transcripts or ()])
    if not view.samples_stand(job, revisions):
        raise UserError(
            "I don't show these samples: a member whose words the training had read has withdrawn since.",
            "New ones come when it has begun anew without them.",
        )
    if not view.samples:
        remedy = "The training ended without one." if view.over else "The first one comes after an epoch, on its card."
        raise UserError("There are no samples yet.", remedy)
    return embeds.samples(job, view, await bot.guild_settings.blocklist(guild_id))


async def offered(bot: Galvanic, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Autocomplete for `cancel` and `finish`: the person's own trainings, then those that they moderate."""
    if interaction.guild_id is None:
        return []
    outlook = await bot.outlook.look()
    own: list[Standing] = []
    others: list[Standing] = []
    for one in outlook.standings:
        job = one.job
        if job.place.guild_id != interaction.guild_id:
            continue
        if job.place.user_id == interaction.user.id:
            own.append(one)
        elif moderates(interaction.user, job):
            others.append(one)
    near = [
        one
        for one in (*own, *others)
        if typed.lower() in f"{one.job.job_id} {one.job.corpus.title} {one.job.corpus.name}".lower()
    ]
    return [app_commands.Choice(name=label(cards.choice(one, outlook)), value=one.job.job_id) for one in near[:MOST]]


def sees(user: Person, job: TrainJob) -> bool:
    """Whether a person can see the channel of a training. In a private thread, only its owner surely can."""
    return job.place.user_id == user.id or _rights(user, job.place) is not None


def moderates(user: Person, job: TrainJob) -> bool:
    """Whether a person sees where a training was asked for, and has Manage Messages there."""
    return moderates_place(user, job.place)


def moderates_place(user: Person, place: Place) -> bool:
    """As `moderates`, of whatever was asked for in a place."""
    rights = _rights(user, place)
    return rights is not None and rights.manage_messages


def _rights(user: Person, place: Place) -> discord.Permissions | None:
    """What a person may do in a place; None when it is hidden from them.

    Who is in a private thread isn't known, and of a thread that is archived not even whether it is private: both are
    taken for hidden from all but those who may manage threads.
    """
    if not isinstance(user, discord.Member) or user.guild.id != place.guild_id:
        return None
    found = user.guild.get_channel_or_thread(place.channel_id)
    private = isinstance(found, discord.Thread) and found.is_private()
    if found is None:
        found, private = user.guild.get_channel(place.parent_channel_id or 0), True
    if found is None:  # the channel is gone, too: nobody can tell who saw it
        return user.guild_permissions if access.is_admin(user) else None
    rights = found.permissions_for(user)
    return rights if rights.view_channel and (rights.manage_threads or not private) else None


async def _load_own(bot: Galvanic, job_id: str, guild_id: int | None, user: Person) -> tuple[TrainJob, TrainingState]:
    """A training that is not over, if this person may end it."""
    job = await _load(bot, job_id, guild_id)
    if job.place.user_id != user.id and not moderates(user, job):
        if not sees(user, job):
            raise _unknown(job_id)
        raise UserError("This training isn't yours.", "Only its owner and members with Manage Messages can end it.")
    view = await _view(bot, job_id)
    if view.over:
        raise _over()
    return job, view


async def _load(bot: Galvanic, job_id: str, guild_id: int | None) -> TrainJob:
    stored = await bot.queue.load(job_id) if _TRAINING_ID.fullmatch(job_id) else None
    if stored is None or not isinstance(stored.job, TrainJob) or stored.job.place.guild_id != guild_id:
        raise _unknown(job_id)
    return stored.job


async def _view(bot: Galvanic, job_id: str) -> TrainingState:
    view = TrainingState()
    for _, event in await bot.queue.events(job_id, "0"):
        view.apply(event)
    return view


def _unknown(job_id: str) -> UserError:
    return UserError(
        f"There is no training {cards.code(job_id)} in this server.", "Its id is at the bottom of its card."
    )


def _over() -> UserError:
    return UserError("This training has already ended.", "Its card shows how, and there is nothing left to do.")


async def cancel_hearing(bot: Galvanic, concerns: Callable[[TranscriptRef], bool]) -> None:
    """Cancel the trainings that learn from certain messages, or go on from a model that has.

    Args:
        bot: the bot.
        concerns: tells of a transcript whether it has such messages.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    for one in (await bot.outlook.look(now=True)).standings:
        job = one.job
        if any(map(concerns, job.transcripts or ())):
            await bot.queue.cancel(job.job_id)
            where = {"guild_id": job.place.guild_id, "channel_id": job.place.channel_id}
            log.info("channel_training_cancelled", job_id=job.job_id, **where)


async def close_unknown(bot: Galvanic) -> None:
    """Take trainings from the quotas of which nothing is known any more: their records have expired.

    The last word about them is a month old, so nobody follows them, and they can be neither shown nor cancelled.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    for member in await reply(bot.redis.hkeys(keys.ACTIVE)):
        job_id = member.decode()
        if not await bot.queue.knows(job_id) and not await reply(bot.redis.exists(keys.job_hold(job_id))):
            log.warning("training_closed", job_id=job_id)
            await bot.queue.close(job_id)
