"""Commands `models`, and `model` with its subcommands."""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.components import MODEL, USER, Components, Press
from bot.core import Core
from bot.errors import nearest
from bot.jobs.delivery import Delivery
from bot.models import embeds, sharing
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.models.transfer import Transfer
from bot.options import autocomplete, checks, decoding
from bot.responder import answer_privately, replying
from bot.servers.access import Actor, Viewer, guild_of, require_permissions, visible_channels
from bot.types import Context, Send, hybrid_command, hybrid_group
from bot.words import GREY, as_typed, code, typed_prefix
from galvanic.errors import UserError
from shared.events import Failed, Pictured
from shared.jobs import LOSS_FILE, PictureJob
from shared.models import ModelRecord

_NAME = "One of the names that /models lists"


def _subcommand(
    group: commands.HybridGroup[Any, ..., Any], usage: str, *examples: str, about: str, **options: Any
) -> Callable[[Callable[..., Any]], commands.HybridCommand[Any, ..., Any]]:
    """Declare a subcommand. `usage` and `examples` begin with its name; help puts the group's name before it."""
    extras: Any = {"usage": f"{group.name} {usage}", "examples": [f"{group.name} {example}" for example in examples]}
    return group.command(name=usage.split()[0], ignore_extra=False, extras=extras, description=about, **options)


