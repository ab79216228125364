"""What becomes on Discord of words that transcripts hold: messages, threads, channels, members and servers that go.

Events are only kept in memory when they come. A chore notes each in Redis at once (while that is away they wait);
the words are taken out a little later, many in one pass.

What nobody told the bot of, because it was off, or Discord began a new session with it, or tells nobody, it asks
Discord about: after a start about all, once a day about members, without the privileged intent. Slowly, one request
after the other, as people's commands and imports need its limits, too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.background import Chores
from bot.channels import withdrawals
from bot.channels.cleaning import clean
from bot.channels.reader import PAGE, is_speech, page_after, prefixes_of
from bot.channels.sources import can_read
from bot.channels.store import Line
from bot.channels.withdrawals import OfWords, Withdrawals
from bot.errors import MISSING_ACCESS, MISSING_PERMISSIONS, is_gone
from bot.models.removal import Removal
from bot.servers.access import member_in, was_deleted
from shared.transcripts import TranscriptInfo

EVERY_S = 86_400.0
"""Between two looks for members and servers."""
PAUSE_S = 0.3
"""Between two requests to Discord."""

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Watch(OfWords, commands.Cog):
    """`looks`: chores that ask Discord, of which many take long."""

    withdrawals: Withdrawals
    looks: Chores
    removal: Removal
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
        """Also comes when only a preview or a pin changed: the line stays the same then.

        Where messages cannot be read, one that was edited counts as deleted.
        """
        known = payload.message.content or payload.message.edited_at
        if known and not payload.message.author.bot and "content" in payload.data:
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

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """A new session: what happened before was not heard. One that is only resumed lost nothing."""
        for guild in self.client.guilds:
            await self.on_guild_available(guild)
        self.looks.add(self.look_for_leavers)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        self.looks.add(self._look_for_channels, guild.id)
        self.looks.add(self._look_for_changes, guild.id)

    # ------------------------------------------------------------------ what is done

    async def _note_messages(self, guild_id: int, channel_id: int) -> None:
        messages = self._changed.pop((guild_id, channel_id), {})
        try:
            infos = [one.info for one in await self.store.all(guild_id) if self._is_part(channel_id, one.info)]
            held = {one: message for one, message in messages.items() if any(info.may_hold(one) for info in infos)}
            lines = await self._lines(guild_id, held)
            for info in infos:
                await self._note_gone(info, {one: text for one, text in lines.items() if info.may_hold(one)})
        except RedisError:  # what happened to one of them meanwhile is newer
            self._changed[guild_id, channel_id] = messages | self._changed[guild_id, channel_id]
            raise

    async def note_thread(self, guild_id: int, thread_id: int, parent_id: int) -> None:
        """A thread was deleted: its words go. If it was read by itself, so do the models that learned them, as with a
        channel."""
        for transcript in await self.store.all(guild_id):
            if transcript.info.source_id == parent_id:
                await self._note_gone(transcript.info, {}, thread_id)
            elif transcript.info.source_id == thread_id:
                await self.withdrawals.drop(transcript.transcript_id)
                await self.removal.forget_words(guild_id, transcript.transcript_id)

    async def note_channel(self, guild_id: int, channel_id: int) -> None:
        """A channel was deleted: it is not allowed any more."""
        if channel_id in await self.consents.allowed(guild_id):
            assert self.client.user is not None
            await self.consents.disallow(guild_id, channel_id, self.client.user.id)
        await self.withdrawals.forbid(guild_id)

    async def forget_server(self, guild_id: int) -> None:
        """Drop what was learned from a server that the bot has left: trainings, models, words, consent.

        In this order: after a crash in between, the server is found by what is left.
        """
        await self.removal.forget_words(guild_id)
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
                lines[message_id] = clean(message.content)
            await asyncio.sleep(0)  # one that was built to take long must not hold up the rest of the bot
        return lines

    def _is_part(self, channel_id: int, info: TranscriptInfo) -> bool:
        """Whether a transcript may have messages of a channel or thread.

        An archived thread is unknown, and may be any channel's: that costs a pass over what has none of it.
        """
        if info.source_id == channel_id:
            return True
        place = self.client.get_channel(channel_id)
        if isinstance(place, discord.Thread):
            return place.parent_id == info.source_id
        return place is None and info.source_id == info.channel_id

    # ------------------------------------------------------------------ channels that nobody told of

    async def _look_for_channels(self, guild_id: int) -> None:
        """Find channels that were deleted or forbidden unheard. Only what Discord says is gone counts as gone."""
        if (guild := self._there(guild_id)) is None:
            return
        allowed = {channel_id: channel_id for channel_id in await self.consents.allowed(guild_id)}
        known = {one.info.source_id: one.info.channel_id for one in await self.store.all(guild_id)}
        for channel_id, room_id in (known | allowed).items():
            if guild.get_channel_or_thread(channel_id) is None and await was_deleted(self.client, channel_id):
                if channel_id == room_id:
                    self.chores.add(self.note_channel, guild_id, channel_id)
                else:
                    self.chores.add(self.note_thread, guild_id, channel_id, room_id)
        self.chores.add(self.withdrawals.forbid, guild_id)

    # ------------------------------------------------------------------ messages that nobody told of

    async def _look_for_changes(self, guild_id: int) -> None:
        for transcript in reversed(await self.store.all(guild_id)):  # what was read last is most likely still used
            self.looks.add(self._compare, transcript.transcript_id)

    async def _compare(self, transcript_id: str) -> None:
        """Ask for the messages whose words are kept once more, a page (100 messages, one request) at a time."""
        if (transcript := await self.store.load(transcript_id)) is None:
            return
        info = transcript.info
        closed: set[int] = set()
        async for _, page in self.store.pages(transcript_id):
            place_id = page[0].thread_id or info.source_id
            if place_id in closed:
                continue
            messages = await self._ask(info, place_id, page)
            if messages is None:
                closed.add(place_id)
                continue
            there = {message.id: message for message in messages}
            # A full answer may end before the page does: of what comes after it nothing is known.
            end_id = messages[-1].id if len(messages) == PAGE else page[-1].message_id
            for line in page:
                message = there.get(line.message_id)
                # Its line may be the right one already, if it was edited since the transcript was begun.
                at = message.edited_at if message is not None else None
                deleted = message is None and line.message_id <= end_id
                if deleted or (at is not None and at.timestamp() > info.created_at):
                    self.hear(info.guild_id, place_id, line.message_id, message)
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, info: TranscriptInfo, place_id: int, page: Sequence[Line]) -> list[discord.Message] | None:
        """The messages from a page's first on; None: the bot cannot read there now, which tells nothing of them.

        Without Read Message History Discord shows no message, instead of refusing. Raises discord.HTTPException: it is
        in trouble.
        """
        guild = self._there(info.guild_id)
        if guild is None or not can_read(guild.me, guild.get_channel_or_thread(info.channel_id)):
            return None
        try:
            return await page_after(self.client, info.guild_id, place_id, page[0].message_id - 1)
        except discord.HTTPException as error:
            if not is_gone(error) and error.code not in (MISSING_ACCESS, MISSING_PERMISSIONS):
                raise
            if is_gone(error) and place_id != info.source_id:
                self.chores.add(self.note_thread, info.guild_id, place_id, info.source_id)
            return None

    # ------------------------------------------------------------------ members and servers that nobody told of

    async def look_for_leavers(self) -> None:
        """Look for servers and members that are gone, and again a day later."""
        self.looks.add(self.look_for_leavers, after_s=EVERY_S)
        # A training may have ended just after a channel that it learned from was deleted.
        self.chores.add(self.removal.forget_lost_channels)
        for guild in self.client.guilds:
            self.looks.add(self._look_for_members, guild.id)
        asked = {
            guild_id
            for guild_id in await self.consents.guilds()
            if (await self.consents.of(guild_id)).agreed or await self.consents.allowed(guild_id)
        }
        read = {one.info.guild_id for one in await self.store.all()}
        for guild_id in (read | asked) - {
            guild.id for guild in self.client.guilds
        }:  # at the start Discord names all others
            self.chores.add(self.forget_server, guild_id)

    async def _look_for_members(self, guild_id: int) -> None:
        """Ask Discord about each member who agreed or whose words are kept. A member who has left withdraws.

        Raises discord.HTTPException: Discord is in trouble, or the bot is not in the server.
        """
        if (guild := self._there(guild_id)) is None:
            return
        people = set((await self.consents.of(guild_id)).agreed)
        for transcript in await self.store.all(guild_id):
            people |= (await self.store.members(transcript.transcript_id)).keys()
        for user_id in sorted(people):
            if await member_in(guild, discord.Object(user_id)) is None:
                self.chores.add(self.withdrawals.leave, guild_id, user_id)
            await asyncio.sleep(PAUSE_S)
        log.info("leavers_looked_up", guild_id=guild_id, people=len(people))

    def _there(self, guild_id: int) -> discord.Guild | None:
        """A server, unless it is gone, or Discord does not show it now."""
        guild = self.client.get_guild(guild_id)
        return guild if guild is not None and not guild.unavailable else None
