"""Keeps the promises about channels' words in time: stale models are made again or deleted, what is over is dropped.

All that is found here is computed from Redis each time, so it survives whatever happened in between.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar, cast

import discord
import structlog
from redis.exceptions import RedisError

from bot import tasks
from bot.channels import sources
from bot.channels.importer import ImportPlan
from bot.failures import AWAY, TRANSIENT, passing
from bot.jobs.queue_view import cancel_trainings
from bot.redis_reply import reply
from bot.servers import access
from shared import keys
from shared.errors import UserError
from shared.models import ModelRecord
from shared.transcripts import Revision

if TYPE_CHECKING:
    from bot.app import Galvanic

EVERY_S = 600.0
"""Between two looks, when nothing happens that calls for one."""
_GATHER_S = 2.0
"""Several members may withdraw in a row: one look is enough for all."""
_BUSY_S = 10.0
_TRIES = 6
"""Tries to make a stale model again, in the time there is for it: each shows a card."""
_HOUR_S = 3_600.0

T = TypeVar("T")
log = structlog.get_logger()


class Upkeep:
    """Looks after models and transcripts of channels."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tried: dict[str, float] = {}

    def start(self) -> None:
        """Begin to look; the first time at once."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End."""
        await tasks.end(self._task)

    def ring(self) -> None:
        """Something happened: look soon."""
        self._bell.set()

    async def _keep(self) -> None:
        while True:
            self._bell.clear()
            wait = EVERY_S
            try:
                if self._bot.settings.channel_training == "off":
                    await self._attempt(
                        "off", cancel_trainings(self._bot.outlook, self._bot.queue, lambda _: True), None
                    )
                await self._attempt("close", self._close_unknown(), None)
                await self._attempt("resume", self._bot.withdrawals.resume(), None)
                for guild in list(self._bot.guilds):
                    wait = min(wait, await self._attempt("look", self.look(guild), EVERY_S))
                await self._attempt("forget", self._forget_unused(), None)
                await self._attempt("deletions", self._bot.removal.send_deletions(), None)
                await self._attempt("tell", self._bot.withdrawals.close_done(), None)
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                wait = 5.0
            try:
                async with asyncio.timeout(max(1.0, wait)):
                    await self._bell.wait()
                await asyncio.sleep(_GATHER_S)
            except TimeoutError:
                continue

    async def _close_unknown(self) -> None:
        """Take trainings from the quotas of which nothing is known any more: their records have expired.

        The last word about them is a month old, so nobody follows them, and they can be neither shown nor cancelled.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        for member in await reply(self._bot.redis.hkeys(keys.ACTIVE)):
            job_id = member.decode()
            held = await reply(self._bot.redis.exists(keys.job_hold(job_id)))
            if not await self._bot.queue.knows(job_id) and not held:
                log.warning("training_closed", job_id=job_id)
                await self._bot.queue.close(job_id)

    async def _attempt(self, doing: str, part: Awaitable[T], otherwise: T) -> T:
        """Do a part of a look: what fails there must not keep any other server or model from its turn.

        Raises:
            redis.RedisError: Redis cannot be reached, so that the other parts could do nothing either.
        """
        try:
            return await part
        except AWAY:
            raise
        except Exception:
            log.exception("upkeep_failed", doing=doing)
            return otherwise

    async def look(self, guild: discord.Guild) -> float:
        """Do for a server's models what is due.

        Returns:
            Seconds until something else is due, `EVERY_S` at most.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        models = [model for model in await self._bot.registry.all(guild.id) if model.transcripts]
        if not models:
            return EVERY_S
        refs = [ref.transcript_id for model in models for ref in model.transcripts]
        revisions = await self._bot.lifetimes.revisions(refs)
        wait = EVERY_S
        for model in models:
            wait = min(wait, await self._attempt("model", self._look_after(guild, model, models, revisions), EVERY_S))
        return wait

    async def _look_after(
        self, guild: discord.Guild, model: ModelRecord, models: list[ModelRecord], revisions: dict[str, Revision]
    ) -> float:
        """Do for one model what is due; the seconds until more is."""
        known = {one.model_id for one in models}
        if (self._bot.lifetimes.expires(model) or math.inf) <= time.time():
            await self._delete(guild, model, "its time was over")
        elif _withdrawn(model, revisions) and model.replaces in known:
            await self._bot.removal.drop(model)  # somebody withdrew while it was made: the old one gets another heir
        elif model.replaces is not None and model.replaces not in known:
            await self._inherit(model)
        elif model.is_stale(revisions):
            return await self._mend(guild, model, models, revisions)
        return EVERY_S

    # ------------------------------------------------------------------ stale models

    async def _mend(
        self, guild: discord.Guild, model: ModelRecord, models: list[ModelRecord], revisions: dict[str, Revision]
    ) -> float:
        """Make a stale model again, put the new one into its place, or delete it; the seconds until more is due."""
        # Messages are deleted all the time: one that lacks only such a change is better than the one that it replaces.
        heirs = (one for one in models if one.replaces == model.model_id and not _withdrawn(one, revisions))
        heir = next(heirs, None)
        if heir is not None:
            await self._replace(guild, model, heir)
            return EVERY_S
        since = await self._bot.lifetimes.stale_since(model)
        within = _HOUR_S * self._bot.settings.forget_within_hours
        deadline = since + within
        if time.time() >= deadline:
            await self._delete(guild, model, "a member's words in it were withdrawn")
            return EVERY_S
        # That a message was deleted happens every hour; that a member withdraws does not, and is not to wait.
        due = since if _withdrawn(model, revisions) else since + within / 2
        tried = self._tried.get(model.model_id, float("-inf"))
        due = max(due, tried + within / _TRIES)
        if time.time() >= due:
            if guild.unavailable:  # nothing is known of its channels: that would be a try for nothing
                return _BUSY_S
            if await self._is_busy(guild, model):
                return _BUSY_S
            self._tried[model.model_id] = time.time()
            await self._make_again(guild, model)
            return min(EVERY_S, deadline - time.time())
        return min(EVERY_S, due - time.time(), deadline - time.time())

    async def _is_busy(self, guild: discord.Guild, model: ModelRecord) -> bool:
        """Whether it is being made again, or has to wait: one channel is read at a time in a server."""
        outlook = await self._bot.outlook.look(now=True)
        if any(one.job.replaces == model.model_id for one in outlook.standings):
            return True
        return bool(await self._bot.importer.of_guild(guild.id))

    async def _make_again(self, guild: discord.Guild, model: ModelRecord) -> None:
        """Read the channel anew and train again, if that is possible."""
        try:
            plan = await self._plan(guild, model)
            if plan is None:
                return
            await self._bot.importer.begin_again(model, plan)
            log.info("model_made_again", model_id=model.model_id, guild_id=guild.id)
        except UserError:
            log.info("model_not_made_again", model_id=model.model_id, guild_id=guild.id)
        except (discord.HTTPException, *TRANSIENT) as error:
            if not passing(error):
                log.warning("model_not_made_again", model_id=model.model_id, error=type(error).__name__)

    async def _plan(self, guild: discord.Guild, model: ModelRecord) -> ImportPlan | None:
        """How a model is made again; None: it cannot be, because it learned from several channels, or that is gone.

        Raises:
            UserError: the channel may not be learned now.
            redis.RedisError: Redis cannot be reached.
        """
        found = [await self._bot.transcripts.load(ref.transcript_id) for ref in model.transcripts]
        known = [one for one in found if one is not None]
        places = {one.info.source_id for one in known}
        if len(places) != 1 or len(model.heard) != 1 or model.options is None or model.imported:
            return None
        channel = guild.get_channel_or_thread(places.pop())
        if not isinstance(channel, sources.Source):
            return None
        await self._bot.sources.require_allowed(channel)
        here = guild.get_channel_or_thread(model.channel_id)
        if here is None or not self._bot.audience.reads(guild, here, channel):
            return None
        named = await self._bot.registry.named(guild.id, model.parent) if model.parent is not None else None
        parent = named if named is not None and not named.transcripts else None
        options = model.options.model_copy(update={"name": model.name})
        speakers = any(one.info.speakers for one in known)
        return ImportPlan(channel, options, speakers=speakers, parent=parent, replaces=model.model_id)

    async def _replace(self, guild: discord.Guild, model: ModelRecord, heir: ModelRecord) -> None:
        """Put the new model into the old one's place: its name, and the channels that had chosen it."""
        for channel_id in _channels(guild, model):
            choices = await self._bot.guild_settings.channel([channel_id])
            if choices.model == model.model_id:
                await self._bot.registry.use(channel_id, heir)
        await self._bot.removal.drop(model)
        await reply(self._bot.redis.hdel(keys.STALE, model.model_id))
        await self._inherit(heir)
        log.info("model_replaced", model_id=model.model_id, heir=heir.model_id, guild_id=guild.id)

    async def _inherit(self, heir: ModelRecord) -> None:
        """Give a model the name of the one that it was made for, which is gone."""
        name = heir.options.name if heir.options is not None else None
        changes: tuple[dict[str, object], ...] = ({"name": name or heir.name, "replaces": None}, {"replaces": None})
        for change in changes:
            try:
                await self._bot.registry.amend(heir.model_id, functools.partial(_changed, change))
            except UserError:  # somebody took the name meanwhile
                continue
            return

    async def _delete(self, guild: discord.Guild, model: ModelRecord, why: str) -> None:
        await self._bot.removal.drop(model)
        await reply(self._bot.redis.hdel(keys.STALE, model.model_id))
        log.info("model_expired", model_id=model.model_id, guild_id=guild.id, why=why)
        place = guild.get_channel_or_thread(model.channel_id)
        here = access.channel_ids(place) if isinstance(place, discord.Thread) else [model.channel_id]
        named = f"my model `{model.name}`" if self._bot.registry.among(guild.id, here, [model]) else "a model of mine"
        channel = self._bot.get_partial_messageable(model.channel_id, guild_id=guild.id)
        try:
            await channel.send(f"🗑️ I deleted {named}: {why}.")
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("deletion_not_told", model_id=model.model_id, error=type(error).__name__)

    # ------------------------------------------------------------------ transcripts

    async def _forget_unused(self) -> None:
        """Forget the transcripts whose words are gone and that no model and no training refers to.

        And since when models were stale that are gone.
        """
        for model_id in cast(list[bytes], await reply(self._bot.redis.hkeys(keys.STALE))):
            if await self._bot.registry.record(model_id.decode()) is None:
                await reply(self._bot.redis.hdel(keys.STALE, model_id))
        transcripts = await self._bot.transcripts.all()
        if not transcripts:
            return
        outlook = await self._bot.outlook.look(now=True)
        needed = {one.job.corpus.transcript.transcript_id for one in outlook.standings if one.job.corpus.transcript}
        for guild_id in {one.info.guild_id for one in transcripts}:
            for model in await self._bot.registry.all(guild_id):
                needed |= {ref.transcript_id for ref in model.transcripts}
        for one in transcripts:
            if one.reading is not None or one.transcript_id in needed:
                continue
            if not await self._bot.transcripts.has_text(one.transcript_id):
                await self._bot.transcripts.forget(one.transcript_id)
                log.info("transcript_forgotten", transcript_id=one.transcript_id, guild_id=one.info.guild_id)


def _changed(change: dict[str, object], record: ModelRecord) -> ModelRecord:
    return record.model_copy(update=change)


def _withdrawn(model: ModelRecord, revisions: dict[str, Revision]) -> bool:
    """Whether a member withdrew since it learned, or nothing is known of a transcript any more."""
    return any(
        (revision := revisions.get(ref.transcript_id)) is None or revision.withdraws(ref) for ref in model.transcripts
    )


def _channels(guild: discord.Guild, model: ModelRecord) -> set[int]:
    """Where a model may have been chosen."""
    threads = {thread.id for thread in guild.threads}
    return {channel.id for channel in guild.channels} | threads | {model.channel_id}