@dataclass(eq=False, repr=False)
class ModelCommands(commands.Cog):
    """Commands and buttons of models. Rights are asked at each command and each press."""

    core: Core
    registry: Registry
    transfer: Transfer
    removal: Removal

    # ------------------------------------------------------------------ listing and showing

    @hybrid_command("models", about="The models you can use in this channel", heading="Models")
    async def models(self, ctx: Context) -> None:
        """List the models that can be used in this channel, newest first. Those of your own words only you see."""
        await ctx.defer()
        actor = Actor.of(ctx)
        usable = await self.registry.usable(actor.viewer)
        for_all = await self.registry.among(Viewer(actor.guild_id, actor.here), usable)
        await ctx.send(**await self._page(actor, for_all, 0))
        if private := [model for model in usable if model not in for_all]:
            prefix = await self.core.servers.prefix(actor.guild_id)
            await answer_privately(ctx, embed=embeds.private_list(private, prefix))

    async def _pressed_page(self, press: Press) -> None:
        models = await self.registry.usable(Viewer(press.actor.guild_id, press.actor.here))
        await press.update(**await self._page(press.actor, models, int(press["page"])))

    async def _page(self, actor: Actor, models: list[ModelRecord], page: int) -> dict[str, Any]:
        """Return one page of the models that everybody in a channel may use, to send or to edit a message to."""
        prefix = await self.core.servers.prefix(actor.guild_id)
        if not models:
            text = (
                f"There is no model here yet.\nTrain one: `{as_typed(prefix, 'train', 'source', 'frankenstein')}`, or "
                f"attach a file to `{prefix}train`. `{prefix}model import` imports one that was exported. Until "
                f"then `{prefix}generate` writes with the English that I come with."
            )
            return {"embed": discord.Embed(description=text, colour=GREY), "view": None}
        current = await self.registry.current(Viewer(actor.guild_id, actor.here))
        kept = (await self.core.servers.channel(actor.here)).keep
        last = embeds.pages(models) - 1
        page = min(page, last)
        return {
            "embed": embeds.model_list(models, current, page, prefix, kept=kept),
            "view": embeds.page_buttons(page, last),
        }

    @hybrid_group(
        invoke_without_command=True,
        case_insensitive=True,
        extras={
            "usage": "model [info|use|temperature|rename|share|unshare|export|import|delete] ...",
            "examples": ("model", "model info frankenstein", "model use frankenstein"),
            "heading": "Models",
        },
        description="Show, choose, share and manage models",
    )
    @commands.guild_only()
    async def model(self, ctx: Context, *, words: str = "") -> None:
        """Show this channel's model. `models` lists those that you can use here."""
        if not words:
            await self._info(ctx, None)
            return
        prefix = await self.core.servers.prefix(Actor.of(ctx).guild_id)
        begin = typed_prefix(prefix, self.core.bot.user)
        names = sorted(command.name for command in self.model.commands)
        near = nearest(words.split()[0], names, f"{begin}model ")
        remedy = f"Did you mean {near}?" if near else f"It has {', '.join(f'`{name}`' for name in names)}."
        raise UserError(f"`{prefix}model` has no {code(words.split()[0])}.", remedy)

    _part = functools.partial(_subcommand, model)

    @_part(
        "info [NAME]",
        "info frankenstein",
        about="A model's card: how good it is, what it learned, where it can be used",
    )
    @app_commands.describe(name=f"{_NAME}; without one, this channel's model")
    async def model_info(self, ctx: Context, name: str | None = None) -> None:
        """Show a model's card: how good it is, what it learned, where it can be used, and its loss curve."""
        await self._info(ctx, name)

    async def _info(self, ctx: Context, name: str | None) -> None:
        """Show a model's card, with a picture if a worker is there to draw it."""

        async def build(actor: Actor) -> PictureJob:
            model = await self.registry.choose(actor.viewer, name)
            return PictureJob(**actor.asks(PictureJob), model=model.ref)

        await self.core.requests.command(ctx, build, may=None, cooldown="model")

    async def _post_info(self, send: Send, job: PictureJob, event: Pictured | Failed, **options: Any) -> None:
        """Show a model's card, even when no picture came. Raises UserError: it can't be used there by now."""
        place = job.place
        (model,) = await self.registry.require_may_use(place, [job.model.model_id])
        picture = await self.core.jobs.artifact(job.job_id, LOSS_FILE) if isinstance(event, Pictured) else None
        missing = event.problem if isinstance(event, Failed) else "No worker drew one in time."
        embed = embeds.model_info(
            model,
            current=model == await self.registry.current(Viewer(place.guild_id, place.channel_ids)),
            kept=(await self.core.servers.channel(place.channel_ids)).keep,
            prefix=await self.core.servers.prefix(place.guild_id),
            facts=event.facts if isinstance(event, Pictured) else (),
            no_picture=None if picture is not None else missing,
            gone_by=await self.registry.gone_by(model),
            renewed_by=await self.registry.renewed_by(model),
        )
        files = [] if picture is None else [discord.File(io.BytesIO(picture), LOSS_FILE)]
        view = embeds.model_buttons(model.model_id, "write", "use", "export", "delete")
        await send(embed=embed, files=files, view=view, **options)

    # ------------------------------------------------------------------ choosing a model

    @_part("use NAME [--keep]", "use frankenstein", "use frankenstein --keep", about="Choose this channel's model")
    @app_commands.describe(name=_NAME, keep="Trainings here don't replace it")
    async def model_use(self, ctx: Context, name: str, keep: Literal["--keep"] | None = None) -> None:
        """Choose this channel's model: the one that `generate` uses.

        A training makes its own model the channel's, unless you add `--keep`. Without it, the model is no longer kept.
        """
        actor, model = await self._named(ctx, name)
        lasts = await self._use(actor, model, keep=keep is not None)
        await ctx.send(f"`{model.name}` is now this channel's model.{lasts}")

    async def _pressed_use(self, press: Press) -> None:
        model = await self.registry.by_id(press.actor.viewer, press["model"])
        lasts = await self._use(press.actor, model, keep=None)
        await press.send(f"<@{press.actor.user.id}> made `{model.name}` this channel's model.{lasts}")

    async def _use(self, actor: Actor, model: ModelRecord, *, keep: bool | None) -> str:
        """Make a model the channel's. Return how long it stays so, if that is not as usual or was different before.

        `keep`: whether trainings leave it; None: only if they do already.
        """
        await self.core.access.require("generate", actor)
        if not await self.registry.among(Viewer(actor.guild_id, actor.here), [model]):
            prefix = await self.core.servers.prefix(actor.guild_id)
            share = as_typed(prefix, "model share", "name", model.name, "where", "#CHANNEL")
            raise UserError(
                f"`{model.name}` is for you alone, and a channel's model is for everybody there.",
                f"Share it first: `{share}`.",
            )
        before = await self.core.servers.channel(actor.here)
        if keep is None:
            keep = before.keep and before.model == model.model_id
        await self.registry.use(actor.place.channel_id, model, keep=keep)
        if keep:
            return embeds.KEPT
        return embeds.NOT_KEPT if before.keep else ""

    @_part(
        "temperature [VALUE|default]",
        "temperature 0.5",
        "temperature default",
        aliases=["temp"],
        about="Show or set the default temperature of this channel's texts",
    )
    @app_commands.describe(value="0 is the most predictable, 1 as surprising as the text; or `default`")
    async def model_temperature(self, ctx: Context, value: str | None = None) -> None:
        """Show or set the default temperature of this channel's texts.

        0 is the most predictable, 1 as surprising as the text itself, 2 is wild.
        """
        await ctx.defer()
        actor = Actor.of(ctx)
        prefix = await self.core.servers.prefix(actor.guild_id)
        cooler, usual_again = (
            as_typed(prefix, "model temperature", "value", example) for example in ("0.5", "default")
        )
        if value is not None:
            await self.core.access.require("generate", actor)
            remedy = f"Use a number from 0 to {checks.HOTTEST:g}, as in `{cooler}`, or `default`."
            usual = value.strip().lower() in ("default", "usual", "reset")
            await self.core.servers.choose(
                actor.here[0], "temperature", None if usual else checks.temperature(value, remedy)
            )
        chosen = (await self.core.servers.channel(actor.here)).temperature
        other = f"`{cooler}` would make them more predictable, 1 more surprising."
        if chosen is not None:
            other = f"`{usual_again}` goes back to each model's own."
        current = "each model's own temperature, the default" if chosen is None else f"temperature {chosen:g}"
        await ctx.send(f"Texts in this channel are generated at {current}. {other}")

    # ------------------------------------------------------------------ renaming, deleting, sharing

    @_part("rename OLD NEW", "rename frankenstein-2 victor", about="Rename a model of yours")
    @app_commands.describe(old=_NAME, new="Up to 32 of a-z, 0-9, - and _")
    @app_commands.rename(old="name")
    async def model_rename(self, ctx: Context, old: str, new: str) -> None:
        """Give a model another name. Only its owner and members with Manage Server may."""
        name = checks.model_name(new)
        actor, model = await self._named(ctx, old)
        sharing.require_owner(model, actor, "rename it")
        if name == model.name:
            raise UserError(f"`{model.name}` already has this name.", "Choose another one.")
        # Channels, buttons and trainings that use a model know it by its id.
        await self.registry.amend(model, lambda record: record.model_copy(update={"name": name}))
        await ctx.send(f"`{model.name}` is now called `{name}`.")

    @_part("delete NAME", "delete frankenstein-2", aliases=["remove"], about="Delete a model of yours for good")
    @app_commands.describe(name=_NAME)
    async def model_delete(self, ctx: Context, name: str) -> None:
        """Delete a model and its files for good, after asking. For its owner and members with Manage Server."""
        require_permissions(ctx)
        await self._ask_to_delete(*await self._named(ctx, name), ctx.send, **replying(ctx))

    async def _pressed_delete(self, press: Press) -> None:
        model = await self.registry.by_id(press.actor.viewer, press["model"])
        await self._ask_to_delete(press.actor, model, press.send)

    async def _ask_to_delete(self, actor: Actor, model: ModelRecord, send: Send, **options: Any) -> None:
        sharing.require_owner(model, actor, "delete it")
        embed = embeds.delete_question(model, actor.user.id, await self.core.servers.prefix(actor.guild_id))
        await send(embed=embed, view=embeds.question_buttons(model.model_id, actor.user.id), **options)

    async def _pressed_yes(self, press: Press) -> None:
        model = await self.registry.by_id(press.actor.viewer, press["model"])
        sharing.require_owner(model, press.actor, "delete it")
        if not await self.removal.delete(model):
            raise UserError(f"`{model.name}` was deleted a moment ago.", "There is nothing left to do.")
        notice = f"🗑️ `{model.name}` was deleted by <@{press.actor.user.id}>."
        await press.update(embed=discord.Embed(description=notice, colour=GREY), view=None)

    async def _pressed_no(self, press: Press) -> None:
        notice = f"<@{press.actor.user.id}> kept the model: nothing was deleted."
        await press.update(embed=discord.Embed(description=notice, colour=GREY), view=None)

    @_part(
        "share NAME #CHANNEL|server",
        "share diary #library",
        "share diary server",
        about="Let another channel, or the whole server, use a model of an uploaded text",
    )
    @app_commands.describe(name=_NAME, where="A channel that you can see, or `server`")
    async def model_share(self, ctx: Context, name: str, *, where: str) -> None:
        """Let another channel, or the whole `server`, use a model of an uploaded text.

        What a model writes may quote its text. For its owner and members with Manage Server.
        """
        require_permissions(ctx)
        actor, model = await self._named(ctx, name)
        shared, to = await sharing.share(self.registry, guild_of(self.core.bot, actor.guild_id), actor, model, where)
        prefix = await self.core.servers.prefix(actor.guild_id)
        place = "in the whole server" if to is None else f"in <#{to.id}> and its threads"
        back = as_typed(prefix, "model unshare", "name", shared.name)
        await ctx.send(embed=embeds.shared(shared, place, back))

    @_part("unshare NAME", "unshare diary", about="Stop sharing a model")
    @app_commands.describe(name=_NAME)
    async def model_unshare(self, ctx: Context, name: str) -> None:
        """Stop sharing a model: it can be used only where it was trained."""
        require_permissions(ctx)
        actor, model = await self._named(ctx, name)
        await ctx.send(embed=embeds.unshared(await sharing.unshare(self.registry, actor, model)))

    # ------------------------------------------------------------------ exporting, importing

    @_part(
        "export [NAME] [--page]",
        "export frankenstein",
        "export frankenstein --page",
        about="Post a model of yours as a file, to keep or to import elsewhere",
    )
    @app_commands.describe(
        name=f"{_NAME}; without one, this channel's model", page="A page that writes in any browser, offline"
    )
    async def model_export(self, ctx: Context, name: str | None = None, page: Literal["--page"] | None = None) -> None:
        """Post a model as a file. For its owner and members with Manage Server.

        With `--page` it is a page that writes in any browser, offline; of books and files only, never of messages.
        The model of an uploaded text can be exported only in the channel where it was trained, and that of a channel's
        messages only by members with Manage Server.
        """
        alone = name == "--page"  # typed without a name
        await self.transfer.export(ctx, None if alone else name, page=alone or page is not None)

    @_part(
        "import [NAME]          (with a .safetensors file attached)",
        "import victor          (with a .safetensors file attached)",
        about="Import a model that was exported, here or in another server",
    )
    @app_commands.describe(file="A .safetensors file, as /model export makes it", name="What to call it here")
    async def model_import(self, ctx: Context, file: discord.Attachment | None = None, name: str | None = None) -> None:
        """Import a model that was exported as a `.safetensors` file, here or in another server.

        You own it then, and it can be used in this channel. For members who may train.
        """
        decoding.require_one_file(ctx)
        new_name = checks.model_name(name) if name is not None else None
        if file is None:
            prefix = await self.core.servers.prefix(Actor.of(ctx).guild_id)
            raise UserError(
                "There is no file to import.",
                "Attach a `.safetensors` file to the command; "
                f"`{as_typed(prefix, 'model export', 'name', 'NAME')}` makes one.",
            )
        await self.transfer.import_file(ctx, file, new_name)

    async def _named(self, ctx: Context, name: str) -> tuple[Actor, ModelRecord]:
        """Defer, and return who asks and the model of this name."""
        await ctx.defer()
        actor = Actor.of(ctx)
        return actor, await self.registry.choose(actor.viewer, name)

    # ------------------------------------------------------------------ autocomplete

    @model_info.autocomplete("name")
    @model_use.autocomplete("name")
    @model_rename.autocomplete("old")
    @model_delete.autocomplete("name")
    @model_share.autocomplete("name")
    @model_unshare.autocomplete("name")
    @model_export.autocomplete("name")
    async def _names(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.registry.offered(interaction, typed)

    @model_share.autocomplete("where")
    async def _places(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        seen = visible_channels(interaction.guild, interaction.user)
        named = ((f"#{channel.name}", str(channel.id)) for channel in seen)
        return autocomplete.choices([sharing.SERVER, *named], typed.strip().removeprefix("#"))

    def register(self, table: Components, delivery: Delivery) -> None:
        table.add("use", self._pressed_use, MODEL)
        table.add("delete", self._pressed_delete, MODEL)
        table.add("delete-now", self._pressed_yes, f"{MODEL}:{USER}", how="update", owner=True)
        table.add("delete-not", self._pressed_no, USER, how="update", owner=True)
        table.add("models", self._pressed_page, r"(?P<page>\d{1,4}):[<>]", how="update")
        delivery.present(PictureJob, self._post_info, failed=self._post_info)
