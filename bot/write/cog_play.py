"""`compare`, `mix` and `surprise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.options import checks, decoding
from bot.options.checks import Context
from bot.options.decorators import hybrid_command
from bot.options.options import HOTTEST, Options, number, several, temperatures
from bot.responder import replying
from bot.servers.actor import Actor
from bot.write import compare as comparing
from bot.write import generate as generating
from bot.write import mix
from bot.write.generate import GenerateRequest
from bot.write.views import job_of
from shared.errors import UserError
from shared.jobs import MOST_VARIANTS, SURPRISE_LIMIT, StopAt

if TYPE_CHECKING:
    from bot.client import Galvanic

_MIX = "Continue your words with several models at once"
COMPARED_LENGTH = 200
COMPARED_MOST = 800
"""Characters of a compared text: more would not fit its field of the card."""


class CompareFlags(Options):
    """The options of `compare`."""

    free_text = True

    seed: str | None = commands.flag(positional=True, default=None, description="The words to continue")
    temperatures: str | None = commands.flag(default=None, description="2 to 6 of them: 0.4,0.8,1.2")
    models: str | None = commands.flag(default=None, description="2 to 6 models to compare instead: alice,dracula")
    model: str | None = commands.flag(default=None, description="A model other than the channel's")
    length: int | None = number("Maximum length of each text in characters", 1, COMPARED_MOST)
    stop: StopAt | None = commands.flag(default=None, description="End with the last whole sentence or line")
    random_seed: int | None = number("Makes the texts repeatable", 0, 2**32 - 1)


class MixFlags(Options):
    """The options of `mix`."""

    free_text = True

    words: str = commands.flag(
        positional=True, default="", description="Models, each with its share, then the words to continue"
    )
    length: int | None = number("Maximum length in characters", 1)
    temperature: float | None = number("0 always takes the likeliest, 1 is as surprising as the text", 0.0, HOTTEST)
    stop: StopAt | None = commands.flag(default=None, description="End with the last whole sentence or line")
    random_seed: int | None = number("Makes the text repeatable", 0, 2**32 - 1)


class SurpriseFlags(Options):
    """The options of `surprise`."""

    free_text = True

    text: str | None = commands.flag(
        positional=True,
        default=None,
        description=f"Up to {SURPRISE_LIMIT:,} characters, or reply to a message of yours or mine",
    )
    model: str | None = commands.flag(default=None, description="A model other than the channel's")


class Play(commands.Cog):
    """`compare`, `mix` and `surprise`."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        extras={
            "usage": "compare the sea [--OPTION VALUE ...]",
            "examples": (
                "compare the sea --temperatures 0.2,0.8,1.4",
                "compare the sea --models alice,dracula",
            ),
        },
        description="Continue the same words in several ways, side by side",
    )
    @commands.guild_only()
    async def compare(self, ctx: Context, *, flags: CompareFlags) -> None:
        """Continue the same words at several temperatures, or with several models, side by side.

        The menu below continues the text you like.
        """
        checks.require_permissions(ctx)
        seed = checks.seed(flags.seed or "")
        if not seed.strip():
            prefix = await self.bot.prefix(ctx.guild)
            raise UserError("Which words should I continue?", f"Give me some words: `{prefix}compare the sea`.")
        flags.check_limits()
        if flags.models is not None and (flags.temperatures is not None or flags.model is not None):
            other = "temperatures" if flags.temperatures is not None else "model"
            raise UserError(
                f"`--models` and `--{other}` don't go together.",
                "Compare models, or the temperatures of one model: leave out one of them.",
            )
        names = several("models", flags.models, MOST_VARIANTS, "alice,dracula")
        steps = temperatures(flags.temperatures, MOST_VARIANTS)
        who = Actor.of(ctx)
        with self.bot.crowd.place(who.guild_id):
            await ctx.defer()
            await comparing.compare(
                self.bot,
                who,
                seed,
                ctx.send,
                models=names,
                model=flags.model,
                temperatures=steps,
                length=flags.length or min(COMPARED_LENGTH, self.bot.settings.generate_max_length),
                random_seed=flags.random_seed,
                stop=flags.stop,
                **replying(ctx),
            )

    @commands.command(
        name="mix",
        extras={
            "usage": "mix frankenstein 70 alice 30 the sea [--OPTION VALUE ...]",
            "examples": ("mix frankenstein 50 alice 25 dracula 25 Once upon a time --temperature 0.6",),
            "slash": True,
        },
        description=_MIX,
    )
    @commands.guild_only()
    async def mix_typed(self, ctx: Context, *, flags: MixFlags) -> None:
        """Continue your words with several models that choose each character together, by their shares."""
        checks.require_permissions(ctx)
        flags.check_limits()
        checks.in_range("length", flags.length, 1, self.bot.settings.generate_max_length)
        who = Actor.of(ctx)
        known = {model.name for model in await self.bot.registry.usable(who.guild_id, who.here)}
        parts, words = mix.parse_words(flags.words, known, await self.bot.guild_settings.prefix(who.guild_id))
        request = GenerateRequest(
            seed=checks.seed(words),
            mix=parts,
            length=flags.length,
            temperature=flags.temperature,
            random_seed=flags.random_seed,
            stop=flags.stop,
        )
        with self.bot.crowd.place(who.guild_id):
            await generating.generate(self.bot, who, request, ctx.send, **replying(ctx))

    @app_commands.command(name="mix", description=_MIX)
    @app_commands.describe(
        first="One model",
        first_share="Its share, as a percentage or any other number",
        second="Another model",
        second_share="Its share",
        seed="The words to continue; without any: a random line of the first model's text",
        third="One more model",
        third_share="Its share",
        length="Maximum length in characters",
        temperature="0 always takes the likeliest, 1 is as surprising as the text (0 to 2)",
        stop="End with the last whole sentence or line",
        random_seed="Makes the text repeatable",
    )
    @app_commands.guild_only()
    async def mix_slash(
        self,
        interaction: discord.Interaction[Galvanic],
        first: str,
        first_share: app_commands.Range[float, 0.001, 1_000.0],
        second: str,
        second_share: app_commands.Range[float, 0.001, 1_000.0],
        seed: str = "",
        third: str | None = None,
        third_share: app_commands.Range[float, 0.001, 1_000.0] | None = None,
        length: int | None = None,
        temperature: app_commands.Range[float, 0.0, 2.0] | None = None,
        stop: StopAt | None = None,
        random_seed: app_commands.Range[int, 0, 4_294_967_295] | None = None,
    ) -> None:
        """As `mix_typed`, with a field for each part."""
        ctx: Context = await self.bot.get_context(interaction)
        checks.require_permissions(ctx)
        if (third is None) != (third_share is None):
            raise UserError("A third model and its share go together.", "Fill in both, or neither.")
        checks.in_range("length", length, 1, self.bot.settings.generate_max_length)
        typed = [(first, first_share), (second, second_share)]
        if third is not None and third_share is not None:
            typed.append((third, third_share))
        parts = mix.checked([(name.strip().lower(), weight) for name, weight in typed])
        request = GenerateRequest(
            seed=checks.seed(seed),
            mix=parts,
            length=length,
            temperature=temperature,
            random_seed=random_seed,
            stop=stop,
        )
        who = Actor.of_interaction(interaction)
        with self.bot.crowd.place(who.guild_id):
            await ctx.defer()
            await generating.generate(self.bot, who, request, ctx.send)

    @hybrid_command(
        extras={
            "usage": "surprise It was a dark and stormy night [--model NAME]",
            "examples": (
                "surprise It was a dark and stormy night --model alice",
                "surprise  (as a reply to a message of yours or mine)",
            ),
        },
        description="Draw how much each character surprises a model",
    )
    @commands.guild_only()
    async def surprise(self, ctx: Context, *, flags: SurpriseFlags) -> None:
        """Draw how much each character of a text surprises the channel's model.

        Write the text after the command, or use the command in a reply to a message of your own or of mine.
        """
        checks.require_permissions(ctx)
        who = Actor.of(ctx)
        text, author_id = (flags.text or "").strip(), None
        if not text and (original := await decoding.replied_to(ctx.message)) is not None:
            author_id = await self._author(who, original)
            text = decoding.of_message(original).strip()
        if not text:
            prefix = await self.bot.prefix(ctx.guild)
            raise UserError(
                "Which text should I look at?",
                f"Write it after the command, as in `{prefix}surprise It was a dark and stormy night`, "
                f"or reply to a message of yours or mine with `{prefix}surprise`.",
            )
        if len(text) > SURPRISE_LIMIT:
            raise UserError(
                f"That text has {len(text):,} characters; the picture has room for {SURPRISE_LIMIT:,}.",
                "Use a part of it.",
            )
        with self.bot.crowd.place(who.guild_id):
            await ctx.defer()
            await comparing.surprise(self.bot, who, text, flags.model, ctx.send, author_id=author_id, **replying(ctx))

    async def _author(self, who: Actor, message: discord.Message) -> int:
        """Whose words a message has, which may be used: of one of the bot's, those of whoever asked for its text.

        Raises:
            UserError: it is somebody else's message, or nobody knows any more whose words they are.
        """
        if message.author.id == who.user.id:
            return who.user.id
        if self.bot.user is None or message.author.id != self.bot.user.id:
            raise UserError(
                "That message is somebody else's, so I don't use its words.",
                "Reply to a message of your own or of mine, or write the text after the command.",
            )
        job_id = job_of(message)
        return who.user.id if job_id is None else await self.bot.text_actions.author_of(who, job_id)

    @compare.autocomplete("model")
    @surprise.autocomplete("model")
    @mix_slash.autocomplete("first")
    @mix_slash.autocomplete("second")
    @mix_slash.autocomplete("third")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.offers.in_time(self.bot.registry.offered(interaction, typed))


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Play(bot))
