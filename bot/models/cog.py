"""`models`, and `model` with its subcommands."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.escape import code
from bot.models import embeds
from bot.models.actions import SERVER, ModelActions
from bot.models.removal import Removal
from bot.models.transfer import Transfer
from bot.options import autocomplete, checks, decoding
from bot.responder import replying
from bot.servers.access import require_permissions, visible_channels
from bot.servers.actor import Actor
from bot.types import Context, hybrid_command, hybrid_group
from shared.errors import UserError
from shared.models import ModelRecord

_NAME = "One of the names that `models` lists"


def _about(name: str, usage: str, *examples: str, description: str, **options: Any) -> dict[str, Any]:
    """What discord.py and the help page know of a subcommand."""
    extras = {"usage": usage, "examples": examples}
    return {"name": name, "ignore_extra": False, "extras": extras, "description": description, **options}


@dataclass(eq=False, repr=False)
class Models(commands.Cog):
    actions: ModelActions
    transfer: Transfer
    removal: Removal
    later: Callable[..., None]
    """Has something done until it succeeds."""

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.later(self.removal.forget_channel, channel.guild.id, channel.id)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.later(self.removal.forget_channel, payload.guild_id, payload.thread_id)

    # ------------------------------------------------------------------ looking

    @hybrid_command(extras={"usage": "models"}, description="The models you can use in this channel")
    @commands.guild_only()
    async def models(self, ctx: Context) -> None:
        """List the models that can be used in this channel, newest first."""
        await ctx.defer()
        await ctx.send(**await self.actions.page(Actor.of(ctx), 0))

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
        **_about(
            "info",
            "model info [NAME]",
            "model info frankenstein",
            description="A model's card: how good it is, what it learned, where it can be used",
        )
    )
    @app_commands.describe(name=f"{_NAME}; without one, this channel's model")
    async def model_info(self, ctx: Context, name: str | None = None) -> None:
        """Show a model's card: how good it is, what it learned, where it can be used, and its loss curve."""
        await self._info(ctx, name)

    async def _info(self, ctx: Context, name: str | None) -> None:
        require_permissions(ctx)
        await self.actions.show_info(*await self._named(ctx, name), ctx.send, **replying(ctx))

    async def _mistyped(self, ctx: Context, words: str) -> UserError:
        """What may have been meant by `model WORDS`."""
        who = Actor.of(ctx)
        prefix = await self.actions.servers.prefix(who.guild_id)
        first, *rest = words.split()
        known = [command.name for command in self.model.commands]
        problem = f"`{prefix}model` has no {code(first)}."
        if near := difflib.get_close_matches(first.lower(), known, n=1, cutoff=0.6):
            meant = " ".join([f"{prefix}model", near[0], *rest])
            return UserError(problem, f"Did you mean {code(meant, 80)}?")
        if first.lower() in {model.name for model in await self.actions.registry.usable(who.guild_id, who.here)}:
            return UserError(problem, f"`{prefix}model info {first.lower()}` shows the model of that name.")
        return UserError(problem, f"It has {', '.join(f'`{name}`' for name in sorted(known))}.")

    # ------------------------------------------------------------------ choosing

    @model.command(  # type: ignore[arg-type]
        **_about("use", "model use NAME", "model use frankenstein", description="Choose this channel's model")
    )
    @app_commands.describe(name=_NAME)
    async def model_use(self, ctx: Context, name: str) -> None:
        """Choose this channel's model: the one that `generate` uses."""
        who, model = await self._named(ctx, name)
        await self.actions.use(who, model)
        await ctx.send(f"`{model.name}` is now this channel's model.")

    @model.command(  # type: ignore[arg-type]
        **_about(
            "temperature",
            "model temperature [VALUE|default]",
            "model temperature 0.5",
            "model temperature default",
            aliases=["temp"],
            description="Show or set the default temperature of this channel's texts",
        )
    )
    @app_commands.describe(value="0 always takes the likeliest, 1 is as surprising as the text; or `default`")
    async def model_temperature(self, ctx: Context, value: str | None = None) -> None:
        """Show or set the default temperature of this channel's texts.

        0 always takes the likeliest, 1 is as surprising as the text itself, 2 is wild.
        """
        await ctx.defer()
        await ctx.send(await self.actions.temperature(Actor.of(ctx), value))

    # ------------------------------------------------------------------ looking after

    @model.command(  # type: ignore[arg-type]
        **_about(
            "rename",
            "model rename OLD NEW",
            "model rename frankenstein-2 victor",
            description="Rename a model of yours",
        )
    )
    @app_commands.describe(old=_NAME, new="Up to 32 of a-z, 0-9, - and _")
    @app_commands.rename(old="name")
    async def model_rename(self, ctx: Context, old: str, new: str) -> None:
        """Give a model another name. For its owner and members with Manage Server."""
        name = checks.model_name(new)
        who, model = await self._named(ctx, old)
        await self.actions.rename(who, model, name)
        await ctx.send(f"`{model.name}` is now called `{name}`.")

    @model.command(  # type: ignore[arg-type]
        **_about(
            "delete",
            "model delete NAME",
            "model delete frankenstein-2",
            aliases=["remove"],
            description="Delete a model of yours for good",
        )
    )
    @app_commands.describe(name=_NAME)
    async def model_delete(self, ctx: Context, name: str) -> None:
        """Delete a model and its files for good, after asking. For its owner and members with Manage Server."""
        require_permissions(ctx)
        await ctx.send(**await self.actions.question(*await self._named(ctx, name)), **replying(ctx))

    @model.command(  # type: ignore[arg-type]
        **_about(
            "share",
            "model share NAME #CHANNEL|server",
            "model share diary #library",
            "model share diary server",
            description="Let another channel, or the whole server, use a model of an uploaded text",
        )
    )
    @app_commands.describe(name=_NAME, where="A channel that you can see, or `server`")
    async def model_share(self, ctx: Context, name: str, *, where: str) -> None:
        """Let another channel, or the whole `server`, use a model of an uploaded text.

        What a model writes may quote its text. For its owner and members with Manage Server.
        """
        require_permissions(ctx)
        who, model = await self._named(ctx, name)
        shared, to = await self.actions.share(who, model, where)
        prefix = await self.actions.servers.prefix(who.guild_id)
        there = "in the whole server" if to is None else f"in <#{to.id}> and its threads"
        back = f"{prefix}model unshare {shared.name} {SERVER if to is None else f'#{to.name}'}"
        await ctx.send(embed=embeds.shared(shared, there, back))

    @model.command(  # type: ignore[arg-type]
        **_about(
            "unshare",
            "model unshare NAME [#CHANNEL|server]",
            "model unshare diary #library",
            "model unshare diary",
            description="Stop sharing a model",
        )
    )
    @app_commands.describe(name=_NAME, where="A channel, or `server`; without one, it is no longer shared at all")
    async def model_unshare(self, ctx: Context, name: str, *, where: str | None = None) -> None:
        """Stop sharing a model with a channel, with the whole `server`, or with everyone."""
        require_permissions(ctx)
        who, model = await self._named(ctx, name)
        await ctx.send(embed=embeds.unshared(*await self.actions.unshare(who, model, where)))

    # ------------------------------------------------------------------ files

    @model.command(  # type: ignore[arg-type]
        **_about(
            "export",
            "model export [NAME]",
            "model export frankenstein",
            "model export",
            description="Post a model of yours as a file, to keep or to import elsewhere",
        )
    )
    @app_commands.describe(name=f"{_NAME}; without one, the only one that you may export here")
    async def model_export(self, ctx: Context, name: str | None = None) -> None:
        """Post a model as a file. For its owner and members with Manage Server.

        The model of an uploaded text can be exported only in the channel where it was trained, and that of a channel's
        messages only by members with Manage Server.
        """
        require_permissions(ctx)
        await ctx.defer()
        who = Actor.of(ctx)
        model = await (self.transfer.exportable(who) if name is None else self.transfer.named(who, name))
        await self.transfer.export(who, model, ctx.send, **replying(ctx))

    @model.command(  # type: ignore[arg-type]
        **_about(
            "import",
            "model import [NAME]          (with a .safetensors file attached)",
            "model import victor          (with a .safetensors file attached)",
            description="Import a model that was exported, here or in another server",
        )
    )
    @app_commands.describe(file="A .safetensors file, as `model export` makes it", name="What to call it here")
    async def model_import(self, ctx: Context, file: discord.Attachment | None = None, name: str | None = None) -> None:
        """Import a model that was exported as a `.safetensors` file, here or in another server.

        You own it then, and it can be used in this channel. For members who may train.
        """
        require_permissions(ctx)
        decoding.require_one_file(ctx)
        await ctx.defer()
        who = Actor.of(ctx)
        wanted = checks.model_name(name) if name is not None else None
        if file is None:
            prefix = await self.actions.servers.prefix(who.guild_id)
            raise UserError(
                "There is no file to import.",
                f"Attach a `.safetensors` file to the message; `{prefix}model export NAME` makes one.",
            )
        await self.transfer.import_file(who, file, wanted, ctx.send, **replying(ctx))

    async def _named(self, ctx: Context, name: str | None) -> tuple[Actor, ModelRecord]:
        """`name` None: the channel's model."""
        await ctx.defer()
        who = Actor.of(ctx)
        return who, await self.actions.named(who, name)

    # ------------------------------------------------------------------ while typing

    @model_info.autocomplete("name")
    @model_use.autocomplete("name")
    @model_rename.autocomplete("old")
    @model_delete.autocomplete("name")
    @model_share.autocomplete("name")
    @model_unshare.autocomplete("name")
    @model_export.autocomplete("name")
    async def _names(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.actions.registry.offered(interaction, typed)

    @model_share.autocomplete("where")
    @model_unshare.autocomplete("where")
    async def _places(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild is None:
            return []
        seen = visible_channels(interaction.guild, interaction.user)
        named = ((f"#{channel.name}", str(channel.id)) for channel in seen)
        return autocomplete.choices([SERVER, *named], typed.strip().removeprefix("#"))
