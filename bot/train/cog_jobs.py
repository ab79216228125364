"""The commands `jobs`, `cancel` and `finish`, and the buttons under a training's card."""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.components import JOB, Components, Press
from bot.core import Core
from bot.jobs.client import TRAINING
from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.options.autocomplete import choices, in_time
from bot.servers import access
from bot.servers.access import Actor
from bot.train import embeds
from bot.train.card import TrainingCards
from bot.train.state import TrainingState
from bot.types import Context, User, hybrid_command
from bot.words import BLURPLE, DESCRIPTION_LIMIT, as_typed, code, in_line, listed, plain, span
from galvanic.errors import UserError
from galvanic.read.text import slugify
from galvanic.units import count
from shared.jobs import TrainJob, is_id

_TRAINING = "The text's name, or the id at the bottom of the card; without one, your only training"

Ending = Literal["cancel", "finish"]


@dataclass(eq=False, repr=False)
class Jobs(commands.Cog):
    """Lists trainings, ends them, and shows their samples."""

    core: Core
    cards: TrainingCards

    def register(self, components: Components) -> None:
        for name in ("cancel", "finish"):
            components.add(name, functools.partial(self._pressed, name), JOB, how="private")
        components.add("samples", self._samples_pressed, JOB, how="private", who="readers")

    @hybrid_command(
        "jobs",
        about="Trainings waiting or running, and when they will be done",
        heading="Running trainings",
        aliases=["queue"],
    )
    async def jobs(self, ctx: Context) -> None:
        """List this server's trainings: whose they are, how far they have come, and when they are done."""
        await ctx.defer(ephemeral=True)
        actor, private = Actor.of(ctx), ctx.interaction is not None
        snapshot = await self.core.snapshots.look(now=True)
        in_server = [training for training in snapshot.trainings if training.is_of(actor.guild_id)]
        rows = [
            Row(training, training.is_of(actor.guild_id, actor.user.id), self._may_show(actor, training.job, private))
            for training in in_server
        ]
        prefix = await self.core.servers.prefix(actor.guild_id)
        await ctx.send(embed=listing(rows, snapshot, actor.guild_id, prefix), ephemeral=True)

    @hybrid_command(
        "cancel [TRAINING]",
        ("cancel", "cancel frankenstein"),
        about="End a training and keep nothing of it",
        heading="Running trainings",
    )
    @app_commands.describe(training=_TRAINING)
    async def cancel(self, ctx: Context, *, training: str | None = None) -> None:
        """End your training (moderators: any training) and keep nothing of it."""
        await self._command(ctx, training, "cancel")

    @hybrid_command(
        "finish [TRAINING]",
        ("finish", "finish frankenstein"),
        about="End a training now and keep the best model so far",
        heading="Running trainings",
    )
    @app_commands.describe(training=_TRAINING)
    async def finish(self, ctx: Context, *, training: str | None = None) -> None:
        """End your training (moderators: any training) now, and keep the best model so far."""
        await self._command(ctx, training, "finish")

    async def _command(self, ctx: Context, training: str | None, ending: Ending) -> None:
        await ctx.defer(ephemeral=True)
        actor = Actor.of(ctx)
        name = training.strip('`"“” ') if training is not None else None
        is_named_by_id = name is not None and re.fullmatch(rf"{TRAINING}\d+", name)
        job_id = name if name is not None and is_named_by_id else await self._meant(actor, ending, name)
        await ctx.send(await self._end(ending, job_id, actor), ephemeral=True)

    async def _pressed(self, ending: Ending, press: Press) -> None:
        await press.send(await self._end(ending, press["job"], press.actor))

    async def _samples_pressed(self, press: Press) -> None:
        actor = press.actor
        await press.send(embed=await self.samples(press["job"], actor.guild_id, actor.user, actor.here))

    # ------------------------------------------------------------------ ending a training

    async def _end(self, ending: Ending, job_id: str, actor: Actor) -> str:
        """End a training, or the reading of its channel, and return what to tell. Raises UserError if it can't be."""
        job, state = await self._load(job_id, actor.guild_id, actor.user)
        if not _may_end(actor.user, job):
            raise UserError("This training isn't yours.", "Only its owner and members with Manage Messages can end it.")
        outcome = await self.core.jobs.cancel(job_id) if ending == "cancel" and not state.over else None
        if state.over or outcome == "over":
            raise UserError("This training has already ended.", "Its card shows how, and there is nothing left to do.")
        if outcome == "cancelled":
            return "Cancelled before it started." if state.state == "queued" else "Cancelled."
        if outcome == "asked":
            return "I'm cancelling it: its card will show when that is done."
        if state.state == "queued":
            raise UserError("This training hasn't started, so there is nothing to keep.", "Use **Cancel** instead.")
        if not state.has_learned:
            raise UserError("Nothing is learned yet.", "Try again once its card shows a figure, or use **Cancel**.")
        await self.core.jobs.finish(job_id)
        if await self.core.jobs.control(job_id) == "cancel":
            raise UserError("This training is already being cancelled.", "Its card shows when it is over.")
        if state.state == "interrupted":
            return "It is paused. I finish it as soon as it goes on: the best so far is kept."
        return "I finish it as soon as its worker answers: the best so far is kept."

    async def _meant(self, actor: Actor, ending: Ending, name: str | None) -> str:
        """Return the id of a person's only training here; to finish, of the only one that has begun.

        `name`: that of its text or of its model; None: any. Raises UserError: they have no such training, or several.
        """
        trainings = (await self.core.snapshots.look(now=True)).trainings
        own = [training for training in trainings if training.is_of(actor.guild_id, actor.user.id)]
        if name is not None:
            own = [training for training in own if _is_called(name, training.job)]
        if ending == "finish":
            own = [training for training in own if training.runs] or own
        if len(own) == 1:
            return own[0].job.job_id
        prefix, of = await self.core.servers.prefix(actor.guild_id), ""
        if name is not None:
            number = access.channel_number(name)
            of = f" of {code(name) if number is None else f'<#{number}>'}"
        if own:  # an id tells no title, and two trainings of one text apart
            example = as_typed(prefix, ending, "training", own[0].job.job_id)
            remedy = f"Name one, as in `{example}`. `{prefix}jobs` lists them."
            raise UserError(f"You have {count(len(own), 'training')}{of} waiting or running here.", remedy)
        remedy = f"`{prefix}jobs` lists this server's."
        if name is None:
            remedy = f"`{as_typed(prefix, 'train', 'source', 'frankenstein')}` starts one."
        raise UserError(f"You have no training{of} here.", remedy)

    @cancel.autocomplete("training")
    @finish.autocomplete("training")
    @in_time
    async def _trainings(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Offer a person's own trainings, then the others that they moderate."""
        snapshot, user = await self.core.snapshots.look(), interaction.user
        in_server = [training for training in snapshot.trainings if training.is_of(interaction.guild_id)]
        near = []
        for training in sorted(in_server, key=lambda training: training.job.place.user_id != user.id):
            job, corpus = training.job, training.job.corpus
            if _may_end(user, job) and typed.lower() in f"{job.job_id} {corpus.title} {corpus.name}".lower():
                near.append((f"{corpus.title[:50]} · {_standing(training, snapshot)}"[:100], job.job_id))
        return choices(near, "")

    # ------------------------------------------------------------------ showing samples

    def _may_show(self, actor: Actor, job: TrainJob, private: bool) -> bool:
        """Return whether a list may say what a training is about. `private`: the person alone sees the list."""
        if not access.can_view(actor.user, job.place):
            return False
        if job.corpus.source == "upload" and not private and job.place.channel_id not in actor.here:
            return False  # as its model is hidden here
        return (private and job.place.user_id == actor.user.id) or self.cards.audience.may_quote(job, actor.here)

    async def samples(self, job_id: str, guild_id: int, user: User, channel_ids: Sequence[int]) -> discord.Embed:
        """Show a person the samples of a training.

        `channel_ids`: the channel where they ask and, for a thread, its parent. Raises UserError if there are none that
        they may see there.
        """
        job, state = await self._load(job_id, guild_id, user)
        if job.is_private and job.place.user_id != user.id:
            owner = f"<@{job.place.user_id}>"
            raise UserError("These samples are not for you.", f"They are made of {owner}'s words, for {owner} alone.")
        if not self.cards.audience.may_quote(job, channel_ids):
            raise UserError(
                "I can't show these samples here.",
                "They come from messages that not everybody who reads this channel could have read.",
            )
        if not await self.cards.samples_stand(job):
            raise UserError(
                "I don't show these samples: a member whose words the training had read has since withdrawn.",
                "New ones come when it has begun again without them.",
            )
        if not state.samples:
            if state.over:
                raise UserError("There are no samples.", "The training ended without one.")
            raise UserError("There are no samples yet.", "The first one comes soon, on its card.")
        return embeds.samples(job, state, await self.core.fit(guild_id))

    async def _load(self, job_id: str, guild_id: int, user: User) -> tuple[TrainJob, TrainingState]:
        stored = await self.core.jobs.load(job_id) if is_id(job_id) else None
        job = stored.job if stored is not None else None
        if not isinstance(job, TrainJob) or job.place.guild_id != guild_id or not access.can_view(user, job.place):
            raise UserError(
                f"There is no training {code(job_id)} in this server.", "Its id is at the bottom of its card."
            )
        return job, TrainingState.of(event for _, event in await self.core.jobs.events(job_id, "0"))


def _is_called(name: str, job: TrainJob) -> bool:
    """Return whether a person names a training by its channel, its text or its model."""
    if job.reading is not None and job.reading.source_id == access.channel_number(name):
        return True
    names = (job.corpus.name, job.corpus.title.lower(), job.options.name)
    return name.lower() in names or slugify(name) == job.corpus.name


def _may_end(user: User, job: TrainJob) -> bool:
    return job.place.user_id == user.id or access.moderates(user, job.place)


# ---------------------------------------------------------------------- the list


@dataclass(frozen=True)
class Row:
    """A training in the list of `jobs`."""

    training: QueuedTraining
    own: bool  # by the person who asks
    visible: bool  # in a channel that this person can see; of others, the list shows only that they exist


def listing(rows: Sequence[Row], snapshot: QueueSnapshot, guild_id: int, prefix: str) -> discord.Embed:
    text = listed([_line(row, snapshot) for row in rows], "and {} more.", DESCRIPTION_LIMIT - 101)
    example = as_typed(prefix, "train", "source", "frankenstein")
    none = f"No training is waiting or running here. `{example}` starts one."
    embed = discord.Embed(title="Trainings", description=text or none, colour=BLURPLE)
    elsewhere = sum(training.job.place.guild_id != guild_id for training in snapshot.trainings)
    foot = [f"{count(elsewhere, 'training')} in other servers"] if elsewhere else []
    if any(row.own for row in rows):
        commands = (as_typed(prefix, ending, "training", "TRAINING") for ending in ("cancel", "finish"))
        foot.append(f"⭐ yours: {', '.join(commands)}")
    return embed.set_footer(text=" · ".join(foot)) if foot else embed


def _line(row: Row, snapshot: QueueSnapshot) -> str:
    training, job, card = row.training, row.training.job, ""
    mark = "🧠" if training.runs else "🕓"
    if not row.visible:
        return f"{mark} A training in another channel\n{_standing(training, snapshot)}"
    if training.card is not None:  # not a link on the title, which is whatever somebody called a file
        channel_id, message_id = training.card
        card = f" · [card](https://discord.com/channels/{job.place.guild_id}/{channel_id}/{message_id})"
    above = f"{mark} {'⭐ ' if row.own else ''}**{plain(job.corpus.title[:80])}** · <@{job.place.user_id}>"
    return f"{above}\n{_standing(training, snapshot)} · `{job.job_id}`{card}"


def _standing(training: QueuedTraining, snapshot: QueueSnapshot) -> str:
    if training.place is not None:
        return in_line(training.place, snapshot.waiting, training.begins)
    if training.job.is_unread:
        return "its channel is yet to be read"
    if training.progress is None:
        return "reading the text"
    if training.progress.doing == "finishing":
        return "being finished"
    done = f"{math.floor(100 * training.progress.share)} %"
    return done if training.ends is None else f"{done}, {span(training.ends)} left"
