"""Commands `generate`, `compare` and `surprise`."""

from collections.abc import Sequence
from dataclasses import dataclass

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import Core
from bot.models.registry import Registry
from bot.options import checks
from bot.options.decoding import replied_to
from bot.options.options import Options, number, option
from bot.servers.access import Actor, require_permissions
from bot.types import Context, hybrid_command
from bot.words import as_typed, tail, typed_prefix, without_ids
from bot.write.changes import temperatures_around
from bot.write.generate import Generating, usual_temperature
from galvanic.errors import UserError
from galvanic.options import STARTER, GenerateOptions, StopAt
from galvanic.request import usual_drawing
from shared.jobs import MOST_VARIANTS, SURPRISE_LIMIT, CompareJob, GenerateJob, SurpriseJob, Variant

COMPARED_LENGTH = 200
COMPARED_MOST = 800  # characters: more would not fit a field of the card


class GenerateFlags(Options):
    """The options of `generate`."""

    free_text = True

    seed: str | None = commands.flag(
        positional=True, default=None, description="The words to continue; without any: a random line of the text"
    )
    model: str | None = commands.flag(default=None, description="A model other than the channel's, or starter")
    mix: str | None = commands.flag(default=None, description="Several models at once: alice:0.7,dracula:0.3")
    length: int | None = option(GenerateOptions, "length", open_end=True)
    temperature: float | None = option(GenerateOptions, "temperature")
    top_k: int | None = option(GenerateOptions, "top_k")
    top_p: float | None = option(GenerateOptions, "top_p")
    min_p: float | None = option(GenerateOptions, "min_p")
    guard: bool | None = option(GenerateOptions, "guard")
    stop: StopAt | None = option(GenerateOptions, "stop")
    random_seed: int | None = option(GenerateOptions, "random_seed")
    from_corpus: bool = option(GenerateOptions, "from_corpus")


class CompareFlags(Options):
    """The options of `compare`."""

    free_text = True

    seed: str | None = commands.flag(positional=True, default=None, description="The words to continue")
    temperatures: str | None = commands.flag(default=None, description="2 to 6 of them: 0.4,0.8,1.2")
    models: str | None = commands.flag(default=None, description="2 to 6 models to compare instead: alice,dracula")
    model: str | None = commands.flag(default=None, description="A model other than the channel's")
    length: int | None = number("Maximum length of each text in characters", 1, COMPARED_MOST)
    stop: StopAt | None = option(GenerateOptions, "stop")
    random_seed: int | None = option(GenerateOptions, "random_seed")


class SurpriseFlags(Options):
    """The options of `surprise`."""

    free_text = True

    text: str | None = commands.flag(
        positional=True,
        default=None,
        description=f"Up to {SURPRISE_LIMIT:,} characters, or reply to a message of yours or mine",
    )
    model: str | None = commands.flag(default=None, description="A model other than the channel's")


