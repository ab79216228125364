"""`models`, and `model` with its subcommands."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import cards
from bot.models import embeds, sharing
from bot.models.views import list_page
from bot.options import attached, checks
from bot.options.autocomplete import choices
from bot.options.checks import Context
from bot.options.decorators import hybrid_command, hybrid_group
from bot.options.options import HOTTEST, temperature
from bot.responder import replying
from bot.servers.actor import Actor
from shared.errors import UserError
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

_NAME = "One of the names that `models` lists"


class Models(commands.Cog):
    """The commands about models, and what happens to the models of a channel that is deleted."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Make up for what an earlier run of the bot could not do."""
        await self.bot.model_actions.forget_lost_channels()
        await self.bot.model_actions.send_deletions()

    @commands.Cog.listener()
    async def on_model_removed(self) -> None:
        """Have the files of a deleted model removed."""
        await self.bot.model_actions.send_deletions()

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """Delete the models that were only this channel's."""
        await self.bot.model_actions.forget_channel(channel.guild, channel.id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """Delete the models that were only this thread's."""
        guild = self.bot.get_guild(payload.guild_id)
        if guild is not None:
            await self.bot.model_actions.forget_channel(guild, payload.thread_id)

    # ------------------------------------------------------------------ looking

    @hybrid_command(extras={"usage": "models"}, description="The models you can use in this channel")
    @commands.guild_only()
    async def models(self, ctx: Context) -> None:
        """List the models that can be used in this channel, newest first."""
        await ctx.defer()
        await ctx.send(**await list_page(self.bot, Actor.of(ctx), 0))

    @hybrid_group(
        invoke_without_command=True,
        case_insensitive=True,
        extras={
            "usage": "model [info|use|temperature|rename|share|unshare|export|import|delete] ...",
            "examples": ("model", "model info frankenstein", "model use frankenstein"),
        },
        description="Show, choose, share and manage models",
    )
    @commands.guild_only()
    async def model(self, ctx: Context, *, words: str = "") -> None:
        """Show this channel's model. `models` lists all of them."""
        if words:
            raise await self._mistyped(ctx, words)
        await self._info(ctx, None)

    @model.command(  # type: ignore[arg-type]
        name="info",
        ignore_extra=False,
        extras={"usage": "model info [NAME]", "examples": ("model info frankenstein",)},
        description="A model's card: how good it is, what it learned, where it can be used",
    )
    @commands.guild_only()
    @app_commands.describe(name=f"{_NAME}; without one, this channel's model")
    async def model_info(self, ctx: Context, name: str | None = None) -> None:
        """Show a model's card: how good it is, what it learned, where it can be used, and its loss curve."""
        await self._info(ctx, name)

    async def _info(self, ctx: Context, name: str | None) -> None:
        checks.require_permissions(ctx)
        await ctx.defer()
        who = Actor.of(ctx)
        model = await self.bot.registry.choose(who.guild_id, who.here, name)
        await self.bot.model_actions.show_info(who, model, ctx.send, **replying(ctx))

    async def _mistyped(self, ctx: Context, words: str) -> UserError:
        """What may have been meant by `model WORDS`."""
        who = Actor.of(ctx)
        prefix = await self.bot.guild_settings.prefix(who.guild_id)
        first, *rest = words.split()
        known = [command.name for command in self.model.commands]
        near = difflib.get_close_matches(first.lower(), known, n=1, cutoff=0.6)
        problem = f"`{prefix}model` has no {cards.code(first)}."
        names = {model.name for model in await self.bot.registry.usable(who.guild_id, who.here)}
        if near:
            meant = " ".join([f"{prefix}model", near[0], *rest])
            return UserError(problem, f"Did you mean {cards.code(meant, 80)}?")
        if first.lower() in names:
            return UserError(problem, f"`{prefix}model info {first.lower()}` shows the model of that name.")
        return UserError(problem, f"It has {', '.join(f'`{name}`' for name in sorted(known))}.")

    # ------------------------------------------------------------------ choosing

    @model.command(  # type: ignore[arg-type]
        name="use",
        ignore_extra=False,
        extras={"usage": "model use NAME", "examples": ("model use frankenstein",)},
        description="Choose this channel's model",
    )
    @commands.guild_only()
    @app_commands.describe(name=_NAME)
    async def model_use(self, ctx: Context, name: str) -> None:
        """Choose this channel's model: the one that `generate` uses."""
        await ctx.defer()
        who, model = await self._named(ctx, name)
        await self.bot.model_actions.use(who, model)
        await ctx.send(f"`{model.name}` is now this channel's model.")

    @model.command(  # type: ignore[arg-type]
        name="temperature",
        ignore_extra=False,
        aliases=["temp"],
        extras={
            "usage": "model temperature [VALUE|default]",
            "examples": ("model temperature 0.5", "model temperature default"),
        },
        description="Show or set the default temperature of this channel's texts",
    )
    @commands.guild_only()
    @app_commands.describe(value="0 always takes the likeliest, 1 is as surprising as the text; or `default`")
    async def model_temperature(self, ctx: Context, value: str | None = None) -> None:
        """Show or set the default temperature of this channel's texts.

        0 always takes the likeliest, 1 is as surprising as the text itself, 2 is wild.
        """
        await ctx.defer()
        who = Actor.of(ctx)
        settings, prefix = self.bot.guild_settings, await self.bot.guild_settings.prefix(who.guild_id)
        if value is not None:
            await self.bot.access.require("generate", who.user, who.channel)
            if value.strip().lower() in ("default", "usual", "reset"):
                await settings.forget_temperature(who.here[0])
            else:
                remedy = f"Use a number from 0 to {HOTTEST:g}, as in `{prefix}model temperature 0.5`, or `default`."
                await settings.choose(who.here[0], temperature=temperature(value, remedy))
        chosen = (await settings.channel(who.here)).temperature
        usual = self.bot.settings.generate_temperature
        if chosen is None:
            said = f"Texts in this channel are generated at temperature {usual:g}, the default."
            await ctx.send(
                f"{said} `{prefix}model temperature 0.5` would make them more predictable, 1 more surprising."
            )
        else:
            undo = f"`{prefix}model temperature default` goes back to {usual:g}"
            await ctx.send(f"Texts in this channel are generated at temperature {chosen:g}. {undo}.")

    # ------------------------------------------------------------------ looking after

    @model.command(  # type: ignore[arg-type]
        name="rename",
        ignore_extra=False,
        extras={"usage": "model rename OLD NEW", "examples": ("model rename frankenstein-2 victor",)},
        description="Rename a model of yours",
    )
    @commands.guild_only()
    @app_commands.describe(old=_NAME, new="Up to 32 of a-z, 0-9, - and _")
    @app_commands.rename(old="name")
    async def model_rename(self, ctx: Context, old: str, new: str) -> None:
        """Give a model another name. For its owner and members with Manage Server."""
        await ctx.defer()
        name = checks.model_name(new)
        assert name is not None
        who, model = await self._named(ctx, old)
        await self.bot.model_actions.rename(who, model, name)
        await ctx.send(f"`{model.name}` is now called `{name}`.")

    @model.command(  # type: ignore[arg-type]
        name="delete",
        ignore_extra=False,
        aliases=["remove"],
        extras={"usage": "model delete NAME", "examples": ("model delete frankenstein-2",)},
        description="Delete a model of yours for good",
    )
    @commands.guild_only()
    @app_commands.describe(name=_NAME)
    async def model_delete(self, ctx: Context, name: str) -> None:
        """Delete a model and its files for good, after asking. For its owner and members with Manage Server."""
        checks.require_permissions(ctx)
        await ctx.defer()
        who, model = await self._named(ctx, name)
        await ctx.send(**await self.bot.model_actions.question(who, model), **replying(ctx))

    @model.command(  # type: ignore[arg-type]
        name="share",
        ignore_extra=False,
        extras={
            "usage": "model share NAME #CHANNEL|server",
            "examples": ("model share diary #library", "model share diary server"),
        },
        description="Let another channel, or the whole server, use a model of an uploaded text",
    )
    @commands.guild_only()
    @app_commands.describe(name=_NAME, where="A channel that you can see, or `server`")
    async def model_share(self, ctx: Context, name: str, *, where: str) -> None:
        """Let another channel, or the whole `server`, use a model of an uploaded text.

        What a model writes may quote its text. For its owner and members with Manage Server.
        """
        checks.require_permissions(ctx)
        await ctx.defer()
        who, model = await self._named(ctx, name)
        to = sharing.target(self.bot, who, where)
        shared = await sharing.share(self.bot, who, model, to)
        prefix = await self.bot.guild_settings.prefix(who.guild_id)
        there = "in the whole server" if to is None else f"in <#{to.id}> and its threads"
        back = f"{prefix}model unshare {shared.name} {sharing.SERVER if to is None else f'#{to.name}'}"
        await ctx.send(embed=embeds.shared(shared, there, back))

    @model.command(  # type: ignore[arg-type]
        name="unshare",
        ignore_extra=False,
        extras={
            "usage": "model unshare NAME [#CHANNEL|server]",
            "examples": ("model unshare diary #library", "model unshare diary"),
        },
        description="Stop sharing a model",
    )
    @commands.guild_only()
    @app_commands.describe(name=_NAME, where="A channel, or `server`; without one, it is no longer shared at all")
    async def model_unshare(self, ctx: Context, name: str, *, where: str | None = None) -> None:
        """Stop sharing a model with a channel, with the whole `server`, or with everyone."""
        checks.require_permissions(ctx)
        await ctx.defer()
        who, model = await self._named(ctx, name)
        after, whom = await sharing.unshare(self.bot, who, model, where)
        await ctx.send(embed=embeds.unshared(after, whom))

    # ------------------------------------------------------------------ files

    @model.command(  # type: ignore[arg-type]
        name="export",
        ignore_extra=False,
        extras={"usage": "model export [NAME]", "examples": ("model export frankenstein", "model export")},
        description="Post a model of yours as a file, to keep or to import elsewhere",
    )
    @commands.guild_only()
    @app_commands.describe(name=f"{_NAME}; without one, the only one that you may export here")
    async def model_export(self, ctx: Context, name: str | None = None) -> None:
        """Post a model as a file. For its owner and members with Manage Server.

        The model of an uploaded text can be exported only in the channel where it was trained, and that of a channel's
        messages only by members with Manage Server.
        """
        checks.require_permissions(ctx)
        await ctx.defer()
        who = Actor.of(ctx)
        if name is None:
            model = await self.bot.model_actions.exportable(who)
        else:
            model = await self.bot.registry.choose(who.guild_id, who.here, name)
        await self.bot.model_actions.export(who, model, ctx.send, **replying(ctx))

    @model.command(  # type: ignore[arg-type]
        name="import",
        ignore_extra=False,
        extras={
            "usage": "model import [NAME]          (with a .galvanic file attached)",
            "examples": ("model import victor          (with a .galvanic file attached)",),
        },
        description="Import a model that was exported, here or in another server",
    )
    @commands.guild_only()
    @app_commands.describe(file="A .galvanic file, as `model export` makes it", name="What to call it here")
    async def model_import(self, ctx: Context, file: discord.Attachment | None = None, name: str | None = None) -> None:
        """Import a model that was exported as a `.galvanic` file, here or in another server.

        You own it then, and it can be used in this channel. For members who may train.
        """
        checks.require_permissions(ctx)
        attached.require_one(ctx)
        await ctx.defer()
        who = Actor.of(ctx)
        wanted = checks.model_name(name)
        if file is None:
            prefix = await self.bot.guild_settings.prefix(who.guild_id)
            raise UserError(
                "There is no file to import.",
                f"Attach a `.galvanic` file to the message; `{prefix}model export NAME` makes one.",
            )
        await self.bot.model_actions.import_file(who, file, wanted, ctx.send, **replying(ctx))

    async def _named(self, ctx: Context, name: str) -> tuple[Actor, ModelRecord]:
        who = Actor.of(ctx)
        return who, await self.bot.registry.choose(who.guild_id, who.here, name)

    # ------------------------------------------------------------------ while typing

    @model_info.autocomplete("name")
    @model_use.autocomplete("name")
    @model_rename.autocomplete("old")
    @model_delete.autocomplete("name")
    @model_share.autocomplete("name")
    @model_unshare.autocomplete("name")
    @model_export.autocomplete("name")
    async def _names(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.offers.in_time(self.bot.registry.offered(interaction, typed))

    @model_share.autocomplete("where")
    @model_unshare.autocomplete("where")
    async def _places(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild is None:
            return []
        seen = sharing.visible_channels(interaction.guild, interaction.user)
        named = ((f"#{channel.name}", str(channel.id)) for channel in seen)
        return choices([sharing.SERVER, *named], typed.strip().removeprefix("#"))


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Models(bot))
