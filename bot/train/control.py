"""Cancels and finishes trainings and shows their samples, for commands and buttons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import discord
from discord import app_commands

from bot.channels.importer import Importer
from bot.components import JOB, Components, Press
from bot.escape import MOST, code, label, plain
from bot.jobs import embeds as job_embeds
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.snapshot import Snapshots
from bot.models.audience import Audience
from bot.servers import access
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.train import embeds
from bot.train.card import TrainingCards
from bot.train.state import TrainingState
from bot.types import User
from shared.errors import UserError
from shared.jobs import TRAIN_QUEUE, TrainJob

_LISTED = 10
_TRAINING_ID = re.compile(rf"{TRAINING}\d{{1,20}}")


@dataclass(frozen=True)
class Control:
    servers: GuildSettingsStore
    queue: JobClient
    outlook: Snapshots
    audience: Audience
    cards: TrainingCards
    importer: Importer

    def register(self, components: Components) -> None:
        components.add("cancel", self.cancel_pressed, JOB, how="private")
        components.add("finish", self.finish_pressed, JOB, how="private")
        components.add("samples", self.samples_pressed, JOB, how="private", who="readers")

    async def cancel_pressed(self, press: Press) -> None:
        await press.send(await self.cancel(press["job"], press.interaction.guild_id, press.interaction.user))

    async def finish_pressed(self, press: Press) -> None:
        await press.send(await self.finish(press["job"], press.interaction.guild_id, press.interaction.user))

    async def samples_pressed(self, press: Press) -> None:
        channel = press.interaction.channel
        here = access.channel_ids(channel) if channel is not None else []
        user, guild_id = press.interaction.user, press.interaction.guild_id
        await press.send(embed=await self.samples(press["job"], guild_id, user, here))

    async def cancel(self, job_id: str, guild_id: int | None, user: User) -> str:
        """End a training, or the reading of a channel before it; returns what to tell `user`.

        Raises `UserError`: there is no such training in this server, it is over, or it is somebody else's.
        """
        if (said := await self.importer.cancel(job_id, guild_id, user)) is not None:
            return said
        job, state = await self._load_own(job_id, guild_id, user)
        match await self.queue.cancel(job.job_id):
            case "over":
                raise _over()
            case "cancelled":
                return "Cancelled before it started." if state.state == "queued" else "Cancelled."
            case "asked" if await self.queue.has_worker(TRAIN_QUEUE):
                return "I cancel it: its card shows when that is done."
        return "No worker is running: it is cancelled within two minutes, or as soon as one is back."

    async def finish(self, job_id: str, guild_id: int | None, user: User) -> str:
        """Returns what to tell `user`. Raises `UserError` as `cancel`, or when there is nothing to keep yet."""
        job, state = await self._load_own(job_id, guild_id, user)
        if state.state == "queued":
            raise UserError("This training hasn't started, so there is nothing to keep.", "Use **Cancel** instead.")
        if not state.has_learned:
            raise UserError("There is nothing to keep yet.", "Try again once the card shows a loss, or use **Cancel**.")
        await self.queue.finish(job.job_id)
        if await self.queue.control(job.job_id) == "cancel":
            raise UserError("This training is already being cancelled.", "Its card shows when it is over.")
        if not await self.queue.has_worker(TRAIN_QUEUE):
            return "No worker is running: it will be finished as soon as one is back, and the best so far is kept."
        if state.state == "interrupted":
            return "It is paused: it will be finished as soon as it resumes, and the best so far is kept."
        return "Finishing: the best so far is kept."

    async def meant(self, who: Actor, doing: Literal["cancel", "finish"], *, private: bool) -> str:
        """The id of the training meant by somebody who names none: their only one in this server.

        To finish, only what has begun counts. `private`: the answer is for this person alone. Raises `UserError` for
        none, or for several, which it lists; a moderator who has none is shown those that they may end.
        """
        trainings = (await self.outlook.look(now=True)).trainings
        jobs = {one.job.job_id: one.job for one in trainings if one.job.place.guild_id == who.guild_id}
        places = {job_id: job.place for job_id, job in jobs.items()}
        begun = {one.job.job_id for one in trainings if one.place is None}
        if doing == "cancel":
            places |= await self.importer.by_job(who.guild_id)
        found = [job_id for job_id, place in places.items() if place.user_id == who.user.id]
        if doing == "finish":
            found = [job_id for job_id in found if job_id in begun] or found
        if len(found) == 1:
            return found[0]
        prefix = await self.servers.prefix(who.guild_id)
        problem = f"You have {len(found)} trainings here."
        if not found:
            found = [job_id for job_id, place in places.items() if access.moderates(who.user, place)]
            problem = "These trainings are not yours, but you may end them."
        if not found:
            raise UserError("You have no training here that waits or runs.", f"`{prefix}jobs` lists this server's.")
        lines = ["Type which one you mean:"]
        for job_id in found[:_LISTED]:
            what = "a channel that is being read"
            if (job := jobs.get(job_id)) is not None:
                shown = self.may_show(who, job, private=private)
                what = plain(job.corpus.title[:80]) if shown else "a training that I don't name here"
            lines.append(f"`{prefix}{doing} {job_id}` {what}")
        raise UserError(problem, "\n".join(lines))

    def may_show(self, who: Actor, job: TrainJob, *, private: bool) -> bool:
        """Whether a list may say what a training is about: to the person and, unless it is private, to all there."""
        if not access.sees(who.user, job.place):
            return False
        return (private and job.place.user_id == who.user.id) or self.audience.may_quote(job, who.here)

    async def samples(self, job_id: str, guild_id: int | None, user: User, here: Sequence[int]) -> discord.Embed:
        """`here`: the channel where `user` asks, which they surely read, and of a thread its parent.

        Raises `UserError`: there is no such training that this person can see, it learns from messages that they may
        not be able to read, or it has no samples yet.
        """
        job = await self._load(job_id, guild_id)
        if not access.sees(user, job.place):
            raise _unknown(job_id)
        state = await self._state(job_id)
        if not self.audience.may_quote(job, here):
            raise UserError(
                "I can't show these samples here.",
                "They come from messages that not everybody who reads this channel could have read.",
            )
        if not await self.cards.samples_stand(job, state):
            raise UserError(
                "I don't show these samples: a member whose words the training had read has withdrawn since.",
                "New ones come when it has begun anew without them.",
            )
        if not state.samples:
            remedy = (
                "The training ended without one." if state.over else "The first one comes after an epoch, on its card."
            )
            raise UserError("There are no samples yet.", remedy)
        return embeds.samples(job, state, await self.servers.blocklist(guild_id))

    async def offered(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Autocomplete for `cancel` and `finish`: the person's own trainings, then those that they moderate."""
        user, outlook = interaction.user, await self.outlook.look()
        here = [one for one in outlook.trainings if one.job.place.guild_id == interaction.guild_id]
        own = [one for one in here if one.job.place.user_id == user.id]
        others = [one for one in here if one.job.place.user_id != user.id and access.moderates(user, one.job.place)]
        near = [
            one
            for one in own + others
            if typed.lower() in f"{one.job.job_id} {one.job.corpus.title} {one.job.corpus.name}".lower()
        ]
        named = [(label(job_embeds.choice(one, outlook)), one.job.job_id) for one in near[:MOST]]
        return [app_commands.Choice(name=name, value=job_id) for name, job_id in named]

    async def _load_own(self, job_id: str, guild_id: int | None, user: User) -> tuple[TrainJob, TrainingState]:
        """A training that is not over, if this person may end it."""
        job = await self._load(job_id, guild_id)
        if job.place.user_id != user.id and not access.moderates(user, job.place):
            if not access.sees(user, job.place):
                raise _unknown(job_id)
            raise UserError("This training isn't yours.", "Only its owner and members with Manage Messages can end it.")
        state = await self._state(job_id)
        if state.over:
            raise _over()
        return job, state

    async def _load(self, job_id: str, guild_id: int | None) -> TrainJob:
        stored = await self.queue.load(job_id) if _TRAINING_ID.fullmatch(job_id) else None
        if stored is None or not isinstance(stored.job, TrainJob) or stored.job.place.guild_id != guild_id:
            raise _unknown(job_id)
        return stored.job

    async def _state(self, job_id: str) -> TrainingState:
        return TrainingState.of(event for _, event in await self.queue.events(job_id, "0"))


def _unknown(job_id: str) -> UserError:
    return UserError(f"There is no training {code(job_id)} in this server.", "Its id is at the bottom of its card.")


def _over() -> UserError:
    return UserError("This training has already ended.", "Its card shows how, and there is nothing left to do.")
