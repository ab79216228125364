"""The commands `train` and `catalogue`."""

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import discord
from discord import app_commands
from discord.ext import commands

from bot import words
from bot.channels.reading import ReadingPlan
from bot.channels.sources import Sources, is_channel, own_channel
from bot.core import Core
from bot.options import decoding
from bot.options.autocomplete import in_time
from bot.servers.access import Actor, require_permissions
from bot.train import options as train_options
from bot.train.options import TrainFlags
from bot.train.start import Trainings, TrainRequest
from bot.types import Context, hybrid_command
from bot.words import as_typed, code
from galvanic.errors import UserError
from galvanic.languages import language_name
from galvanic.options import STARTS
from shared.corpora.catalogue import CatalogueEntry, catalogue
from shared.corpora.corpus import check_size, from_upload
from shared.corpora.sources import names as text_names, resolve
from shared.models import ModelRecord


def _by_language(entries: Sequence[CatalogueEntry]) -> list[str]:
    """Return a line for each text below its language, English first."""
    lines = list[str]()
    for text in sorted(entries, key=lambda text: (text.language != "en", language_name(text.language), text.name)):
        if (heading := f"**{language_name(text.language)}**") not in lines:
            lines.append(heading)
        lines.append(f"`{text.name}` {text.full_title}" + (f" ({text.note})" if text.note else ""))
    return lines


@dataclass(eq=False, repr=False)
class Training(commands.Cog):
    core: Core
    trainings: Trainings
    sources: Sources

    @hybrid_command(
        "train frankenstein [--OPTION VALUE ...]",
        (
            "train frankenstein --minutes 20",
            "train shakespeare --recipe word --name bard",
            "train frankenstein --layers 2 --units 512 --dropout 0.4",
            "train alice --from frankenstein",
            "train more --minutes 30",
            "train #general",
            "train @me #general",
            "train --name us          (with a .txt file attached)",
        ),
        about="Train a model on a text, and watch it learn",
        heading="Training",
    )
    @app_commands.describe(file="A .txt file to learn from, instead of a text from the catalogue")
    async def train(self, ctx: Context, file: discord.Attachment | None = None, *, flags: TrainFlags) -> None:
        """Train a model on a text from the catalogue, on an attached `.txt` file, or on a channel.

        I learn from a channel only where the server's admins allow it, and only from members who agreed; with `@me`
        before it, only from your messages, and the model is yours alone until you share it.

        `more` instead of a text trains the channel's model further on its own text; `--from MODEL` trains a model
        further on any text. The old model is kept. A new model starts from the English that I come with where that
        helps; `--from starter` or `--from none` decides it.
        """
        require_permissions(ctx)
        decoding.require_one_file(ctx)
        train_options.check(flags, self.core.settings)
        await ctx.defer()
        async with contextlib.nullcontext() if ctx.interaction else self.core.typing.shown(ctx.channel.id):
            await self._begin(ctx, file, flags)

    async def _begin(self, ctx: Context, file: discord.Attachment | None, flags: TrainFlags) -> None:
        actor = Actor.of(ctx)
        prefix = await self.core.servers.prefix(actor.guild_id)
        if file is None and flags.source is None:
            raise UserError(
                "What should I learn?",
                f"Name a text, such as `{as_typed(prefix, 'train', 'source', 'frankenstein')}` (`{prefix}catalogue` "
                f"lists them), or attach a `.txt` file. `{as_typed(prefix, 'train', 'source', train_options.MORE)}` "
                "trains this channel's model further.",
            )
        if file is not None and flags.source is not None:
            further = f"`{as_typed(prefix, 'train', '--from', 'MODEL')}` trains a model further on the file."
            raise UserError(
                "You named a text and attached a file.", f"Leave out {code(flags.source)} or the file. {further}"
            )
        if file is None and train_options.is_more(flags):
            parent = await self.trainings.registry.choose(actor.viewer, flags.parent)
            options = train_options.chosen(flags, self.core.settings, parent)
            await self.trainings.begin_more(actor, parent, options, ctx.send)
            return
        own = own_channel(flags.source or "", actor.user.id)
        if own is not None or is_channel(flags.source or ""):
            plan = functools.partial(self._plan, actor, flags, own)
            await self.trainings.begin_channel(actor, plan, ctx.send)
        else:
            request = functools.partial(self._request, actor, file, flags)
            await self.trainings.begin(actor, request, ctx.send)

    async def _parent(self, actor: Actor, flags: TrainFlags) -> ModelRecord | None:
        """Return the model to start from, or None. Raises UserError: there is none of that name."""
        if not train_options.starts_from_model(flags):
            return None
        return await self.trainings.registry.choose(actor.viewer, flags.parent)

    async def _request(self, actor: Actor, file: discord.Attachment | None, flags: TrainFlags) -> TrainRequest:
        settings, parent = self.core.settings, await self._parent(actor, flags)
        options = train_options.chosen(flags, settings, parent)
        if file is None:
            assert flags.source is not None
            try:
                return TrainRequest(await resolve(flags.source, settings), options, parent)
            except UserError as error:
                if (name := await self.sources.meant(actor, flags.source)) is None:
                    raise
                prefix = await self.core.servers.prefix(actor.guild_id)
                raise UserError(
                    error.problem,
                    f"If you mean the channel, write `{as_typed(prefix, 'train', 'source', f'#{name}')}`.",
                ) from error
        check_size(file.size, settings)
        data = await decoding.read_file(file)
        corpus = await asyncio.to_thread(from_upload, file.filename, data, settings)
        return TrainRequest(corpus, options, parent)

    async def _plan(self, actor: Actor, flags: TrainFlags, own: str | None) -> ReadingPlan:
        """Plan to read the whole channel; from a model that learned it before, what was said since.

        Raises UserError: the model is gone or may not be used here; or as `Sources.find`.
        """
        assert flags.source is not None
        source = await self.sources.find(actor, own or flags.source, own=own is not None)
        parent = await self._parent(actor, flags)
        options = train_options.chosen(flags, self.core.settings, parent)
        after = await self.trainings.learned_until(parent, source.id) if parent is not None else 0
        author_id = actor.user.id if own is not None else 0
        return ReadingPlan(source, options, speakers=flags.speakers, parent=parent, after=after, author_id=author_id)

    @train.autocomplete("source")
    @in_time
    async def _sources(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        names = await asyncio.to_thread(text_names, self.core.settings)
        return await self.sources.offered(interaction, [train_options.MORE, *names], typed)

    @train.autocomplete("parent")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.trainings.registry.offered(interaction, typed, *STARTS)

    @hybrid_command("catalogue", about="The texts I can fetch by name", heading="Training", direct=True)
    async def catalogue(self, ctx: Context) -> None:
        """List the texts that `train` knows by name."""
        entries = catalogue(self.core.settings.corpora_dir)
        lines = _by_language(entries)
        names = await asyncio.to_thread(text_names, self.core.settings)
        if own := sorted(set(names) - {text.name for text in entries}):
            lines.insert(0, "On this machine: " + ", ".join(f"`{name}`" for name in own[:40]))
        text = words.listed(lines, "… and {} more.")
        embed = discord.Embed(title="Catalogue", description=text, colour=words.BLURPLE)
        prefix = await self.core.servers.prefix(ctx.guild.id if ctx.guild is not None else None)
        how = as_typed(prefix, "train", "source", "NAME")
        await ctx.send(embed=embed.set_footer(text=f"{how}, or attach a file"))
