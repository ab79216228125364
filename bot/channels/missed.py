"""What nobody told the bot of, because it was off, or Discord began a new session with it, or tells nobody.

Discord is asked: after a start about all, once a day about members, without the privileged intent. Slowly, one request
after the other, as people's commands and imports need its limits, too. What is found is passed on to the watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import discord
import structlog
from discord.ext import commands

from bot.channels.chores import Chores
from bot.channels.consent import ConsentStore
from bot.channels.reader import PAGE, page_after
from bot.channels.store import Line, TranscriptStore
from bot.channels.watch import Watch
from bot.errors import MISSING_ACCESS, MISSING_PERMISSIONS, is_gone
from bot.servers.access import is_member, was_deleted
from shared.transcripts import TranscriptInfo

EVERY_S = 86_400.0
"""Between two looks for members and servers."""
PAUSE_S = 0.3
"""Between two requests to Discord."""

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Missed(commands.Cog):
    """`chores`: its own, of which many take long."""

    client: discord.Client
    consents: ConsentStore
    store: TranscriptStore
    watch: Watch
    chores: Chores

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """A new session: what happened before was not heard. One that is only resumed lost nothing."""
        for guild in self.client.guilds:
            await self.on_guild_available(guild)
        self.chores.add(self.look_for_leavers)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        self.chores.add(self._look_for_channels, guild.id)
        self.chores.add(self._look_for_changes, guild.id)

    # ------------------------------------------------------------------ channels

    async def _look_for_channels(self, guild_id: int) -> None:
        """Find channels that were deleted or forbidden unheard. Only what Discord says is gone counts as gone."""
        if (guild := self._there(guild_id)) is None:
            return
        allowed = {channel_id: channel_id for channel_id in await self.consents.allowed(guild_id)}
        known = {one.info.source_id: one.info.channel_id for one in await self.store.all(guild_id)}
        for channel_id, room_id in (known | allowed).items():
            if guild.get_channel_or_thread(channel_id) is None and await was_deleted(self.client, channel_id):
                if channel_id == room_id:
                    self.watch.chores.add(self.watch.note_channel, guild_id, channel_id)
                else:
                    self.watch.chores.add(self.watch.note_thread, guild_id, channel_id, room_id)
        self.watch.chores.add(self.watch.withdrawals.forbid, guild_id)

    # ------------------------------------------------------------------ messages

    async def _look_for_changes(self, guild_id: int) -> None:
        for transcript in reversed(await self.store.all(guild_id)):  # what was read last is most likely still used
            self.chores.add(self._compare, transcript.transcript_id)

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
                    self.watch.hear(info.guild_id, place_id, line.message_id, message)
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, info: TranscriptInfo, place_id: int, page: Sequence[Line]) -> list[discord.Message] | None:
        """The messages from a page's first on; None: the bot cannot read there now, which tells nothing of them.

        Without Read Message History Discord shows no message, instead of refusing. Raises discord.HTTPException: it is
        in trouble.
        """
        if (guild := self._there(info.guild_id)) is None:
            return None
        room = guild.get_channel_or_thread(info.channel_id)
        rights = room.permissions_for(guild.me) if room is not None else discord.Permissions.none()
        if not (rights.view_channel and rights.read_message_history):
            return None
        try:
            return await page_after(self.client, info.guild_id, place_id, page[0].message_id - 1)
        except discord.HTTPException as error:
            if not is_gone(error) and error.code not in (MISSING_ACCESS, MISSING_PERMISSIONS):
                raise
            if is_gone(error) and place_id != info.source_id:
                self.watch.chores.add(self.watch.note_thread, info.guild_id, place_id, info.source_id)
            return None

    # ------------------------------------------------------------------ members and servers

    async def look_for_leavers(self) -> None:
        """Look for servers and members that are gone, and again a day later."""
        self.chores.add(self.look_for_leavers, after_s=EVERY_S)
        # A training may have ended just after a channel that it learned from was deleted.
        self.chores.add(self.watch.removal.forget_lost_channels)
        for guild in self.client.guilds:
            self.chores.add(self._look_for_members, guild.id)
        known = {one.info.guild_id for one in await self.store.all()}
        for guild_id in await self.consents.guilds():
            if (await self.consents.of(guild_id)).agreed or await self.consents.allowed(guild_id):
                known.add(guild_id)
        for guild_id in known - {guild.id for guild in self.client.guilds}:  # at the start Discord names all others
            self.watch.chores.add(self.watch.forget_server, guild_id)

    async def _look_for_members(self, guild_id: int) -> None:
        """Ask about everybody who agreed or whose words are kept; who has left, withdraws.

        Raises discord.HTTPException: Discord is in trouble, or the bot is not in the server.
        """
        if (guild := self._there(guild_id)) is None:
            return
        people = set((await self.consents.of(guild_id)).agreed)
        for transcript in await self.store.all(guild_id):
            people |= (await self.store.members(transcript.transcript_id)).keys()
        for user_id in sorted(people):
            if not await is_member(guild, user_id):
                self.watch.chores.add(self.watch.withdrawals.leave, guild_id, user_id)
            await asyncio.sleep(PAUSE_S)
        log.info("leavers_looked_up", guild_id=guild_id, people=len(people))

    def _there(self, guild_id: int) -> discord.Guild | None:
        """A server, unless it is gone, or Discord does not show it now."""
        guild = self.client.get_guild(guild_id)
        return guild if guild is not None and not guild.unavailable else None
