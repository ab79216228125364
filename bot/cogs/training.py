"""`train`, `cancel` and `catalogue`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import cards, checks
from bot.checks import Context
from bot.decorators import hybrid_command
from bot.jobview import JobView
from bot.options import Options
from bot.views import cancel, job_buttons
from shared import corpora
from shared.errors import UserError
from shared.jobs import RECIPES, TRAIN_QUEUE, TrainJob, TrainOptions

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

USAGE = "train frankenstein [--name NAME] [--recipe char|classic] [--epochs N] [--minutes M] [--keep-licence]"


class TrainFlags(Options):
    """The options of `train`."""

    source: str | None = commands.flag(
        positional=True, default=None, description="A text from the catalogue, such as frankenstein"
    )
    recipe: str = commands.flag(default="char", description="How to learn: char (best) or classic (the tutorial's way)")
    epochs: int | None = commands.flag(default=None, description="How many times to read the text")
    minutes: float | None = commands.flag(default=None, description="How long to learn")
    name: str | None = commands.flag(default=None, description="What to call the model")
    random_seed: int | None = commands.flag(default=None, description="Makes the training repeatable")
    keep_licence: bool = commands.flag(
        default=False, description="Keep Project Gutenberg's header and footer (classic)"
    )


class Training(commands.Cog):
    """Teach me a text."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(extras={"usage": USAGE}, description="Learn to write like a text, and watch it happen")
    @commands.guild_only()
    @app_commands.describe(file="A .txt file to learn from, instead of a text from the catalogue")
    async def train(self, ctx: Context, file: discord.Attachment | None = None, *, flags: TrainFlags) -> None:
        """Learn a text from the catalogue, or an attached `.txt` file."""
        checks.require_permissions(ctx)
        options = self._options(flags)
        if file is None and flags.source is None:
            prefix = self.bot.settings.command_prefix
            raise UserError(
                "What shall I learn?",
                f"Name a text, such as `{prefix}train frankenstein` (`{prefix}catalogue` lists them), or attach a "
                "`.txt` file.",
            )
        if file is not None and flags.source is not None:
            raise UserError(
                "You named a text and attached one as well.",
                f"Leave out `{cards.plain(flags.source[:40])}` or the file.",
            )
        async with ctx.typing():
            corpus = await self._corpus(file, flags)
        job = TrainJob(job_id=checks.job_id(ctx, "t"), place=checks.place_of(ctx), corpus=corpus.info, options=options)
        await self._submit(ctx, job, corpus.text)

    def _options(self, flags: TrainFlags) -> TrainOptions:
        settings = self.bot.settings
        recipe = next((known for known in RECIPES if known == flags.recipe.strip().lower()), None)
        if recipe is None:
            raise UserError(
                f"There is no recipe `{cards.plain(flags.recipe[:40])}`.",
                f"I know {' and '.join(f'`{known}`' for known in RECIPES)}.",
            )
        minutes = checks.in_range("minutes", flags.minutes, 0.1, settings.train_max_minutes)
        epochs = checks.in_range("epochs", flags.epochs, 1, settings.train_max_epochs)
        if minutes is None:
            # A person who names the epochs gets them all; the tutorial's recipe has its own number of them.
            unlimited = epochs is not None or recipe == "classic"
            minutes = settings.train_max_minutes if unlimited else settings.train_minutes
        return TrainOptions(
            recipe=recipe,
            epochs=epochs,
            minutes=minutes,
            name=checks.model_name(flags.name),
            random_seed=checks.in_range("random-seed", flags.random_seed, 0, 2**32 - 1),
            keep_licence=flags.keep_licence,
        )

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
        names = corpora.names(self.bot.settings)
        near = [name for name in names if typed.lower() in name]
        return [app_commands.Choice(name=name, value=name) for name in near[:25]]

    @train.autocomplete("recipe")
    async def _recipes(self, _: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=recipe, value=recipe) for recipe in RECIPES if recipe.startswith(typed)]

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