@dataclass(eq=False, repr=False)
class GenerateCommands(commands.Cog):
    """The commands `generate`, `compare` and `surprise`."""

    core: Core
    registry: Registry
    generating: Generating

    @hybrid_command(
        "generate the monster [--OPTION VALUE ...]",
        (
            "generate",
            "generate the monster --length 600",
            "generate the monster --model alice --temperature 0.5",
            "generate Once upon a time --top-p 0.9 --stop sentence",
            "generate the sea --mix frankenstein:0.7,alice:0.3",
            "generate --from-corpus",
        ),
        about="Continue your words in the voice of a model",
        heading="Generating",
        aliases=["gen"],
    )
    async def generate(self, ctx: Context, *, flags: GenerateFlags) -> None:
        """Continue your words in the voice of the channel's model.

        Without words I begin with a random line of its text. The buttons below a text generate it again, continue it,
        or generate it at a higher (hotter) or lower (cooler) temperature.
        """
        seed = checks.seed(without_ids(flags.seed or "", ctx.message))
        if seed.strip() and flags.from_corpus:
            raise UserError(
                "`--from-corpus` starts from a random place in the text, so it can't use your words.",
                "Leave out the words, or `--from-corpus`.",
            )
        for other in ("model", "from_corpus"):
            if flags.mix is not None and getattr(flags, other):
                raise UserError(
                    f"`--mix` and `--{other.replace('_', '-')}` don't go together.", "Leave out one of them."
                )
        weights = checks.shares(flags.mix) if flags.mix is not None else {}

        async def build(actor: Actor) -> GenerateJob:
            return await self.generating.job(
                actor,
                [await self.registry.choose_to_write(actor.viewer, name) for name in weights or [flags.model]],
                seed,
                weights=[*weights.values()],
                **{name: getattr(flags, name) for name in GenerateOptions.model_fields},
            )

        await self.core.requests.command(ctx, build)

    @hybrid_command(
        "compare the sea [--OPTION VALUE ...]",
        ("compare the sea --temperatures 0.2,0.8,1.4", "compare the sea --models alice,dracula"),
        about="Continue the same words in several ways, side by side",
        heading="Generating",
    )
    async def compare(self, ctx: Context, *, flags: CompareFlags) -> None:
        """Continue the same words at several temperatures, or with several models, side by side.

        The menu below continues the text you like.
        """
        seed = checks.seed(without_ids(flags.seed or "", ctx.message))
        if not seed.strip():
            prefix = await self.core.servers.prefix(Actor.of(ctx).guild_id)
            example = as_typed(prefix, "compare", "seed", "the sea")
            raise UserError("Which words should I continue?", f"Give me some words: `{example}`.")
        if flags.models is not None and (flags.temperatures is not None or flags.model is not None):
            other = "temperatures" if flags.temperatures is not None else "model"
            raise UserError(
                f"`--models` and `--{other}` don't go together.",
                "Compare models, or the temperatures of one model: leave out one of them.",
            )
        most = min(COMPARED_MOST, self.core.settings.generate_max_length)
        checks.in_range("length", flags.length, 1, most)
        names = checks.several("models", flags.models, MOST_VARIANTS, "alice,dracula")
        steps = checks.temperatures(flags.temperatures, MOST_VARIANTS)

        async def build(actor: Actor) -> CompareJob:
            return CompareJob(
                **actor.asks(CompareJob),
                seed=seed,
                length=flags.length or min(COMPARED_LENGTH, most),
                variants=await self._variants(actor, names or [flags.model], steps),
                random_seed=flags.random_seed,
                stop=flags.stop,
                blocked=(await self.core.servers.get(actor.guild_id)).blocked,
            )

        await self.core.requests.command(ctx, build)

    async def _variants(
        self, actor: Actor, names: Sequence[str | None], temperatures: Sequence[float]
    ) -> tuple[Variant, ...]:
        """Return several models, or one (None: the channel's) at several temperatures; three around its own if none."""
        models = [await self.registry.choose_to_write(actor.viewer, name) for name in names]
        choices = await self.core.servers.channel(actor.here)
        compared = [(model, usual_temperature(choices, model)) for model in models]
        if len(models) == 1:
            ((model, chosen),) = compared
            own = usual_drawing(model.recipe, model.verdict.known_loss)
            around = temperatures_around(own.temperature if chosen is None else chosen)
            compared = [(model, step) for step in temperatures or around]
        return tuple(Variant(model_id=side.model_id, name=side.name, temperature=at) for side, at in compared)

    @hybrid_command(
        "surprise It was a dark and stormy night [--model NAME]",
        (
            "surprise It was a dark and stormy night --model alice",
            "surprise  (as a reply to a message of yours or mine)",
        ),
        about="Draw how much each character surprises a model",
        heading="Generating",
    )
    async def surprise(self, ctx: Context, *, flags: SurpriseFlags) -> None:
        """Draw how much each character of a text surprises the channel's model.

        Write the text after the command, or use the command in a reply to a message of your own or of mine.
        """
        require_permissions(ctx)
        text = without_ids(flags.text or "", ctx.message).strip()
        await self.picture(ctx, text, None if text else await replied_to(ctx.message), flags.model)

    async def picture(
        self, ctx: Context, typed: str, original: discord.Message | None, model: str | None = None
    ) -> None:
        """Post the surprise map of a typed text or, if there is a message, of the end of its words."""

        async def build(actor: Actor) -> SurpriseJob:
            text, author_id = typed, actor.user.id
            if original is not None:
                text, author_id = await self.generating.words_of(actor, original, as_shown=True)
                text = tail(text.strip(), SURPRISE_LIMIT)
            await self._require_drawable(actor, text)
            chosen = await self.registry.choose_to_write(actor.viewer, model)
            return SurpriseJob(**actor.asks(SurpriseJob), model=chosen.ref, text=text, author_id=author_id)

        await self.core.requests.command(ctx, build)

    async def _require_drawable(self, actor: Actor, text: str) -> None:
        """Check that a text has words, fits the picture and is not blocked. Raises UserError if not."""
        if not text:
            prefix = await self.core.servers.prefix(actor.guild_id)
            example = as_typed(prefix, "surprise", "text", "It was a dark and stormy night")
            begin = typed_prefix(prefix, self.core.bot.user)  # a slash command is no reply
            raise UserError(
                "Which text should I look at?",
                f"Write it after the command, as in `{example}`, "
                f"or reply to a message of yours or mine with `{begin}surprise`.",
            )
        if len(text) > SURPRISE_LIMIT:
            raise UserError(
                f"That text has {len(text):,} characters; the picture has room for {SURPRISE_LIMIT:,}.",
                "Use a part of it.",
            )
        if (await self.core.servers.blocklist(actor.guild_id)).hits(text):  # a picture can't be covered
            raise UserError("This text has something on this server's blocklist.", "Try it without those words.")

    @generate.autocomplete("model")
    @compare.autocomplete("model")
    @surprise.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.registry.offered(interaction, typed, STARTER)
