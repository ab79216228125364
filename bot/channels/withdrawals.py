"""Members withdraw, and channels are taken back: nothing learns from these words any more, and what was kept goes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import discord
import redis.asyncio
import structlog

from bot.background import Chores, redis_call, unless_refused
from bot.channels.consent import ConsentStore
from bot.channels.store import TranscriptStore
from bot.models.registry import Registry
from bot.servers.settings import GuildSettingsStore
from bot.words import plain
from shared import keys
from shared.models import ModelRecord
from shared.transcripts import TranscriptInfo

ASKED = frozenset({"forget-me", "optout"})
"""Reasons of those who asked for it, and are told when all is done."""
GATHER_S = 5.0
"""Between an event and the pass over a transcript: people delete and edit several messages in a row."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Withdrawn:
    """From how many transcripts words go, how many lines of those still kept, and the models that are stale now."""

    transcripts: int
    lines: int
    models: tuple[ModelRecord, ...]


@dataclass(eq=False, repr=False)
class OfWords:
    """Base of the services that know whose words are kept."""

    client: discord.Client
    consents: ConsentStore
    store: TranscriptStore
    registry: Registry
    servers: GuildSettingsStore
    chores: Chores


@dataclass(eq=False, repr=False)
class Withdrawals(OfWords):
    """Any method raises `redis.RedisError`. The event `words_withdrawn` tells that models may have become stale."""

    connection: redis.asyncio.Redis

    # ------------------------------------------------------------------ members

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
        touched, lines = set(), 0
        for transcript in await self.store.all(guild_id):
            members = await self.store.members(transcript.transcript_id)
            theirs = {user_id: members[user_id] for user_id in wanted & members.keys()}
            # A page that is being added may be the first with their words: the purge waits for it.
            if gone := wanted if transcript.reading is not None else theirs.keys():
                await self.store.note_withdrawn(transcript.transcript_id, gone)
                self.chores.add(self.tidy, transcript.transcript_id)
            if theirs:
                touched.add(transcript.transcript_id)
                if transcript.has_text:
                    lines += sum(theirs.values())
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
                await redis_call(
                    self.connection.hset(keys.WITHDRAWALS, f"{guild_id}:{user_id}", json.dumps(sorted(ids)))
                )
        if touched:
            self.client.dispatch("words_withdrawn")
        return Withdrawn(len(touched), lines, models)

    async def leave(self, guild_id: int, user_id: int) -> None:
        """Withdraw somebody who left the server; if nothing is known of them, nothing is to be noted either."""
        consents = await self.consents.of(guild_id)
        unasked = consents.mode == "opt-out" and user_id not in consents.said
        concerned = [
            one
            for one in await self.store.all(guild_id)
            # With opt-out a page with their words may just be added.
            if (unasked and one.reading is not None) or user_id in await self.store.members(one.transcript_id)
        ]
        if concerned or user_id in consents.agreed:
            await self.withdraw(guild_id, [user_id], why="left")

    async def open(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """The models that have yet to go, by server and member who withdrew there."""
        found = cast(dict[bytes, bytes], await redis_call(self.connection.hgetall(keys.WITHDRAWALS)))
        pairs = ((name.decode().split(":"), json.loads(ids)) for name, ids in found.items())
        return {(int(guild_id), int(user_id)): tuple(ids) for (guild_id, user_id), ids in pairs}

    async def close_done(self) -> None:
        """Tell those whose words no model has any more, once."""
        for (guild_id, user_id), model_ids in (await self.open()).items():
            there = [one for one in model_ids if await self.registry.record(one) is not None]
            # Told twice would be worse than not at all.
            if there or not await redis_call(self.connection.hdel(keys.WITHDRAWALS, f"{guild_id}:{user_id}")):
                continue
            log.info("withdrawal_done", guild_id=guild_id, user_id=user_id)
            guild = self.client.get_guild(guild_id)
            where = f"in **{plain(guild.name)}**" if guild is not None else "in a server that I have left"
            with unless_refused(log.info, "end_not_told", guild_id=guild_id, user_id=user_id):
                user = self.client.get_user(user_id) or await self.client.fetch_user(user_id)
                await user.send(
                    f"✅ Done: every model {where} that had learned from your words was made again without them, or "
                    "deleted."
                )

    # ------------------------------------------------------------------ transcripts

    async def resume(self) -> None:
        """Make up for what an earlier run of the bot, or an outage, cut off."""
        for transcript in await self.store.all():
            self.chores.add(self.tidy, transcript.transcript_id)

    async def tidy(self, transcript_id: str) -> None:
        """Take out what was noted, and the words of members who have not, or no longer, agreed.

        A withdrawal may not have been noted at every transcript, and the operator may have become stricter. While it is
        read only members' words go: deleted messages may still come, and go at its end.
        """
        transcript = await self.store.load(transcript_id)
        if transcript is not None and await self.purge(transcript.info, of_messages=transcript.reading is None):
            self.client.dispatch("words_withdrawn")

    async def purge(self, info: TranscriptInfo, *, of_messages: bool) -> bool:
        """As `TranscriptStore.purge`, and of members who have not, or no longer, agreed; whether any words went."""
        members = await self.store.members(info.transcript_id)
        refused = (await self.consents.of(info.guild_id, members.keys())).refused(members)
        await self.store.note_withdrawn(info.transcript_id, refused)
        lines = await self.store.purge(info.transcript_id, of_messages=of_messages)
        if lines or refused:
            log.info(
                "words_taken_out",
                transcript_id=info.transcript_id,
                guild_id=info.guild_id,
                lines=lines,
                members=len(refused),
            )
        return bool(lines or refused)

    async def forbid(self, guild_id: int) -> int:
        """Drop the words of channels that may no longer be learned from; of how many transcripts."""
        allowed = await self.consents.allowed(guild_id)
        forbidden = [one for one in await self.store.all(guild_id) if one.info.channel_id not in allowed]
        return sum([await self.drop(one.transcript_id) for one in forbidden])

    async def drop(self, transcript_id: str) -> bool:
        """Drop the words of a transcript, also those that come while its import ends; False: there were none."""
        transcript = await self.store.load(transcript_id)
        if transcript is not None and transcript.reading is not None:
            self.chores.add(self.drop, transcript_id, after_s=GATHER_S)
        if transcript is None or not transcript.has_text:
            return False
        await self.store.drop_text(transcript_id)
        log.info("words_dropped", transcript_id=transcript_id, guild_id=transcript.info.guild_id)
        return True
