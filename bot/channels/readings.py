"""Readings of channels: begun by a person or for a stale model, taken up again after a crash, cancelled."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
import structlog
from redis.exceptions import RedisError

from bot import tasks
from bot.channels import endings, import_embeds, sources
from bot.channels.import_buttons import reading_buttons
from bot.channels.reader import ReadingState
from bot.channels.reading import RETRY_S, Reading, state_of
from bot.channels.reading_card import card_nonce, facts_of
from bot.channels.store import Transcript
from bot.jobs.queue import TRAINING
from bot.servers import access
from bot.servers.actor import Actor
from bot.types import Send
from shared.errors import UserError
from shared.jobs import Place, TrainOptions
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

_LOOK_AGAIN_S = 60.0
"""Between two looks for readings that nobody goes on with."""

log = structlog.get_logger()


@dataclass(frozen=True)
class ReadingPlan:
    """What is to be read, and learned from it.

    Attributes:
        source: the channel.
        options: of the training.
        speakers: begin each line with its speaker's pseudonym.
        parent: the model to start from; None: from nothing.
        after: read only messages after this one.
        replaces: id of the stale model whose place the new one takes.
    """

    source: sources.Source
    options: TrainOptions
    speakers: bool = False
    parent: ModelRecord | None = None
    after: int = 0
    replaces: str | None = None


class Readings:
    """All readings of this bot: one at a time in each server."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._store = bot.transcripts
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._begun: set[str] = set()
        self._entered: set[str] = set()
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False
        self._entering = asyncio.Lock()

    def start(self) -> None:
        """Take up the readings of an earlier run."""
        self._spawn("", self._resume())
        self._looking = asyncio.create_task(self._look_again())
        self._looking.add_done_callback(functools.partial(self._ended, "again"))

    async def stop(self) -> None:
        """End all tasks; the next start goes on from the last page of each."""
        self._stopped = True
        await tasks.end(*self._tasks.values(), self._looking)

    # ------------------------------------------------------------------ beginning

    async def begin(
        self, who: Actor, prepare: Callable[[], Awaitable[ReadingPlan]], send: Send, *, by_message: bool = False
    ) -> None:
        """Check who may, post the card, and read on in the background; the training follows by itself.

        Args:
            who: who asks, and where.
            prepare: finds what is to be read; called once all is well so far.
            send: a `send` of discord.py's, for the card.
            by_message: `send` takes a nonce, by which Discord posts a card once.

        Raises:
            UserError: they may not, not here, or not yet; what `prepare` refuses; or another channel is being read.
            redis.RedisError: Redis cannot be reached; nothing was begun.
            discord.HTTPException: Discord refuses the card; nothing was begun.
        """
        job_id = f"{TRAINING}{who.request_id}"
        if job_id in self._begun or await self._bot.queue.load(job_id) is not None:
            return  # Discord delivered this request before
        self._begun.add(job_id)
        try:
            async with self._bot.trainings.admitted(who):
                plan = await prepare()
                transcript = await self._create(job_id, who.place, plan)
                if by_message:
                    send = functools.partial(send, nonce=card_nonce(job_id))
                try:
                    message = await send(
                        embed=import_embeds.reading(await facts_of(self._bot, transcript)),
                        view=reading_buttons(transcript.transcript_id),
                    )
                except BaseException:
                    await self._abandon(transcript.transcript_id)
                    raise
                try:
                    await self._store.save_card(transcript.transcript_id, (message.channel.id, message.id))
                except RedisError as error:  # the reading, which has begun, posts another one
                    log.warning("redis_unreachable", error=type(error).__name__)
                self._take_up(transcript.transcript_id)
        except BaseException:
            self._begun.discard(job_id)
            raise

    async def _abandon(self, transcript_id: str) -> None:
        """Keep nothing of a reading that was not to begin; left over, it would keep others from beginning."""
        try:
            await self._store.forget(transcript_id)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
            self._cancelled.add(transcript_id)  # which is carried out as soon as Redis is there
            self._take_up(transcript_id)

    async def begin_again(self, model: ModelRecord, plan: ReadingPlan) -> None:
        """Read a channel for a model that is to be made again; its card is posted where the model belongs.

        Raises:
            UserError: another channel is being read in this server.
            redis.RedisError: Redis cannot be reached.
        """
        where = self._bot.get_channel(model.channel_id)
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        if isinstance(where, discord.Thread):
            place = access.place_of(model.guild_id, where, model.owner_id)
        job_id = f"{TRAINING}{discord.utils.time_snowflake(discord.utils.utcnow())}"
        transcript = await self._create(job_id, place, plan)
        self._take_up(transcript.transcript_id)

    async def of_guild(self, guild_id: int) -> list[Transcript]:
        """What is being read in a server."""
        return [one for one in await self._store.all(guild_id) if one.reading is not None]

    async def by_job(self, guild_id: int) -> dict[str, tuple[str, Place]]:
        """What is being read in a server: its transcript, and where it was asked for, by the id on its card."""
        states = [(one.transcript_id, state_of(one)) for one in await self.of_guild(guild_id)]
        return {state.job_id: (transcript_id, state.place) for transcript_id, state in states}

    async def _require_idle(self, guild_id: int) -> None:
        for other in await self.of_guild(guild_id):
            raise UserError(
                f"I'm already reading <#{other.info.source_id}>; one channel at a time in a server.",
                "Try again when that is done; its card shows how far it is.",
            )

    async def _create(self, job_id: str, place: Place, plan: ReadingPlan) -> Transcript:
        """Enter a reading, unless there is one in this server; of two that are asked for at once, one.

        Raises:
            UserError: another channel is being read.
        """
        async with self._entering:
            await self._require_idle(place.guild_id)
            return await self._enter(job_id, place, plan)

    async def _enter(self, job_id: str, place: Place, plan: ReadingPlan) -> Transcript:
        now = time.time()
        state = ReadingState(
            job_id=job_id,
            place=place,
            options=plan.options,
            parent=plan.parent.ref if plan.parent is not None else None,
            replaces=plan.replaces,
            channel_name=plan.source.name,
            began=now,
        )
        info = await self._store.create(
            guild_id=place.guild_id,
            channel_id=sources.room_id(plan.source),
            source_id=plan.source.id,
            asked_by=place.user_id,
            reading=state.model_dump_json(),
            after=plan.after,
            until=discord.utils.time_snowflake(discord.utils.utcnow(), high=True),
            speakers=plan.speakers,
        )
        self._entered.add(info.transcript_id)
        transcript = await self._store.load(info.transcript_id)
        assert transcript is not None
        log.info("reading_begun", job_id=job_id, guild_id=place.guild_id, channel_id=info.source_id)
        return transcript

    # ------------------------------------------------------------------ ending

    async def cancel(self, transcript_id: str, guild_id: int | None, user: discord.User | discord.Member) -> str:
        """End a reading on behalf of a person, and keep nothing of it.

        Returns:
            What to tell them.

        Raises:
            UserError: there is no such reading in this server, it is over, or it is somebody else's.
        """
        transcript = await self._store.load(transcript_id)
        if transcript is None or transcript.info.guild_id != guild_id or transcript.reading is None:
            raise _over()
        place = state_of(transcript).place
        if place.user_id != user.id and not access.moderates(user, place):
            raise UserError("This reading isn't yours.", "Only its owner and members with Manage Messages can end it.")
        if not await self._store.cancel(transcript_id):  # before it is acknowledged: the bot may be killed now
            raise _over()
        self._cancelled.add(transcript_id)
        return "I cancel it: its card shows when that is done."

    # ------------------------------------------------------------------ working

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[name] = task
        task.add_done_callback(functools.partial(self._ended, name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("reading_task_failed", exc_info=error)

    async def _resume(self) -> None:
        while True:
            try:
                for transcript_id in await self._open():
                    self._take_up(transcript_id)
                return
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await asyncio.sleep(RETRY_S[0])

    async def _look_again(self) -> None:
        """As at the start, again and again: a bot that led before this one may have begun one when it no longer did.

        Only what was there at the look before, too, and this run did not begin: that may not have its card yet.
        """
        before: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            try:
                found = await self._open()
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                continue
            for transcript_id in found & before:
                self._take_up(transcript_id)
            before = found

    async def _open(self) -> set[str]:
        """Transcripts whose reading is not over, or not told to be, but for those that this run began."""
        reading = {one.transcript_id for one in await self._store.all() if one.reading is not None}
        return (reading - self._entered) | set(await endings.untold(self._bot))

    def _take_up(self, transcript_id: str) -> None:
        if transcript_id not in self._tasks and not self._stopped:
            self._spawn(transcript_id, Reading(self._bot, transcript_id, self._cancelled).run())


def _over() -> UserError:
    return UserError("This reading has already ended.", "Its card shows how, and there is nothing left to do.")
