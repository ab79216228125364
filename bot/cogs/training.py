"""`train`, `cancel` and `catalogue`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import cards, checks, train_options
from bot.checks import Context
from bot.decorators import hybrid_command
from bot.jobview import JobView
from bot.texts import text_again
from bot.train_options import TrainFlags
from bot.views import cancel, job_buttons
from shared import corpora
from shared.errors import UserError
from shared.jobs import TRAIN_QUEUE, ModelRef, TrainJob, TrainOptions
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

USAGE = "train frankenstein [--OPTION VALUE ...]"
EXAMPLES = (
    "train frankenstein --minutes 20",
    "train shakespeare --recipe word --name bard",
    "train frankenstein --layers 2 --units 512 --dropout 0.4",
    "train alice --from frankenstein",
    "train more --minutes 30",
    "train --name us          (with a .txt file attached)",
)


class Training(commands.Cog):
    """Teach me a text."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        extras={"usage": USAGE, "examples": EXAMPLES}, description="Learn to write like a text, and watch it happen"
    )
    @commands.guild_only()
    @app_commands.describe(file="A .txt file to learn from, instead of a text from the catalogue")
    async def train(self, ctx: Context, file: discord.Attachment | None = None, *, flags: TrainFlags) -> None:
        """Learn a text from the catalogue, or an attached `.txt` file.

        `more` instead of a text goes on with the channel's model on the text it was learned from; `--from MODEL` goes
        on with a model on any text. The old model stays.
        """
        checks.require_permissions(ctx)
        train_options.check(flags, self.bot.settings)
        self._check_source(file, flags)
        async with ctx.typing():
            parent = await self._parent(ctx, flags)
            options = train_options.chosen(flags, self.bot.settings, parent)
            if parent is not None and train_options.is_more(flags):
                corpus = await text_again(parent, self.bot.queue, self.bot.settings, keep_licence=options.keep_licence)
                options = await self._named_after(ctx, parent, options)
            else:
                corpus = await self._corpus(file, flags)
        job = TrainJob(
            job_id=checks.job_id(ctx, "t"),
            place=checks.place_of(ctx),
            corpus=corpus.info,
            options=options,
            parent=ModelRef(model_id=parent.model_id, name=parent.name) if parent is not None else None,
        )
        await self._submit(ctx, job, corpus.text)

    def _check_source(self, file: discord.Attachment | None, flags: TrainFlags) -> None:
        prefix = self.bot.settings.command_prefix
        if file is None and flags.source is None:
            raise UserError(
                "What shall I learn?",
                f"Name a text, such as `{prefix}train frankenstein` (`{prefix}catalogue` lists them), or attach a "
                f"`.txt` file. `{prefix}train more` goes on with a model's own text.",
            )
        if file is not None and flags.source is not None:
            raise UserError(
                "You named a text and attached one as well.",
                f"Leave out `{cards.plain(flags.source[:40])}` or the file."
                + (f" `{prefix}train --from MODEL` goes on with the file." if train_options.is_more(flags) else ""),
            )

    async def _parent(self, ctx: Context, flags: TrainFlags) -> ModelRecord | None:
        """The model to start from, if the training does."""
        if not train_options.starts_from_model(flags):
            return None
        guild_id = checks.place_of(ctx).guild_id
        return await self.bot.registry.choose(guild_id, checks.channel_ids(ctx), flags.parent)

    async def _named_after(self, ctx: Context, parent: ModelRecord, options: TrainOptions) -> TrainOptions:
        if options.name is not None:
            return options
        guild_id = checks.place_of(ctx).guild_id
        name = await self.bot.registry.next_name(guild_id, checks.channel_ids(ctx), parent)
        return options.model_copy(update={"name": name})

    async def _corpus(self, file: discord.Attachment | None, flags: TrainFlags) -> corpora.Corpus:
        if file is None:
            assert flags.source is not None
            return await corpora.resolve(flags.source, self.bot.settings, keep_licence=flags.keep_licence)
        corpora.check_size(file.size, self.bot.settings)
        data = await file.read()
        return corpora.from_upload(file.filename, data, self.bot.settings, keep_licence=flags.keep_licence)

    async def _submit(self, ctx: Context, job: TrainJob, text: str) -> None:
        """Post the card first: then nothing of the job can go by unseen."""
        # Before the card, so that an outage is an answer instead of a dead card.
        worker_there = await self.bot.queue.has_worker(TRAIN_QUEUE)
        prefix = self.bot.settings.command_prefix
        embed = cards.training(job, JobView(), worker_there=worker_there, position=None, prefix=prefix)
        message = await ctx.send(embed=embed, view=job_buttons(job.job_id))
        card = (message.channel.id, message.id)
        try:
            fresh = await self.bot.queue.submit_train(job, text, card)
        except Exception:
            await _remove(message)
            raise
        if fresh:
            self.bot.follower.follow(job, card)
        else:
            await _remove(message)

    @train.autocomplete("source")
    async def _sources(self, _: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        names = [train_options.MORE, *corpora.names(self.bot.settings)]
        near = [name for name in names if typed.lower() in name]
        return [app_commands.Choice(name=name, value=name) for name in near[:25]]

    @train.autocomplete("parent")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.registry.offered(interaction, typed)

    @hybrid_command(
        name="cancel",
        extras={"usage": "cancel JOB"},
        description="End a training; its id stands at the foot of its card",
    )
    @commands.guild_only()
    @app_commands.describe(job="The job's id, at the foot of its card")
    async def cancel_job(self, ctx: Context, job: str) -> None:
        """End a training of yours (moderators: anybody's)."""
        await ctx.defer(ephemeral=True)
        guild_id = ctx.guild.id if ctx.guild else None
        said = await cancel(self.bot, job.strip("` "), guild_id, ctx.author, ctx.permissions)
        await ctx.send(said, ephemeral=True)

    @hybrid_command(extras={"usage": "catalogue"}, description="The texts I can fetch by name")
    async def catalogue(self, ctx: Context) -> None:
        """List the texts that `train` knows by name."""
        lines = [
            f"`{entry.name}` - {entry.title}" + (f", by {entry.author}" if entry.author else "")
            for entry in corpora.catalogue()
        ]
        listed = {entry.name for entry in corpora.catalogue()}
        own = [name for name in corpora.names(self.bot.settings) if name not in listed]
        if own:
            lines.append("On this machine: " + ", ".join(f"`{name}`" for name in own[:40]))
        embed = discord.Embed(title="Catalogue", description="\n".join(lines)[:4_000], colour=cards.BLURPLE)
        embed.set_footer(text=f"{self.bot.settings.command_prefix}train NAME, or attach a .txt file")
        await ctx.send(embed=embed)


async def _remove(message: discord.Message) -> None:
    """Take back a card whose job was not sent."""
    try:
        await message.delete()
    except discord.HTTPException as error:
        log.warning("card_not_removed", status=error.status, code=error.code)


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Training(bot))
