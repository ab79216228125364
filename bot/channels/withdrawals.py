"""Members withdraw: from then on nothing learns from their words, and what was kept of them goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import discord
import structlog
from redis.exceptions import RedisError

from bot import tasks
from bot.channels.store import Transcript
from bot.escape import plain
from bot.failures import AWAY, TRANSIENT
from bot.redis_reply import reply
from shared import keys
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

ASKED = frozenset({"forget-me", "optout"})
"""Reasons of those who asked for it, and are told when all is done."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Withdrawn:
    """What came of a withdrawal.

    Attributes:
        transcripts: from how many words are taken out.
        lines: how many lines these are, of those that were still kept.
        models: those that have learned from them, and are stale now.
    """

    transcripts: int
    lines: int
    models: tuple[ModelRecord, ...]


class Withdrawals:
    """Carries out what members' withdrawals mean for transcripts and models."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """End what goes on in the background; the next `resume` goes on with it."""
        await tasks.end(*self._tasks)

    async def withdraw(self, guild_id: int, user_ids: Collection[int], *, why: str) -> Withdrawn:
        """Members withdraw in a server, or have left it.

        First their consent ends; then it is noted at every transcript that has their words, or may just be getting
        some: no training reads these any more. The words themselves go in the background, because a long transcript
        takes a while. A crash in between is made up for by `resume`.

        Args:
            guild_id: the server.
            user_ids: the members.
            why: for the log.

        Raises:
            redis.RedisError: Redis cannot be reached; their consent has ended for this run of the bot all the same.
        """
        wanted = set(user_ids)
        now = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
        for user_id in wanted:
            await self._bot.consents.refuse(guild_id, user_id, now)
        noted, touched, lines = [], set(), 0
        for transcript in await self._bot.transcripts.all(guild_id):
            members = await self._bot.transcripts.members(transcript.transcript_id)
            theirs = {user_id: members[user_id] for user_id in wanted & members.keys()}
            # A page that is being added may be the first with their words: the purge waits for it.
            gone = wanted if transcript.reading is not None else theirs.keys()
            if not gone:
                continue
            await self._bot.transcripts.note_withdrawn(transcript.transcript_id, gone)
            noted.append(transcript)
            if theirs:
                touched.add(transcript.transcript_id)
                if await self._bot.transcripts.has_text(transcript.transcript_id):
                    lines += sum(theirs.values())
        if noted:
            self._purge_later(noted)
        log.info("members_withdrew", guild_id=guild_id, user_ids=sorted(wanted), why=why, lines=lines)
        models = tuple(
            model
            for model in await self._bot.registry.all(guild_id)
            if touched & {ref.transcript_id for ref in model.transcripts}
        )
        if why in ASKED and models:
            for user_id in wanted:
                await self._keep_open(guild_id, user_id, [model.model_id for model in models])
        if touched:
            self._bot.dispatch("words_withdrawn", guild_id)
        return Withdrawn(len(touched), lines, models)

    async def _keep_open(self, guild_id: int, user_id: int, model_ids: list[str]) -> None:
        """Remember which models have yet to go; those of an earlier withdrawal are not forgotten over it."""
        before = (await self.open()).get((guild_id, user_id), ())
        wanted = json.dumps(sorted({*before, *model_ids}))
        await reply(self._bot.redis.hset(keys.WITHDRAWALS, f"{guild_id}:{user_id}", wanted))

    async def open(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """The models that have yet to go for each server and member who withdrew there."""
        found = cast(dict[bytes, bytes], await reply(self._bot.redis.hgetall(keys.WITHDRAWALS)))
        whose: dict[tuple[int, int], tuple[str, ...]] = {}
        for name, ids in found.items():
            try:
                guild_id, user_id = map(int, name.decode().split(":"))
                whose[guild_id, user_id] = tuple(json.loads(ids))
            except ValueError:  # of another version: nobody else's withdrawal is to fail for it
                log.error("withdrawal_not_understood", name=name.decode(errors="replace"))
        return whose

    async def close_done(self) -> None:
        """Tell those whose words no model has any more, once.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        for (guild_id, user_id), model_ids in (await self.open()).items():
            there = [one for one in model_ids if await self._bot.registry.record(one) is not None]
            if there:
                continue
            # Told twice would be worse than not at all.
            if not await reply(self._bot.redis.hdel(keys.WITHDRAWALS, f"{guild_id}:{user_id}")):
                continue
            log.info("withdrawal_done", guild_id=guild_id, user_id=user_id)
            guild = self._bot.get_guild(guild_id)
            where = f"in **{plain(guild.name)}**" if guild is not None else "in a server that I have left"
            try:
                user = self._bot.get_user(user_id) or await self._bot.fetch_user(user_id)
                await user.send(
                    f"✅ Done: every model {where} that had learned from your words was made again without them, or "
                    "deleted."
                )
            except (discord.HTTPException, *TRANSIENT) as error:
                log.info("end_not_told", guild_id=guild_id, user_id=user_id, error=type(error).__name__)

    async def resume(self) -> None:
        """Make up for what an earlier run of the bot, or an outage, cut off.

        What was only noted is taken out, and so are the words of members who have not, or no longer, agreed: whoever
        withdrew may not have been noted at every transcript, and the operator may have become stricter.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        for transcript in await self._bot.transcripts.all():
            try:
                await self._make_up_for(transcript)
            except AWAY:
                raise
            except Exception:  # one that cannot be read must not keep words in all others
                log.exception("transcript_not_purged", transcript_id=transcript.transcript_id)

    async def _make_up_for(self, transcript: Transcript) -> None:
        members = await self._bot.transcripts.members(transcript.transcript_id)
        refused = (await self._bot.consents.of(transcript.info.guild_id)).refused(members)
        if refused:
            await self._bot.transcripts.note_withdrawn(transcript.transcript_id, refused)
            log.info("withdrawal_made_up_for", transcript_id=transcript.transcript_id, members=len(refused))
        await self._purge(transcript)

    async def idle(self) -> None:
        """Wait until nothing goes on in the background."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _purge(self, transcript: Transcript) -> None:
        """Take out what was noted.

        While it is read only members go: messages that are fetched already may still come, and what is noted of them
        is taken out at its end.
        """
        await self._bot.transcripts.purge(transcript.transcript_id, of_messages=transcript.reading is None)

    def _purge_later(self, transcripts: list[Transcript]) -> None:
        async def purge() -> None:
            for transcript in transcripts:
                try:
                    await self._purge(transcript)
                except RedisError as error:  # it stays noted: the next `resume` takes it out
                    name = type(error).__name__
                    log.warning("transcript_not_purged", transcript_id=transcript.transcript_id, error=name)
                except Exception:  # it stays noted, too, and no worker reads it; the others are not to wait for it
                    log.exception("transcript_not_purged", transcript_id=transcript.transcript_id)

        task = asyncio.create_task(purge())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("purge_failed", exc_info=error)
