"""`allow-training`: admins let models learn from a channel, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import DISCORD_ERRORS
from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.embeds import Terms
from bot.channels.sources import Room, Sources, require_readable
from bot.channels.withdrawals import Withdrawals
from bot.models.registry import Registry
from bot.options.autocomplete import choices
from bot.servers import access
from bot.servers.settings import GuildSettingsStore
from bot.types import Context, hybrid_command
from bot.words import code
from galvanic.errors import UserError
from galvanic.units import count
from shared.settings import Settings

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class AllowTraining(commands.Cog):
    settings: Settings
    servers: GuildSettingsStore
    sources: Sources
    consents: ConsentStore
    registry: Registry
    withdrawals: Withdrawals

    @hybrid_command(
        name="allow-training",
        extras={
            "usage": "allow-training [#CHANNEL [off]]",
            "examples": ("allow-training #general", "allow-training #general off", "allow-training"),
            "admin": True,
        },
        description="Let models learn from a channel, of members who agree",
    )
    @commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.describe(
        channel="A channel that you can see; without one, I list those that are allowed",
        state="`off` takes it back and deletes what is stored of it",
    )
    async def allow_training(self, ctx: Context, channel: str | None = None, state: str | None = None) -> None:
        """Let members train models on a channel's messages: of members who agree, and of no others.

        I tell the channel's members what it means and how to opt in or out. `off` takes it back: what I read there
        is deleted at once. Without a channel I list those that are allowed.
        """
        await ctx.defer(ephemeral=True)
        access.require_admin(ctx.author)
        assert isinstance(ctx.author, discord.Member)
        guild = ctx.author.guild
        terms = Terms(self.settings, await self.servers.prefix(guild.id))
        allowed = await self.consents.allowed(guild.id)
        if channel is None:
            agreed = len((await self.consents.of(guild.id)).agreed)
            await ctx.send(embed=embeds.allowed_channels(allowed, agreed, terms), ephemeral=True)
        elif not _is_off(state):
            await ctx.send(await self._allow(_room(ctx.author, channel), ctx.author.id, terms), ephemeral=True)
        else:  # also a channel that is gone, or hidden from this admin, if they name it by its id
            number = _number(channel)
            if number not in allowed or number is None:
                number = _room(ctx.author, channel).id
            was = number in allowed
            await self.consents.disallow(guild.id, number, ctx.author.id)
            if await self.withdrawals.forbid(guild.id) or was:
                here = access.channel_ids(ctx.channel)
                await ctx.send(await self._forbidden(guild.id, number, terms, here), ephemeral=True)
            else:
                await ctx.send(f"<#{number}> wasn't allowed.", ephemeral=True)

    @allow_training.autocomplete("channel")
    async def _channels(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild is None:
            return []
        rooms = [one for one in access.visible_channels(interaction.guild, interaction.user) if isinstance(one, Room)]
        return choices([(f"#{room.name}", str(room.id)) for room in rooms], typed.strip().removeprefix("#"))

    @allow_training.autocomplete("state")
    async def _states(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return choices(["on", "off"], typed)

    async def _allow(self, channel: Room, by: int, terms: Terms) -> str:
        """Allow a channel, and tell its members there; what to tell the admin.

        Raises UserError: the operator has turned it off, or the bot may not read the channel.
        """
        self.sources.require_on()
        require_readable(channel)
        name = f"{terms.prefix}allow-training #{channel.name}"
        if channel.id in await self.consents.allowed(channel.guild.id):
            return f"{channel.mention} is already allowed. `{name} off` takes it back."
        await self.consents.allow(channel.guild.id, channel.id, by)
        who = "members who said yes" if terms.mode == "opt-in" else "members who didn't say no"
        said = f"I may now learn from {channel.mention} and its public threads, from {who}: "
        said += f"`{terms.prefix}train #{channel.name}`."
        try:
            if not isinstance(channel, discord.ForumChannel):  # there is no place in it that everybody looks at
                await channel.send(embed=embeds.notice(channel.guild.name, terms))
                return f"{said} I told its members there."
        except DISCORD_ERRORS as error:
            log.info("notice_not_posted", channel_id=channel.id, error=type(error).__name__)
        return (
            f"{said}\n⚠️ I couldn't post a notice there: please tell its members about `{terms.prefix}optin` and "
            f"`{terms.prefix}optout`."
        )

    async def _forbidden(self, guild_id: int, channel_id: int, terms: Terms, here: Sequence[int]) -> str:
        """What to tell the admin: imports end, and what is stored of the channel goes.

        `here`: where the answer is read, maybe by others: the channel, and for a thread also its parent.
        """
        said = f"I no longer learn from <#{channel_id}>, and what was stored of it is gone."
        models = [model for model in await self.registry.all(guild_id) if channel_id in model.source_channels]
        if not models:
            return said
        shown = [f"`{model.name}`" for model in self.registry.among(guild_id, here, models)[:10]]
        hidden = len(models) - len(shown)
        names = " and ".join(filter(None, (", ".join(shown), f"{hidden} more" if shown and hidden else "")))
        stay = f"Models that learned from it stay until somebody deletes them: {names or count(hidden, 'model')}."
        return f"{said} {stay} `{terms.prefix}model delete` does."


def _is_off(state: str | None) -> bool:
    """Raises UserError: it is neither `on` nor `off`."""
    word = (state or "on").strip().lower()
    if word not in ("on", "off"):
        raise UserError(f"`allow-training` can't be {code(word)}.", "Say `off` to take a channel back.")
    return word == "off"


def _number(typed: str) -> int | None:
    number = typed.strip().removeprefix("<#").removesuffix(">")
    return int(number) if number.isdecimal() and len(number) <= 20 else None


def _room(member: discord.Member, typed: str) -> Room:
    """By mention, name or id. Raises UserError: none that both see, none with messages, or a thread."""
    number, name = _number(typed), typed.strip().lower().removeprefix("#")
    for channel in access.visible_channels(member.guild, member):
        if channel.id != number and channel.name.lower() != name:
            continue
        if isinstance(channel, Room):
            return channel
        raise UserError(
            f"I don't learn from {channel.mention}.", "I learn from text channels, forums and their threads."
        )
    if number is not None and member.guild.get_thread(number) is not None:
        raise UserError("A thread goes with its channel.", "Name the channel that the thread is in.")
    raise UserError(
        f"I can't find a channel {code(typed, 60)} that both of us can see.", "Name one, such as `#general`."
    )
