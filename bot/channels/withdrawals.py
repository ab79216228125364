"""Let members take their words back. Consent ends first, then trainings lose the words, then models go."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import discord
import structlog

from bot.channels.consent import ConsentStore
from bot.channels.pages import with_text, without
from bot.core import Core
from bot.models.registry import Registry
from bot.models.removal import Removal
from galvanic.units import count
from shared.corpora.corpus import LEAST_CHARS, pack
from shared.events import Failed
from shared.jobs import TrainJob
from shared.models import ModelRecord

log = structlog.get_logger()


@dataclass(frozen=True)
class Withdrawal:
    """The number of readings with a member's words, and the models that learned these."""

    readings: int
    models: tuple[ModelRecord, ...]


@dataclass(eq=False, repr=False, kw_only=True)
class Withdrawals:
    """Ends the use of members' words. Any method raises `redis.RedisError`.

    The event `words_withdrawn` tells that models may have to be made again.
    """

    core: Core
    consents: ConsentStore
    registry: Registry
    removal: Removal
    _tidying: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    """Held from reading a training's text until the text without some lines is in its place."""

    async def withdraw(self, guild_id: int, user_id: int, *, why: str) -> Withdrawal:
        """Let a member withdraw in a server, or note that they left it.

        Their consent ends first, for this run of the bot also while Redis is away. Then time is running for each
        reading with their words, and trainings lose them in the background. `resume` makes up for a crash in between.
        """
        newest = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
        await self.consents.refuse(guild_id, user_id, newest)
        reading_ids = await self.registry.notes.with_member(user_id, guild_id)
        for reading_id in reading_ids:
            await self.registry.notes.mark(reading_id, "withdrawn")
            self.core.chores.add(self.tidy, reading_id)
        log.info("member_withdrew", guild_id=guild_id, user_id=user_id, why=why, readings=len(reading_ids))
        if reading_ids:
            self.core.bot.dispatch("words_withdrawn")
        models = await self.registry.all(guild_id) if reading_ids else []
        concerned = [model for model in models if any(ref.reading_id in reading_ids for ref in model.readings)]
        return Withdrawal(len(reading_ids), tuple(concerned))

    async def leave(self, guild_id: int, user_id: int) -> None:
        """Withdraw somebody who left the server; if nothing is known of them, nothing is noted either."""
        consents = await self.consents.of(guild_id)
        # With opt-out a reading may have words of theirs that no note tells of yet.
        is_unasked = consents.mode == "opt-out" and user_id not in consents.answers
        may_be_read = is_unasked and any(
            job.is_unread and job.place.guild_id == guild_id for job in await self.core.snapshots.trainings()
        )
        if may_be_read or user_id in consents.agreed or await self.registry.notes.with_member(user_id, guild_id):
            await self.withdraw(guild_id, user_id, why="left")

    async def resume(self) -> None:
        """Make up for what an earlier run of the bot, or an outage, cut off; the operator may have become stricter."""
        await self.consents.write_refusals()
        for reading_id in await self.registry.notes.ids():
            await self.tidy(reading_id)

    async def tidy(self, reading_id: str) -> None:
        """Take the words of members who withdrew out of trainings; have models that learned them made again."""
        notes = self.registry.notes
        async with self._tidying:
            if (note := await notes.load(reading_id)) is None:
                return
            members = await notes.members(reading_id)
            consents = await self.consents.of(note.guild_id, members)
            # Who gave their own words in a file needs no yes.
            refused = (consents.refused if note.channel_id else consents.withdrawn)(members, note.until)
            if not refused:
                return
            if await notes.mark(reading_id, "withdrawn"):
                self.core.bot.dispatch("words_withdrawn")
            for job in await self.core.snapshots.trainings():
                if job.reading is not None and job.reading.reading_id == reading_id:
                    if await self._take_out(job, {members[user_id].number for user_id in refused}):
                        await notes.take_out(reading_id, refused)
                elif any(ref.reading_id == reading_id for ref in job.parent_readings):
                    problem = "The model to start from learned words that have since been withdrawn."
                    remedy = "It is made again without them, or deleted. Start from another one, or train without it."
                    await self._end(job, problem, remedy)

    async def forget_disallowed(self, guild_id: int) -> int:
        """Delete the models of channels that may no longer be learned from, and end trainings on them.

        Return how many models were deleted.
        """
        allowed = await self.consents.allowed(guild_id)
        return await self.removal.forget_words(guild_id, lambda ref: ref.channel_id not in {0, *allowed})

    async def _take_out(self, job: TrainJob, numbers: Collection[int]) -> bool:
        """Take lines out of a training's text; a worker that had begun begins anew. False: the training is over."""
        if (learned := await self.core.jobs.channel_text(job.job_id)) is None:
            return False
        text, authors = await asyncio.to_thread(without, *learned, numbers)
        if len(text) < LEAST_CHARS:
            size = f"{count(len(text), 'character')}, and at least {LEAST_CHARS:,} are needed"
            problem = f"What is left of the channel's messages is too short: {size}."
            await self._end(job, problem, "Words in it were withdrawn.")
            return False
        packed = await asyncio.to_thread(pack, text)
        state = await self.core.jobs.replace_text(with_text(job, text), packed, authors)
        log.info("words_taken_out", job_id=job.job_id, members=len(numbers), training=state)
        return state != "over"

    async def _end(self, job: TrainJob, problem: str, remedy: str) -> None:
        await self.core.jobs.give_up(job, Failed(problem=problem, remedy=remedy), "failed")
