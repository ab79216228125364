"""Command `allow-training`: admins choose the channels that models may learn from."""

from dataclasses import dataclass
from typing import Literal

import discord
import redis
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import unless_refused
from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.embeds import Terms
from bot.channels.sources import Room, Sources, require_readable
from bot.channels.withdrawals import Withdrawals
from bot.core import Core
from bot.options.autocomplete import choices
from bot.servers import access
from bot.types import Context, hybrid_command
from bot.words import as_typed, code
from galvanic.errors import UserError
from galvanic.units import count

log = structlog.get_logger()


@dataclass(eq=False, repr=False, kw_only=True)
class AllowedChannels(commands.Cog):
    """Allows channels, and takes that back. Raises `redis.RedisError` while Redis cannot be reached."""

    core: Core
    consents: ConsentStore
    sources: Sources
    withdrawals: Withdrawals

    @hybrid_command(
        "allow-training [#CHANNEL [off]]",
        ("allow-training #general", "allow-training #general off", "allow-training"),
        about="Let models learn what members who agree wrote in a channel",
        heading="This server",
        anywhere=True,
        admin=True,
    )
    @app_commands.describe(
        channel="A channel that you can see; without one, I list those that are allowed",
        state="`off` takes it back and deletes the models of it",
    )
    async def allow_training(
        self, ctx: Context, channel: str | None = None, state: Literal["on", "off"] = "on"
    ) -> None:
        """Let members train models on a channel's messages: from members who agree, and from no others.

        I tell the channel's members what it means and how to opt in or out. `off` takes it back: models that
        learned there are deleted at once. Without a channel I list those that are allowed.
        """
        await ctx.defer(ephemeral=True)
        access.require_admin(ctx.author)
        assert isinstance(ctx.author, discord.Member)
        guild = ctx.author.guild
        terms = Terms(self.core.settings, await self.core.servers.prefix(guild.id))
        allowed = await self.consents.allowed(guild.id)
        if channel is None:
            agreed = len((await self.consents.of(guild.id)).agreed)
            await ctx.send(embed=embeds.allowed_channels(allowed, agreed, terms), ephemeral=True)
        elif state == "on":
            await ctx.send(await self._allow(_room(ctx.author, channel), ctx.author.id, terms), ephemeral=True)
        else:  # also a channel that is gone, or hidden from this admin, if they name it by its id
            channel_id = access.channel_number(channel)
            if channel_id is None or channel_id not in allowed:
                channel_id = _room(ctx.author, channel).id
            await self.consents.disallow(guild.id, channel_id, ctx.author.id)
            try:
                deleted = await self.withdrawals.forget_disallowed(guild.id)
            except redis.RedisError:
                self.core.chores.add(self.withdrawals.forget_disallowed, guild.id)
                raise
            models = f" I deleted {count(deleted, 'model')} of it." if deleted else ""
            await ctx.send(f"I don't learn from <#{channel_id}> now.{models}", ephemeral=True)

    @allow_training.autocomplete("channel")
    async def _channels(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        visible = access.visible_channels(interaction.guild, interaction.user)
        rooms = [(f"#{channel.name}", str(channel.id)) for channel in visible if isinstance(channel, Room)]
        return choices(rooms, typed.strip().removeprefix("#"))

    async def _allow(self, channel: Room, by: int, terms: Terms) -> str:
        """Allow a channel, and tell its members there. Return what to tell the admin.

        Raises UserError: the operator has turned it off, or the bot may not read the channel.
        """
        self.sources.require_on()
        require_readable(channel)
        if channel.id in await self.consents.allowed(channel.guild.id):
            off = as_typed(terms.prefix, "allow-training", "channel", f"#{channel.name}", "state", "off")
            return f"{channel.mention} is already allowed. `{off}` takes it back."
        await self.consents.allow(channel.guild.id, channel.id, by)
        members = "members who said yes" if terms.mode == "opt-in" else "members who didn't say no"
        answer = (
            f"I may now learn from {channel.mention} and its public threads, from {members}: "
            f"`{as_typed(terms.prefix, 'train', 'source', f'#{channel.name}')}`."
        )
        with unless_refused(log.info, "notice_not_posted", channel_id=channel.id):
            if not isinstance(channel, discord.ForumChannel):  # there is no place in it that everybody looks at
                await channel.send(embed=embeds.notice(channel.guild.name, terms))
                return f"{answer} I told its members there."
        return (
            f"{answer}\n⚠️ I couldn't post a notice there: please tell its members about `{terms.prefix}optin` and "
            f"`{terms.prefix}optout`."
        )


def _room(member: discord.Member, typed: str) -> Room:
    """Return a channel by mention, name or id. Raises UserError: none that both see, no messages, or a thread."""
    channel = access.named_channel(member.guild, member, typed)
    if isinstance(channel, Room):
        return channel
    if channel is not None:
        raise UserError(f"I don't learn from {channel.mention}.", "I learn from text channels, forums and threads.")
    if member.guild.get_thread(access.channel_number(typed) or 0) is not None:
        raise UserError("A thread goes with its channel.", "Name the channel that the thread is in.")
    raise UserError(
        f"I can't find a channel {code(typed, 60)} that both of us can see.", "Name one, such as `#general`."
    )
