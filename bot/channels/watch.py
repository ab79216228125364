"""Follow on Discord the channels, members and servers that models learned from: they are deleted, leave, or go.

The bot may not hear of it: it was off, Discord began a new session, or Discord tells nobody without the privileged
intent. So the bot asks about all after a start, and about members once a day.
"""

import asyncio
from dataclasses import dataclass

import discord
import structlog
from discord.ext import commands

from bot.background import Chores
from bot.channels.consent import ConsentStore
from bot.channels.withdrawals import Withdrawals
from bot.core import Core
from bot.models.registry import Registry
from bot.models.removal import Removal, existing_channels
from bot.servers.access import member_in, was_deleted

EVERY_S = 86_400.0  # seconds between two looks for members and servers
UNAVAILABLE_S = 120.0  # before another look at a server that was loaded late or is in an outage
RETURN_S = 30 * EVERY_S  # a server that removed the bot may bring it back for so long, and still has its models
PAUSE_S = 0.05  # seconds between two requests to Discord: people's commands and readings need its limits, too

log = structlog.get_logger()


@dataclass(eq=False, repr=False, kw_only=True)
class Watch(commands.Cog):
    """Hears of deletions and leavers. `looks`: chores that ask Discord, of which many take long."""

    core: Core
    consents: ConsentStore
    registry: Registry
    withdrawals: Withdrawals
    removal: Removal
    looks: Chores

    # ------------------------------------------------------------------ events

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.core.chores.add(self.forget_channel, payload.guild_id, payload.thread_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.core.chores.add(self.forget_channel, channel.guild.id, channel.id)

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Withdraw a member who left; Discord tells of it with the privileged intent only.

        Trainings that they asked for go on without their words, if enough is left.
        """
        self._leave(payload.guild_id, payload.user.id)

    @commands.Cog.listener()
    async def on_member_ban(self, guild: discord.Guild, user: discord.User | discord.Member) -> None:
        self._leave(guild.id, user.id)

    def _leave(self, guild_id: int, user_id: int) -> None:
        if self.core.bot.user is None or user_id != self.core.bot.user.id:
            self.core.chores.add(self.withdrawals.leave, guild_id, user_id)

    @commands.Cog.listener()
    async def on_guild_join(self, _guild: discord.Guild) -> None:
        self.core.chores.add(self.core.joined.note)

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Forget a server. discord.py does not call this in an outage."""
        log.info("server_left", guild_id=guild.id)
        self.core.chores.add(self.forget_server, guild.id)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Look at everything: what happened before this session was not heard. One that is resumed lost nothing."""
        self.looks.add(self.look)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        self.looks.add(self.look_for_channels, guild.id)

    # ------------------------------------------------------------------ forgetting channels and servers

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Drop all of a channel that was deleted: it is not allowed any more, and its models go."""
        await self.consents.disallow(guild_id, channel_id)
        await self.removal.forget_channel(guild_id, channel_id)

    async def forget_server(self, guild_id: int) -> None:
        """Drop what must not be kept of a server that the bot has left: its settings and noes stay.

        Its models of books stay for `RETURN_S`. Until then, `look` finds the server again.
        """
        await self.removal.forget_words(guild_id)
        for reading_id in await self.registry.notes.ids(guild_id):
            await self.registry.notes.forget(reading_id)
        await self.consents.forget_guild(guild_id)
        for forget in self.core.forgetters:
            await forget(guild_id)
        if await self.core.joined.left_for(guild_id) < RETURN_S:
            return
        for model in await self.registry.all(guild_id):  # nobody there can use or delete them any more
            await self.registry.remove(model)
        await self.core.joined.forget(guild_id)

    # ------------------------------------------------------------------ looking for what no event told

    async def look(self) -> None:
        """Look for servers, channels and members that are gone, and again a day later."""
        self.looks.add(self.look, after_s=EVERY_S)
        for look in (self.look_for_channels, self._look_for_members):  # a server's members may take many minutes
            for guild in self.core.bot.guilds:
                self.looks.add(look, guild.id)
        for guild_id in await self.core.joined.left():
            self.core.chores.add(self.forget_server, guild_id)
        await self.core.joined.note()

    async def look_for_channels(self, guild_id: int) -> None:
        """Find channels that were deleted or disallowed unheard. Only what Discord says is gone counts as gone.

        A thread that is archived is unknown as well. Raises Discord's errors that pass.
        """
        guild = self.core.bot.get_guild(guild_id)
        if guild is None or guild.unavailable:
            return
        existing = existing_channels(guild)
        needed = set(await self.consents.allowed(guild_id))
        for note in await self.registry.notes.all(guild_id):
            needed |= {note.source_id, note.channel_id}
        for model in await self.registry.all(guild_id):
            if not model.usable_in(existing, model.owner_id):
                needed.add(model.channel_id)
        for channel_id in sorted(needed - existing - {0}):
            if await was_deleted(self.core.bot, channel_id):
                self.core.chores.add(self.forget_channel, guild_id, channel_id)
        self.core.chores.add(self.withdrawals.forget_disallowed, guild_id)

    async def _look_for_members(self, guild_id: int) -> None:
        """Ask Discord about each member who agreed or whose words were read. A member who has left withdraws.

        Raises discord.HTTPException: Discord is in trouble, or the bot is not in the server.
        """
        guild = self.core.bot.get_guild(guild_id)
        if guild is None:
            return
        if guild.unavailable:
            self.looks.add(self._look_for_members, guild_id, after_s=UNAVAILABLE_S)
            return
        people = set((await self.consents.of(guild_id)).agreed)
        for reading_id in await self.registry.notes.ids(guild_id):
            people |= (await self.registry.notes.members(reading_id)).keys()
        for user_id in sorted(people):
            if await member_in(guild, discord.Object(user_id)) is None:
                self.core.chores.add(self.withdrawals.leave, guild_id, user_id)
            await asyncio.sleep(PAUSE_S)
        log.info("leavers_looked_up", guild_id=guild_id, people=len(people))
