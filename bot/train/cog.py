"""`train` and `catalogue`."""

from __future__ import annotations

import asyncio
import contextlib
import functools

import discord
from discord import app_commands
from discord.ext import commands

from bot import words
from bot.channels import sources
from bot.components import Components, Press
from bot.escape import code
from bot.options import decoding
from bot.options.autocomplete import in_time
from bot.options.options import options_form
from bot.servers.access import require_permissions
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.train import options as train_options
from bot.train.channel import ChannelTrainings
from bot.train.options import TrainFlags
from bot.train.start import Trainings, TrainRequest
from bot.types import Context, Send, hybrid_command
from shared import corpora
from shared.errors import UserError
from shared.settings import Settings

USAGE = "train frankenstein [--OPTION VALUE ...]"
EXAMPLES = (
    "train frankenstein --minutes 20",
    "train shakespeare --recipe word --name bard",
    "train frankenstein --layers 2 --units 512 --dropout 0.4",
    "train alice --from frankenstein",
    "train more --minutes 30",
    "train #general",
    "train --name us          (with a .txt file attached)",
)


class Training(commands.Cog):
    def __init__(
        self,
        settings: Settings,
        servers: GuildSettingsStore,
        trainings: Trainings,
        channels: ChannelTrainings,
        components: Components,
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._trainings = trainings
        self._channels = channels
        self._components = components

    @hybrid_command(
        extras={"usage": USAGE, "examples": EXAMPLES}, description="Train a model on a text, and watch it learn"
    )
    @commands.guild_only()
    @app_commands.describe(file="A .txt file to learn from, instead of a text from the catalogue")
    async def train(self, ctx: Context, file: discord.Attachment | None = None, *, flags: TrainFlags) -> None:
        """Train a model on a text from the catalogue, on an attached `.txt` file, or on a channel.

        A channel is learned from where its server's admins allow it, and only from members who agreed.

        `more` instead of a text trains the channel's model further on its own text; `--from MODEL` trains a model
        further on any text. The old model is kept.
        """
        require_permissions(ctx)
        decoding.require_one_file(ctx)
        if ctx.interaction is not None and flags.advanced:

            async def work(press: Press) -> None:
                train_options.check(flags, self._settings)
                await self._train(press.actor, file, flags, press.send, by_message=True)

            await self._components.open(ctx.interaction, options_form(ctx, flags, work))
            return
        train_options.check(flags, self._settings)
        await ctx.defer()
        async with contextlib.nullcontext() if ctx.interaction else ctx.typing():
            await self._train(Actor.of(ctx), file, flags, ctx.send, by_message=ctx.interaction is None)

    async def _train(
        self, who: Actor, file: discord.Attachment | None, flags: TrainFlags, send: Send, *, by_message: bool
    ) -> None:
        await self._check_source(who, file, flags)
        if file is None and flags.source is not None and sources.is_channel(flags.source):
            await self._channels.begin(who, flags, send, by_message=by_message)
            return
        request = functools.partial(self._request, who, file, flags)
        await self._trainings.begin(who, request, send, by_message=by_message)

    async def _request(self, who: Actor, file: discord.Attachment | None, flags: TrainFlags) -> TrainRequest:
        parent = None
        if train_options.starts_from_model(flags):
            parent = await self._trainings.registry.choose(who.guild_id, who.here, flags.parent)
        options = train_options.chosen(flags, self._settings, parent)
        if parent is None or not train_options.is_more(flags):
            return TrainRequest(await self._corpus(who, file, flags), options, parent)
        return await self._trainings.again(who, parent, options)

    async def _check_source(self, who: Actor, file: discord.Attachment | None, flags: TrainFlags) -> None:
        prefix = await self._servers.prefix(who.guild_id)
        if file is None and flags.source is None:
            raise UserError(
                "What should I learn?",
                f"Name a text, such as `{prefix}train frankenstein` (`{prefix}catalogue` lists them), or attach a "
                f"`.txt` file. `{prefix}train more` trains this channel's model further.",
            )
        if file is not None and flags.source is not None:
            raise UserError(
                "You named a text and attached a file.",
                f"Leave out {code(flags.source)} or the file."
                + (
                    f" `{prefix}train --from MODEL` trains a model further on the file."
                    if train_options.is_more(flags)
                    else ""
                ),
            )

    async def _corpus(self, who: Actor, file: discord.Attachment | None, flags: TrainFlags) -> corpora.Corpus:
        if file is None:
            assert flags.source is not None
            try:
                return await corpora.resolve(flags.source, self._settings, keep_licence=flags.keep_licence)
            except UserError as error:
                if (name := sources.looks_like(who, flags.source)) is None:
                    raise
                prefix = await self._servers.prefix(who.guild_id)
                remedy = f"If you mean the channel, write `{prefix}train #{name}`."
                raise UserError(error.problem, remedy) from error
        corpora.check_size(file.size, self._settings)
        data = await decoding.read_file(file)
        settings, keep_licence = self._settings, flags.keep_licence
        return await asyncio.to_thread(corpora.from_upload, file.filename, data, settings, keep_licence=keep_licence)

    @train.autocomplete("source")
    async def _sources(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await in_time(self._offered_sources(interaction, typed))

    async def _offered_sources(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        names = await asyncio.to_thread(corpora.names, self._settings)
        return await self._channels.sources.offered(interaction, [train_options.MORE, *names], typed)

    @train.autocomplete("parent")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._trainings.registry.offered(interaction, typed)

    @hybrid_command(extras={"usage": "catalogue"}, description="The texts I can fetch by name")
    async def catalogue(self, ctx: Context) -> None:
        """List the texts that `train` knows by name."""
        lines = [
            f"`{entry.name}` - {entry.full_title}" + (f" ({entry.note})" if entry.note else "")
            for entry in corpora.catalogue()
        ]
        listed = {entry.name for entry in corpora.catalogue()}
        names = await asyncio.to_thread(corpora.names, self._settings)
        own = [name for name in names if name not in listed]
        if own:
            lines.append("On this machine: " + ", ".join(f"`{name}`" for name in own[:40]))
        embed = discord.Embed(title="Catalogue", description="\n".join(lines)[:4_000], colour=words.BLURPLE)
        prefix = await self._servers.prefix(ctx.guild.id if ctx.guild is not None else None)
        embed.set_footer(text=f"{prefix}train NAME, or attach a .txt file")
        await ctx.send(embed=embed)
