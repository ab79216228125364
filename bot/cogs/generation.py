"""`generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import access, checks, mix
from bot.asking import ask
from bot.checks import Context
from bot.decorators import hybrid_command
from bot.options import Options, number
from shared.errors import UserError
from shared.jobs import GenerateJob, MixPart, StopAt
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

USAGE = "generate the monster [--OPTION VALUE ...]"
EXAMPLES = (
    "generate the monster --length 600",
    "generate the monster --model alice --temperature 0.5",
    "generate Once upon a time --top-p 0.9 --stop sentence",
    "generate the sea --mix frankenstein:0.7,alice:0.3",
    "generate --from-corpus",
)
SEED_LIMIT = 2_000
DEMONSTRATION_LENGTH = 1_000  # the tutorial's


class GenerateFlags(Options):
    """The options of `generate`."""

    free_text = True
    groups = {  # noqa: RUF012  # not annotated, see Options
        "How daring": ("temperature", "top_k", "top_p", "min_p", "guard", "random_seed")
    }

    seed: str | None = commands.flag(positional=True, default=None, description="The words to go on from")
    model: str | None = commands.flag(default=None, description="Another model than the channel's current one")
    mix: str | None = commands.flag(default=None, description="Several models at once: alice:0.7,dracula:0.3")
    length: int | None = commands.flag(default=None, description="How many characters to write at most")
    temperature: float | None = number("0 takes the likeliest each time, 1 is as surprising as the text", 0.0, 2.0)
    top_k: int | None = number("Choose only among so many likeliest symbols", 1, 1_000_000)
    top_p: float | None = number("Choose only among the likeliest that together have this probability", 0.001, 1.0)
    min_p: float | None = number("Leave out what is less likely than this share of the likeliest", 0.0, 0.99)
    guard: bool | None = commands.flag(
        default=None, description="Break out of loops: yes (usual, but for classic) or no (--no-guard)"
    )
    stop: StopAt | None = commands.flag(default=None, description="End with the last whole sentence or line")
    random_seed: int | None = number("Makes the text repeatable", 0, 2**32 - 1)
    from_corpus: bool = commands.flag(
        default=False, description="Start from a random window of the text, without a seed"
    )


class Generation(commands.Cog):
    """Let me write."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        aliases=["gen"],
        extras={"usage": USAGE, "examples": EXAMPLES},
        description="Continue your words in the voice of a model",
    )
    @commands.guild_only()
    async def generate(self, ctx: Context, *, flags: GenerateFlags) -> None:
        """Continue your words in the voice of the channel's model."""
        checks.require_permissions(ctx)
        self._check(flags)
        await ctx.defer()  # Redis may take longer than Discord's 3 s
        await access.require(self.bot, "generate", ctx.author, ctx.channel)
        job = await self._job(ctx, flags)
        place = job.place
        wait = self.bot.settings.generate_cooldown_s
        async with self.bot.cooldowns.spend("generate", place.guild_id, place.user_id, wait):
            if ctx.interaction is not None:
                await ask(self.bot, job, ctx.send)
            else:
                reference = ctx.message.to_reference(fail_if_not_exists=False)
                await ask(self.bot, job, ctx.send, reference=reference, nonce=job.job_id)

    def _check(self, flags: GenerateFlags) -> None:
        """Refuse what can be refused without asking anybody."""
        settings = self.bot.settings
        seed = flags.seed or ""
        if not seed.strip() and not flags.from_corpus:
            raise UserError(
                "What shall I go on from?",
                f"Give me some words: `{settings.command_prefix}generate the monster`, or `--from-corpus`.",
            )
        if seed.strip() and flags.from_corpus:
            raise UserError(
                "`--from-corpus` begins with a place of the text, so your words would change nothing.",
                "Leave out the words, or `--from-corpus`.",
            )
        if len(seed) > SEED_LIMIT:
            raise UserError(f"That seed is {len(seed):,} characters long.", f"Keep it under {SEED_LIMIT:,}.")
        flags.check_limits()
        checks.in_range("length", flags.length, 1, settings.generate_max_length)
        for other in ("model", "from_corpus"):
            if flags.mix is not None and getattr(flags, other):
                typed = other.replace("_", "-")
                raise UserError(f"`--mix` and `--{typed}` don't go together.", "Leave out one of them.")

    async def _job(self, ctx: Context, flags: GenerateFlags) -> GenerateJob:
        settings = self.bot.settings
        place = checks.place_of(ctx)
        voices = await self._voices(ctx, flags)
        model = voices[0][0]
        temperature = flags.temperature
        if temperature is None and model.recipe != "classic":
            temperature = settings.generate_temperature
        usual = DEMONSTRATION_LENGTH if flags.from_corpus else settings.generate_length
        return GenerateJob(
            job_id=checks.job_id(ctx, "g"),
            place=place,
            model_id=model.model_id,
            model_name=model.name,
            seed=flags.seed or "",
            length=flags.length or min(usual, settings.generate_max_length),
            temperature=temperature,
            random_seed=flags.random_seed,
            from_corpus=flags.from_corpus,
            top_k=flags.top_k,
            top_p=flags.top_p,
            min_p=flags.min_p,
            guard=flags.guard,
            stop=flags.stop,
            mix=tuple(MixPart(model_id=part.model_id, name=part.name, weight=weight) for part, weight in voices)
            if flags.mix is not None
            else (),
        )

    async def _voices(self, ctx: Context, flags: GenerateFlags) -> list[tuple[ModelRecord, float]]:
        """The models that are to write, each one that may be used here, with its weight."""
        guild_id, here = checks.place_of(ctx).guild_id, checks.channel_ids(ctx)
        if flags.mix is None:
            return [(await self.bot.registry.choose(guild_id, here, flags.model), 1.0)]
        voices = [
            (await self.bot.registry.choose(guild_id, here, name), weight) for name, weight in mix.parse(flags.mix)
        ]
        for model, _ in voices:
            if model.recipe != "char":
                raise UserError(
                    f"`{model.name}` is a `{model.recipe}` model, which can't be mixed.",
                    "Mix models of the recipe `char`: they all write character by character.",
                )
        return voices

    @generate.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.registry.offered(interaction, typed)


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Generation(bot))
