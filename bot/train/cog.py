"""The commands `train` and `catalogue`."""

import asyncio
import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import discord
from discord import app_commands
from discord.ext import commands

from bot import words
from bot.channels.sources import Sources, is_channel, own_channel
from bot.core import Core
from bot.options.autocomplete import in_time
from bot.responder import replying
from bot.servers.access import Actor, require_edits
from bot.train import options as train_options
from bot.train.options import TrainFlags
from bot.train.preview import Previews
from bot.train.start import Trainings, TrainRequest
from bot.train.uploads import ReadChat, Uploads
from bot.types import Context, hybrid_command
from bot.words import as_typed, code
from galvanic.errors import UserError
from galvanic.languages import language_name
from galvanic.options import STARTS
from galvanic.read.chat import refuse_for_text
from shared.corpora.catalogue import CatalogueEntry, catalogue
from shared.corpora.corpus import Corpus
from shared.corpora.sources import UnknownText, names as text_names
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
class TrainCommands(commands.Cog):
    """The commands `train` and `catalogue`."""

    core: Core
    trainings: Trainings
    sources: Sources
    uploads: Uploads
    previews: Previews

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
            "train --name us          (with files attached)",
            "train --only Ada,Ben     (with a chat attached)",
        ),
        about="Train a model on a text, and watch it learn",
        heading="Training",
    )
    @app_commands.describe(
        file="A text, a book, a chat or a .zip of them to learn from, instead of a text from the catalogue"
    )
    async def train(self, ctx: Context, file: discord.Attachment | None = None, *, flags: TrainFlags) -> None:
        """Train a model on a text from the catalogue, on attached files, or on a channel.

        Attach texts, books, or the export of a chat, up to ten files. I first show what I would learn of a chat, and
        you begin with a button. `--only` and `--without` choose its people; `--text-column` has me learn a table.

        I learn from a channel only where the server's admins allow it, and each member decides whether I learn from
        their messages; with `@me` before it, only from yours, and the model is yours alone until you share it.

        `more` instead of a text trains the channel's model further on its own text; `--from MODEL` trains a model
        further on any text. The old model is kept. A new model starts from the English that I come with where that
        helps; `--from starter` or `--from none` decides it.
        """
        require_edits(ctx)
        train_options.check(flags, self.core.settings)
        files = ctx.message.attachments if ctx.interaction is None else [*filter(None, [file])]
        await ctx.defer(ephemeral=bool(files))  # a chat is shown to this person alone, if only they see the files
        async with contextlib.nullcontext() if ctx.interaction else self.core.typing.shown(ctx.channel.id):
            begun = await self._begin(ctx, files, flags)
        if begun and ctx.interaction is not None:
            await ctx.send("Your training has a card in this channel.", ephemeral=bool(files))

    async def _begin(self, ctx: Context, files: Sequence[discord.Attachment], flags: TrainFlags) -> bool:
        """Begin a training; False: a chat is shown first, or Discord delivered this before."""
        actor = Actor.of(ctx)
        prefix = await self.core.servers.prefix(actor.guild_id)
        if not files and flags.source is None:
            raise UserError(
                "What should I learn?",
                f"Name a text, such as `{as_typed(prefix, 'train', 'source', 'frankenstein')}` (`{prefix}catalogue` "
                f"lists them), or attach files. `{as_typed(prefix, 'train', 'source', train_options.MORE)}` "
                "trains this channel's model further.",
            )
        if files and flags.source is not None:
            further = f"`{as_typed(prefix, 'train', '--from', 'MODEL')}` trains a model further on the file."
            raise UserError(
                "You named a text and attached a file.", f"Leave out {code(flags.source)} or the file. {further}"
            )
        if train_options.is_more(flags):
            refuse_for_text(train_options.chat_options(flags))
            parent = await self.trainings.registry.choose(actor.viewer, flags.parent)
            options = train_options.chosen(flags, self.core.settings, parent)
            return await self.trainings.begin_more(actor, parent, options)
        own = own_channel(flags.source or "", actor.user.id)
        if own is not None or is_channel(flags.source or ""):
            refuse_for_text(replace(train_options.chat_options(flags), speakers=False))
            return await self.trainings.begin(actor, functools.partial(self._of_messages, actor, flags, own))
        return await self._begin_text(ctx, actor, files, flags)

    async def _begin_text(
        self, ctx: Context, actor: Actor, files: Sequence[discord.Attachment], flags: TrainFlags
    ) -> bool:
        """Train on a text, or show a chat first."""
        parent = await self._parent(actor, flags)
        options = train_options.chosen(flags, self.core.settings, parent)
        is_private = bool(files) and ctx.interaction is not None

        async def prepare() -> TrainRequest | None:
            content = await self._content(actor, files, flags)
            if isinstance(content, Corpus):
                return TrainRequest(content, options, parent)
            send = functools.partial(ctx.send, ephemeral=is_private, **replying(ctx))
            await self.previews.show(actor, content, options, send, parent=parent, speakers=flags.speakers)
            return None

        return await self.trainings.begin(actor, prepare)

    async def _content(self, actor: Actor, files: Sequence[discord.Attachment], flags: TrainFlags) -> Corpus | ReadChat:
        """Read attached files, or the text of a name. Raises UserError: there is none, or it can't be learned."""
        chat_options = train_options.chat_options(flags)
        if files:
            return await self.uploads.read(actor, files, chat_options)
        assert flags.source is not None
        try:
            return await self.uploads.named(actor, flags.source, chat_options)
        except UnknownText as error:
            if (name := await self.sources.meant(actor, flags.source)) is None:
                raise
            prefix = await self.core.servers.prefix(actor.guild_id)
            raise UserError(
                error.problem,
                f"If you mean the channel, write `{as_typed(prefix, 'train', 'source', f'#{name}')}`.",
            ) from error

    async def _parent(self, actor: Actor, flags: TrainFlags) -> ModelRecord | None:
        """Return the model to start from, or None. Raises UserError: there is none of that name."""
        if not train_options.starts_from_model(flags):
            return None
        return await self.trainings.registry.choose(actor.viewer, flags.parent)

    async def _of_messages(self, actor: Actor, flags: TrainFlags, own: str | None) -> TrainRequest:
        """Return a request to read the whole channel; from a model that learned it before, what was said since.

        Raises UserError: the model is gone or may not be used here; or as `Sources.find`.
        """
        assert flags.source is not None
        source = await self.sources.find(actor, own or flags.source, own=own is not None)
        parent = await self._parent(actor, flags)
        options = train_options.chosen(flags, self.core.settings, parent)
        after = await self.trainings.learned_until(parent, source.id) if parent is not None else 0
        author_id = actor.user.id if own is not None else 0
        return self.trainings.of_messages(
            source, options, parent, speakers=flags.speakers, after=after, author_id=author_id
        )

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
        await ctx.send(embed=embed.set_footer(text=f"{how}, or attach files"))
