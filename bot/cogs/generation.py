"""`generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import checks
from bot.checks import Context
from bot.decorators import hybrid_command
from bot.delivery import post_generated
from bot.options import Options
from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, GenerateJob

if TYPE_CHECKING:
    from bot.client import Galvanic

USAGE = "generate the monster [--model NAME] [--length N] [--temperature T] [--random-seed S] [--from-corpus]"
SEED_LIMIT = 2_000
DEMONSTRATION_LENGTH = 1_000  # the tutorial's


class GenerateFlags(Options):
    """The options of `generate`."""

    free_text = True

    seed: str | None = commands.flag(positional=True, default=None, description="The words to go on from")
    model: str | None = commands.flag(default=None, description="Another model than the channel's current one")
    length: int | None = commands.flag(default=None, description="How many characters to write")
    temperature: float | None = commands.flag(
        default=None, description="0: always the likeliest; 1: as surprising as the text; up to 2"
    )
    random_seed: int | None = commands.flag(default=None, description="Makes the text repeatable")
    from_corpus: bool = commands.flag(
        default=False, description="Start from a random window of the text, without a seed"
    )


class Generation(commands.Cog):
    """Let me write."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(aliases=["gen"], extras={"usage": USAGE}, description="Continue your words in the voice of a model")
    @commands.guild_only()
    async def generate(self, ctx: Context, *, flags: GenerateFlags) -> None:
        """Continue your words in the voice of the channel's model."""
        checks.require_permissions(ctx)
        self._check(flags)
        await ctx.defer()  # Redis may take longer than Discord's 3 s
        job = await self._job(ctx, flags)
        if not await self.bot.queue.has_worker(GENERATE_QUEUE):
            raise UserError(
                "No generate worker is running, so nobody can write.",
                "Whoever runs the bot starts one with `make run` or `python -m worker serve generate`.",
            )
        async with ctx.typing():
            if not await self.bot.queue.submit_generate(job):
                return  # Discord delivered this message before
            event = await self.bot.follower.answer(job.job_id, self.bot.settings.generate_timeout_s)
        try:
            if ctx.interaction is not None:
                await post_generated(ctx.send, job, event)
            else:
                reference = ctx.message.to_reference(fail_if_not_exists=False)
                await post_generated(ctx.send, job, event, reference=reference, nonce=job.job_id)
        finally:
            # Whatever came of posting it: the same text must not turn up after the next restart.
            await self.bot.queue.delivered(job.job_id)

    def _check(self, flags: GenerateFlags) -> None:
        """Refuse what can be refused without asking anybody."""
        settings = self.bot.settings
        seed = flags.seed or ""
        if not seed.strip() and not flags.from_corpus:
            raise UserError(
                "What shall I go on from?",
                f"Give me some words: `{settings.command_prefix}generate the monster`, or `--from-corpus`.",
            )
        if len(seed) > SEED_LIMIT:
            raise UserError(f"That seed is {len(seed):,} characters long.", f"Keep it under {SEED_LIMIT:,}.")
        checks.in_range("length", flags.length, 1, settings.generate_max_length)
        checks.in_range("temperature", flags.temperature, 0.0, 2.0)
        checks.in_range("random-seed", flags.random_seed, 0, 2**32 - 1)

    async def _job(self, ctx: Context, flags: GenerateFlags) -> GenerateJob:
        settings = self.bot.settings
        temperature = flags.temperature
        place = checks.place_of(ctx)
        model = await self.bot.registry.choose(place.guild_id, checks.channel_ids(ctx), flags.model)
        if temperature is None and model.recipe != "classic":
            temperature = settings.generate_temperature
        return GenerateJob(
            job_id=checks.job_id(ctx, "g"),
            place=place,
            model_id=model.model_id,
            model_name=model.name,
            seed=flags.seed or "",
            length=flags.length or (DEMONSTRATION_LENGTH if flags.from_corpus else settings.generate_length),
            temperature=temperature,
            random_seed=flags.random_seed,
            from_corpus=flags.from_corpus,
        )

    @generate.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild_id is None or interaction.channel is None:
            return []
        ids = [interaction.channel.id]
        if isinstance(interaction.channel, discord.Thread):
            ids.append(interaction.channel.parent_id)
        models = await self.bot.registry.usable(interaction.guild_id, ids)
        names = [model.name for model in models if typed.lower() in model.name]
        return [app_commands.Choice(name=name, value=name) for name in names[:25]]


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Generation(bot))
