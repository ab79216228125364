"""What members and admins say about learning from messages: `optin`, `optout`, `privacy`, `forget-me` and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.export import export
from bot.channels.held import Holdings
from bot.channels.rights import Rights
from bot.channels.sources import Room
from bot.escape import code
from bot.options.autocomplete import choices
from bot.responder import NOT_SENT, SENT, answer_privately, is_elsewhere, note_sent, tell_privately
from bot.servers import access
from bot.servers.cooldowns import Cooldowns
from bot.servers.settings import GuildSettingsStore
from bot.types import Context, hybrid_command
from shared.errors import UserError
from shared.settings import Settings

_EXPORT_EVERY_S = 180.0
_MOST_PAGES = 10
"""Servers that are shown one by one; the file has all."""


@dataclass(eq=False, repr=False)
class Privacy(commands.Cog):
    """They work in every channel, whatever the admins have chosen."""

    settings: Settings
    servers: GuildSettingsStore
    cooldowns: Cooldowns
    consents: ConsentStore
    holdings: Holdings
    rights: Rights

    # ------------------------------------------------------------------ admins

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
        assert ctx.guild is not None
        assert isinstance(ctx.author, discord.Member)
        prefix = await self.servers.prefix(ctx.guild.id)
        if channel is None:
            await ctx.send(embed=await self.rights.allowed(ctx.guild.id, prefix), ephemeral=True)
            return
        if not _is_off(state):
            said = await self.rights.allow(_room(ctx.author, channel), ctx.author, prefix)
        else:  # also a channel that is gone, or hidden from this admin, if they name it by its id
            number = _number(channel)
            if number is None or not await self.rights.is_allowed(ctx.guild.id, number):
                number = _room(ctx.author, channel).id
            here = access.channel_ids(ctx.channel)
            said = await self.rights.disallow(ctx.guild.id, number, ctx.author.id, prefix, here)
        await ctx.send(said, ephemeral=True)

    @allow_training.autocomplete("channel")
    async def _channels(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild is None:
            return []
        rooms = [one for one in access.visible_channels(interaction.guild, interaction.user) if isinstance(one, Room)]
        return choices([(f"#{room.name}", str(room.id)) for room in rooms], typed.strip().removeprefix("#"))

    @allow_training.autocomplete("state")
    async def _states(self, _interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return choices(["on", "off"], typed)

    # ------------------------------------------------------------------ members

    @hybrid_command(
        extras={"usage": "optin", "examples": ("optin",)}, description="Let models learn from your messages here"
    )
    @commands.guild_only()
    async def optin(self, ctx: Context) -> None:
        """Read what it means that models learn from your messages, and agree with a button if you want that.

        Nothing changes before you press it. Only you see the question: typed with a prefix, it comes as a direct
        message. `optout` takes it back.
        """
        await ctx.defer(ephemeral=True)
        assert ctx.guild is not None
        prefix = await self._private_prefix(ctx)
        said = await self.consents.said(ctx.guild.id, ctx.author.id)
        if said is not None and said.state == "in" and self.settings.channel_training != "off":
            await tell_privately(ctx, embed=embeds.agreed(ctx.guild.name, said, self.rights.terms(prefix)))
        else:
            question = await self.rights.question(ctx.guild, ctx.author, prefix)
            await tell_privately(ctx, embed=question, view=embeds.consent_buttons(ctx.guild.id, ctx.author.id))

    @hybrid_command(
        extras={"usage": "optout", "examples": ("optout",)}, description="Let nothing learn from your messages any more"
    )
    async def optout(self, ctx: Context) -> None:
        """From now on nothing learns from your messages, and your words leave all that is stored of this server.

        Models that learned them are made again without them, or deleted. In a direct message it counts for all
        servers. `forget-me` also deletes the requests for texts that you sent me.
        """
        await ctx.defer(ephemeral=True)
        prefix = await self._private_prefix(ctx)
        servers = await self.rights.servers_here(ctx.guild, ctx.author, to_refuse=True)
        told = await answer_privately(ctx, embed=await self.rights.opt_out(servers, ctx.author, prefix))
        await note_sent(ctx, f"Done. {SENT}" if told else f"Done. `/{ctx.command}` would tell you the details.")

    @hybrid_command(
        name="forget-me",
        extras={"usage": "forget-me", "examples": ("forget-me",)},
        description="Have me forget you: your words, and what you asked me for",
    )
    async def forget_me(self, ctx: Context) -> None:
        """Have me forget you, after asking: as `optout`, and the requests for texts that you sent me are deleted.

        A direct message confirms what was taken out, and by when models that learned it are made again without it,
        or deleted. In a direct message it counts for all servers.
        """
        await ctx.defer(ephemeral=True)
        prefix = await self._private_prefix(ctx)
        servers = await self.rights.servers_here(ctx.guild, ctx.author, to_refuse=True)
        guild_id = ctx.guild.id if ctx.guild is not None else None
        question: dict[str, Any] = {
            "embed": embeds.forget_question(list(map(self.rights.name_of, servers)), self.rights.terms(prefix)),
            "view": embeds.forget_buttons(guild_id, ctx.author.id),
        }
        if await answer_privately(ctx, **question):
            await note_sent(ctx)
        else:  # nobody must need a slash command to be forgotten
            await ctx.send(NOT_SENT, **question)

    @hybrid_command(
        extras={"usage": "privacy", "examples": ("privacy",)}, description="What I hold of you, and where it is used"
    )
    async def privacy(self, ctx: Context) -> None:
        """Show what I hold of you: whether you agreed, your words that are stored, the models that learned from them.

        In a direct message it tells of all servers. Only you see the answer.
        """
        await ctx.defer(ephemeral=True)
        terms = self.rights.terms(await self._private_prefix(ctx))
        servers = await self.rights.servers_here(ctx.guild, ctx.author)
        held = [await self.holdings.in_server(guild_id, ctx.author) for guild_id in servers[:_MOST_PAGES]]
        pages = [embeds.privacy_page(one, terms) for one in held] or [embeds.nothing_held(terms)]
        more = len(servers) - len(pages)
        content = f"And {more} more servers: `{terms.prefix}export-data` tells of all." if more > 0 else None
        await tell_privately(ctx, content=content, embed=pages[0])
        for page in pages[1:]:  # only in a direct message
            await ctx.send(embed=page, ephemeral=True)

    @hybrid_command(
        name="export-data",
        extras={"usage": "export-data", "examples": ("export-data",)},
        description="Get all that I hold of you as a file",
    )
    async def export_data(self, ctx: Context) -> None:
        """Get all that I hold of you, in all servers, as a JSON file that only you see."""
        await ctx.defer(ephemeral=True)
        request = ctx.interaction.id if ctx.interaction is not None else ctx.message.id
        async with self.cooldowns.spend("data", 0, ctx.author.id, _EXPORT_EVERY_S, request=request):
            found = await export(self.holdings, ctx.author)
            first, *others = found.as_files()
            content = "This is all that I hold of you. Not in it:\n" + "\n".join(f"- {one}" for one in found.left_out)
            if others:
                content += f"\nIt comes in {len(others) + 1} pieces: put together in order, they are one `.gz` file."
            await tell_privately(ctx, content=content, file=first)
            for file in others:
                await answer_privately(ctx, file=file)

    async def _private_prefix(self, ctx: Context) -> str:
        """What commands begin with where a private answer is read: in the channel, or in direct messages."""
        guild = None if is_elsewhere(ctx) else ctx.guild
        return await self.servers.prefix(guild.id if guild is not None else None)


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
