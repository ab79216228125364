"""`generate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.components import Press
from bot.options import checks
from bot.options.checks import Context
from bot.options.decorators import hybrid_command
from bot.options.form import options_form
from bot.options.options import HOTTEST, Options, fields, number
from bot.responder import replying
from bot.servers.actor import Actor
from bot.write import generate as generating
from bot.write import mix
from bot.write.embeds import PRESSED
from bot.write.generate import GenerateRequest
from shared.errors import UserError
from shared.jobs import StopAt

if TYPE_CHECKING:
    from bot.client import Galvanic

USAGE = "generate the monster [--OPTION VALUE ...]"
EXAMPLES = (
    "generate",
    "generate the monster --length 600",
    "generate the monster --model alice --temperature 0.5",
    "generate Once upon a time --top-p 0.9 --stop sentence",
    "generate the sea --mix frankenstein:0.7,alice:0.3",
    "generate --from-corpus",
)


class GenerateFlags(Options):
    """The options of `generate`."""

    free_text = True
    groups = {  # noqa: RUF012  # not annotated, see Options
        "Sampling": ("temperature", "top_k", "top_p", "min_p", "guard", "random_seed")
    }

    in_form = ("top_k", "top_p", "min_p", "guard", "random_seed")

    seed: str | None = commands.flag(
        positional=True, default=None, description="The words to continue; without any: a random line of the text"
    )
    model: str | None = commands.flag(default=None, description="A model other than the channel's")
    mix: str | None = commands.flag(default=None, description="Several models at once: alice:0.7,dracula:0.3")
    length: int | None = number("Maximum length in characters", 1)
    temperature: float | None = number("0 always takes the likeliest, 1 is as surprising as the text", 0.0, HOTTEST)
    top_k: int | None = number("Draw only from this many of the likeliest symbols", 1, 1_000_000)
    top_p: float | None = number("Draw only from the likeliest symbols with this total probability", 0.001, 1.0)
    min_p: float | None = number("Leave out symbols less likely than this share of the likeliest one", 0.0, 0.99)
    guard: bool | None = commands.flag(
        default=None, description="Break out of loops: yes (default; not for classic) or no (--no-guard)"
    )
    stop: StopAt | None = commands.flag(default=None, description="End with the last whole sentence or line")
    random_seed: int | None = number("Makes the text repeatable", 0, 2**32 - 1)
    from_corpus: bool = commands.flag(
        default=False, description="Start from a random place in the text, without a seed"
    )


if TYPE_CHECKING:

    class GenerateFields(GenerateFlags):  # noqa: D101
        advanced: bool
else:
    GenerateFields = fields(GenerateFlags)


class Generation(commands.Cog):
    """`generate`."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(
        aliases=["gen"],
        extras={"usage": USAGE, "examples": EXAMPLES},
        description="Continue your words in the voice of a model",
    )
    @commands.guild_only()
    async def generate(self, ctx: Context, *, flags: GenerateFields) -> None:
        """Continue your words in the voice of the channel's model.

        Without words I begin with a random line of its text. The buttons below a text generate it again, continue it,
        or generate it at a higher (hotter) or lower (cooler) temperature.
        """
        checks.require_permissions(ctx)
        options = GenerateFlags.completed(flags)
        if ctx.interaction is not None and flags.advanced:

            async def work(press: Press) -> None:
                await generating.generate(self.bot, press.actor, self._request(options), press.send, letter=PRESSED)

            form = options_form(ctx, options, work, hold=self.bot.crowd.place)
            await self.bot.components.open(ctx.interaction, form)
            return
        request = self._request(options)
        who = Actor.of(ctx)
        with self.bot.crowd.place(who.guild_id):
            await ctx.defer()  # Redis may take longer than Discord's 3 s
            await generating.generate(self.bot, who, request, ctx.send, **replying(ctx))

    def _request(self, flags: GenerateFlags) -> GenerateRequest:
        """What the options ask for.

        Raises:
            UserError: they can't be used.
        """
        self._check(flags)
        return GenerateRequest(
            seed=flags.seed or "",
            model=flags.model,
            mix=mix.parse(flags.mix) if flags.mix is not None else (),
            length=flags.length,
            temperature=flags.temperature,
            random_seed=flags.random_seed,
            from_corpus=flags.from_corpus,
            top_k=flags.top_k,
            top_p=flags.top_p,
            min_p=flags.min_p,
            guard=flags.guard,
            stop=flags.stop,
        )

    def _check(self, flags: GenerateFlags) -> None:
        """Refuse what can be refused without asking anybody."""
        settings = self.bot.settings
        seed = flags.seed or ""
        if seed.strip() and flags.from_corpus:
            raise UserError(
                "`--from-corpus` starts from a random place in the text, so it can't use your words.",
                "Leave out the words, or `--from-corpus`.",
            )
        checks.seed(seed)
        flags.check_limits()
        checks.in_range("length", flags.length, 1, settings.generate_max_length)
        for other in ("model", "from_corpus"):
            if flags.mix is not None and getattr(flags, other):
                typed = other.replace("_", "-")
                raise UserError(f"`--mix` and `--{typed}` don't go together.", "Leave out one of them.")

    @generate.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.bot.offers.in_time(self.bot.registry.offered(interaction, typed))


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Generation(bot))
