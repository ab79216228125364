"""What Discord tells of words that transcripts hold: messages, threads, channels, members and servers that go.

Events are only kept in memory when they come. A chore notes each in Redis at once (while that is away they wait);
the words are taken out a little later, many in one pass.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.channels import withdrawals
from bot.channels.chores import Chores
from bot.channels.cleaning import clean
from bot.channels.consent import ConsentStore
from bot.channels.reader import is_speech, prefixes_of
from bot.channels.store import TranscriptStore
from bot.channels.withdrawals import Withdrawals
from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots, cancel_trainings
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.servers.settings import GuildSettingsStore
from shared.transcripts import TranscriptInfo

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Watch(commands.Cog):
    client: discord.Client
    servers: GuildSettingsStore
    consents: ConsentStore
    store: TranscriptStore
    withdrawals: Withdrawals
    chores: Chores
    registry: Registry
    removal: Removal
    snapshots: Snapshots
    jobs: JobClient
    _changed: defaultdict[tuple[int, int], dict[int, discord.Message | None]] = field(
        init=False, default_factory=lambda: defaultdict(dict)
    )
    """By server and channel: messages as they are now; None: deleted."""

    # ------------------------------------------------------------------ what happens

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.hear(payload.guild_id, payload.channel_id, payload.message_id, None)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self.hear(payload.guild_id, payload.channel_id, message_id, None)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Also comes when only a preview or a pin changed: the line stays the same then."""
        if not payload.message.author.bot and "content" in payload.data:
            self.hear(payload.guild_id, payload.channel_id, payload.message_id, payload.message)

    def hear(self, guild_id: int | None, channel_id: int, message_id: int, message: discord.Message | None) -> None:
        """A message was deleted (None), or may have been edited."""
        if guild_id is not None:
            self._changed[guild_id, channel_id][message_id] = message
            self.chores.add(self._note_messages, guild_id, channel_id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.chores.add(self.note_thread, payload.guild_id, payload.thread_id, payload.parent_id)
        self.chores.add(self.removal.forget_channel, payload.guild_id, payload.thread_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.chores.add(self.note_channel, channel.guild.id, channel.id)
        self.chores.add(self.removal.forget_channel, channel.guild.id, channel.id)

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Discord tells of it with the privileged intent only."""
        self._leave(payload.guild_id, payload.user.id)

    @commands.Cog.listener()
    async def on_member_ban(self, guild: discord.Guild, user: discord.User | discord.Member) -> None:
        self._leave(guild.id, user.id)

    def _leave(self, guild_id: int, user_id: int) -> None:
        if self.client.user is None or user_id != self.client.user.id:
            self.chores.add(self.withdrawals.leave, guild_id, user_id)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Not of an outage: discord.py tells of that by another event."""
        self.chores.add(self.forget_server, guild.id)

    # ------------------------------------------------------------------ what is done

    async def _note_messages(self, guild_id: int, channel_id: int) -> None:
        messages = self._changed.pop((guild_id, channel_id), {})
        try:
            infos = [one.info for one in await self.store.all(guild_id) if self._is_part(channel_id, one.info)]
            held = {one: message for one, message in messages.items() if any(info.may_hold(one) for info in infos)}
            lines = await self._lines(guild_id, held)
            for info in infos:
                changes = {one: text for one, text in lines.items() if info.may_hold(one)}
                await self._note_gone(info, changes)
        except RedisError:  # what happened to one of them meanwhile is newer
            self._changed[guild_id, channel_id] = messages | self._changed[guild_id, channel_id]
            raise

    async def note_thread(self, guild_id: int, thread_id: int, parent_id: int) -> None:
        """A thread was deleted: its words go, be it read with its channel or by itself."""
        for transcript in await self.store.all(guild_id):
            if transcript.info.source_id == parent_id:
                await self._note_gone(transcript.info, {}, thread_id)
            elif transcript.info.source_id == thread_id:
                await self.withdrawals.drop(transcript.transcript_id)

    async def note_channel(self, guild_id: int, channel_id: int) -> None:
        """A channel was deleted: it is not allowed any more either."""
        if channel_id in await self.consents.allowed(guild_id):
            assert self.client.user is not None
            await self.consents.disallow(guild_id, channel_id, self.client.user.id)
        await self.withdrawals.forbid(guild_id)

    async def forget_server(self, guild_id: int) -> None:
        """Drop all of a server that the bot has left: trainings on words, models that learned any, words, and consent.

        In this order: after a crash in between, the server is found by what is left.
        """
        await cancel_trainings(self.snapshots, self.jobs, lambda ref: ref.guild_id == guild_id)
        for model in await self.registry.all(guild_id):
            if model.transcripts:
                await self.registry.remove(model)
        for transcript in await self.store.all(guild_id):
            await self.store.forget(transcript.transcript_id)
        await self.consents.forget_guild(guild_id)
        log.info("server_forgotten", guild_id=guild_id)

    async def _note_gone(self, info: TranscriptInfo, changes: dict[int, str], *threads: int) -> None:
        if changes or threads:
            await self.store.note_gone(info.transcript_id, changes, threads)
            self.chores.add(self.withdrawals.tidy, info.transcript_id, after_s=withdrawals.GATHER_S)

    async def _lines(self, guild_id: int, messages: dict[int, discord.Message | None]) -> dict[int, str]:
        """Messages as they are now; empty: deleted, no speech any more, or of members who have not agreed."""
        prefixes = await prefixes_of(self.servers, self.client, guild_id)
        consents = await self.consents.of(guild_id)
        lines = dict.fromkeys(messages, "")
        for message_id, message in messages.items():
            agreed = message is not None and consents.includes(message.author.id, message_id)
            if message is not None and agreed and is_speech(message, prefixes):
                lines[message_id] = clean([message.content])[0]
            await asyncio.sleep(0)  # one that was built to take long must not hold up the rest of the bot
        return lines

    def _is_part(self, channel_id: int, info: TranscriptInfo) -> bool:
        """Whether a transcript may have messages of a channel or thread.

        An archived thread is unknown, and may be any channel's: that costs a pass over what has none of it.
        """
        if info.source_id == channel_id:
            return True
        guild = self.client.get_guild(info.guild_id)
        place = guild.get_channel_or_thread(channel_id) if guild is not None else None
        if isinstance(place, discord.Thread):
            return place.parent_id == info.source_id
        return place is None and info.source_id == info.channel_id
