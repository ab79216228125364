"""Members withdraw: from then on nothing learns from their words, and what was kept of them goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import cast

import discord
import redis.asyncio
import structlog

from bot.background import DISCORD_ERRORS, REDIS_DOWN, Tasks, reply
from bot.channels.consent import ConsentStore
from bot.channels.store import Transcript, TranscriptStore
from bot.escape import plain
from bot.models.registry import Registry
from shared import keys
from shared.models import ModelRecord

ASKED = frozenset({"forget-me", "optout"})
"""Reasons of those who asked for it, and are told when all is done."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Withdrawn:
    """From how many transcripts words go, how many lines of those still kept, and the models that are stale now."""

    transcripts: int
    lines: int
    models: tuple[ModelRecord, ...]


@dataclass(eq=False, repr=False)
class Withdrawals:
    """Carries out what members' withdrawals mean for transcripts and models.

    `stale`: called when models may have become stale. Any method raises `redis.RedisError` while Redis cannot be
    reached.
    """

    client: discord.Client
    connection: redis.asyncio.Redis
    consents: ConsentStore
    store: TranscriptStore
    registry: Registry
    stale: Callable[[], None]
    _tasks: Tasks = field(init=False, default_factory=Tasks)

    async def stop(self) -> None:
        """The next `resume` goes on with what is not done."""
        await self._tasks.end()

    async def withdraw(self, guild_id: int, user_ids: Collection[int], *, why: str) -> Withdrawn:
        """Members withdraw in a server, or have left it; with a reason `why` of `ASKED` they are told when all is done.

        First their consent ends, for this run of the bot also while Redis is away; then it is noted at every transcript
        that has their words, or may just be getting some: no training reads these any more. The words themselves go in
        the background, because a long transcript takes a while. `resume` makes up for a crash in between.
        """
        wanted = set(user_ids)
        now = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
        for user_id in wanted:
            await self.consents.refuse(guild_id, user_id, now)
        noted, touched, lines = [], set(), 0
        for transcript in await self.store.all(guild_id):
            members = await self.store.members(transcript.transcript_id)
            theirs = {user_id: members[user_id] for user_id in wanted & members.keys()}
            # A page that is being added may be the first with their words: the purge waits for it.
            if gone := wanted if transcript.reading is not None else theirs.keys():
                await self.store.note_withdrawn(transcript.transcript_id, gone)
                noted.append(transcript)
            if theirs:
                touched.add(transcript.transcript_id)
                if await self.store.has_text(transcript.transcript_id):
                    lines += sum(theirs.values())
        if noted:
            self._tasks.spawn(self._purge_all(noted))
        log.info("members_withdrew", guild_id=guild_id, user_ids=sorted(wanted), why=why, lines=lines)
        models = tuple(
            model
            for model in await self.registry.all(guild_id)
            if touched & {ref.transcript_id for ref in model.transcripts}
        )
        if why in ASKED and models:
            open_now = await self.open()  # an earlier withdrawal may not be done
            for user_id in wanted:
                ids = {*open_now.get((guild_id, user_id), ()), *(model.model_id for model in models)}
                await reply(self.connection.hset(keys.WITHDRAWALS, f"{guild_id}:{user_id}", json.dumps(sorted(ids))))
        if touched:
            self.stale()
        return Withdrawn(len(touched), lines, models)

    async def open(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """The models that have yet to go, by server and member who withdrew there."""
        found = cast(dict[bytes, bytes], await reply(self.connection.hgetall(keys.WITHDRAWALS)))
        whose: dict[tuple[int, int], tuple[str, ...]] = {}
        for name, ids in found.items():
            try:
                guild_id, user_id = map(int, name.decode().split(":"))
                whose[guild_id, user_id] = tuple(json.loads(ids))
            except ValueError:  # of another version: nobody else's withdrawal is to fail for it
                log.error("withdrawal_not_understood", name=name.decode(errors="replace"))
        return whose

    async def close_done(self) -> None:
        """Tell those whose words no model has any more, once."""
        for (guild_id, user_id), model_ids in (await self.open()).items():
            if [one for one in model_ids if await self.registry.record(one) is not None]:
                continue
            # Told twice would be worse than not at all.
            if not await reply(self.connection.hdel(keys.WITHDRAWALS, f"{guild_id}:{user_id}")):
                continue
            log.info("withdrawal_done", guild_id=guild_id, user_id=user_id)
            guild = self.client.get_guild(guild_id)
            where = f"in **{plain(guild.name)}**" if guild is not None else "in a server that I have left"
            try:
                user = self.client.get_user(user_id) or await self.client.fetch_user(user_id)
                await user.send(
                    f"✅ Done: every model {where} that had learned from your words was made again without them, or "
                    "deleted."
                )
            except DISCORD_ERRORS as error:
                log.info("end_not_told", guild_id=guild_id, user_id=user_id, error=type(error).__name__)

    async def resume(self) -> None:
        """Make up for what an earlier run of the bot, or an outage, cut off.

        What was noted is taken out, and the words of members who have not, or no longer, agreed: a withdrawal may not
        have been noted at every transcript, and the operator may have become stricter.
        """
        for transcript in await self.store.all():
            try:
                members = await self.store.members(transcript.transcript_id)
                refused = (await self.consents.of(transcript.info.guild_id)).refused(members)
                if refused:
                    await self.store.note_withdrawn(transcript.transcript_id, refused)
                    log.info("withdrawal_made_up_for", transcript_id=transcript.transcript_id, members=len(refused))
                await self._purge(transcript)
            except REDIS_DOWN:
                raise
            except Exception:  # one that cannot be read must not keep words in all others
                log.exception("transcript_not_purged", transcript_id=transcript.transcript_id)

    async def _purge(self, transcript: Transcript) -> None:
        """While it is read take out members only: messages may still come, and those noted go at its end."""
        await self.store.purge(transcript.transcript_id, of_messages=transcript.reading is None)

    async def _purge_all(self, transcripts: list[Transcript]) -> None:
        for transcript in transcripts:
            try:
                await self._purge(transcript)
            except Exception:  # it stays noted: no worker reads it, and the next `resume` takes it out
                log.exception("transcript_not_purged", transcript_id=transcript.transcript_id)
