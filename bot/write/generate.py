"""Generated texts: what a command, a form or a mention asks for becomes a job, and its answer is posted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.servers.actor import Actor
from bot.types import Send
from bot.write import mix
from shared.errors import UserError
from shared.jobs import CompareJob, GenerateJob, MixPart, StopAt, SurpriseJob
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic
    from bot.servers.settings import ChannelChoices

CONTINUE_FROM = 1_000
"""Characters of a text that its continuation sees: more than a model remembers."""
FROM_CORPUS_LENGTH = 1_000  # the tutorial's
CHAT_LENGTH = 200


@dataclass(frozen=True)
class GenerateRequest:
    """A text that somebody asks for, before it is a job. None and empty stand for the channel's defaults.

    Attributes:
        model: name of another model than the channel's.
        model_id: as `model`, from a button that carries the id.
        mix: several models at once.
        others: see `GenerateJob`.
    """

    seed: str = ""
    model: str | None = None
    model_id: str | None = None
    mix: tuple[mix.Part, ...] = ()
    length: int | None = None
    temperature: float | None = None
    random_seed: int | None = None
    from_corpus: bool = False
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    guard: bool | None = None
    stop: StopAt | None = None
    shown: int | None = None


async def generate(
    bot: Galvanic, who: Actor, request: GenerateRequest, send: Send, *, letter: str = "g", **options: Any
) -> None:
    """Generate a text and post it.

    Args:
        bot: the bot.
        who: who asks.
        request: what is asked for.
        send: a `send` of discord.py's; `options` are passed on to it.
        letter: first letter of the job's id.
        options: see `send`.

    Raises:
        UserError: this person may not generate texts here, the cooldown is not over, there is no such model, or the
            worker refused.
    """
    await require_generate(bot, who)
    job = await _job(bot, who, request, letter)
    await ask_with_cooldown(bot, who, job, send, **options)


async def chat(bot: Galvanic, who: Actor, words: str, send: Send, **options: Any) -> None:
    """Answer a mention with what the channel's model writes after its words.

    The cooldown is the caller's: it is the channel's, not the person's.

    Raises:
        UserError: this person may not generate texts here, or the channel has no model.
    """
    await require_generate(bot, who)
    request = GenerateRequest(seed=f"{words[-CONTINUE_FROM:]}\n", length=CHAT_LENGTH, stop="sentence", shown=0)
    await bot.delivery.ask(await _job(bot, who, request, "c"), send, **options)


async def require_generate(bot: Galvanic, who: Actor) -> None:
    """Refuse a person who may not generate texts here; raises as `access.require`."""
    await bot.access.require("generate", who.user, who.channel)


async def ask_with_cooldown(
    bot: Galvanic,
    who: Actor,
    job: GenerateJob | CompareJob | SurpriseJob,
    send: Send,
    *,
    least_s: float = 0.0,
    **options: Any,
) -> None:
    """Have a job answered, within the person's cooldown for texts.

    Args:
        bot: the bot.
        who: who asks.
        job: what is asked for.
        send: a `send` of discord.py's; `options` are passed on to it.
        least_s: the shortest cooldown, where the operator has set none.
        options: see `send`.

    Raises:
        UserError: the cooldown is not over, or as `ask`.
    """
    wait = max(bot.settings.generate_cooldown_s, least_s)
    async with bot.cooldowns.spend("generate", who.guild_id, who.user.id, wait, request=who.request_id):
        await bot.delivery.ask(job, send, **options)


def default_temperature(bot: Galvanic, choices: ChannelChoices, model: ModelRecord) -> float | None:
    """The temperature where nobody chose one for this text: the channel's, else the operator's.

    Returns:
        None for a `classic` model, which has its own.
    """
    if model.recipe == "classic":
        return None
    return choices.temperature if choices.temperature is not None else bot.settings.generate_temperature


async def _job(bot: Galvanic, who: Actor, request: GenerateRequest, letter: str) -> GenerateJob:
    """The job for a request.

    Raises:
        UserError: there is no such model that may be used here, or it can't be mixed.
    """
    settings = bot.settings
    own, choices, models = await asyncio.gather(
        bot.guild_settings.get(who.guild_id),
        bot.guild_settings.channel(who.here),
        _models(bot, who, request),
    )
    model = models[0][0]
    length = FROM_CORPUS_LENGTH if request.from_corpus else settings.generate_length
    temperature = request.temperature
    return GenerateJob(
        job_id=f"{letter}-{who.request_id}",
        place=who.place,
        model_id=model.model_id,
        model_name=model.name,
        seed=request.seed,
        length=request.length or min(length, settings.generate_max_length),
        temperature=temperature if temperature is not None else default_temperature(bot, choices, model),
        random_seed=request.random_seed,
        from_corpus=request.from_corpus,
        from_line=not request.seed.strip() and not request.from_corpus,
        top_k=request.top_k,
        top_p=request.top_p,
        min_p=request.min_p,
        guard=request.guard,
        stop=request.stop,
        mix=tuple(MixPart(model_id=part.model_id, name=part.name, weight=weight) for part, weight in models)
        if request.mix
        else (),
        blocked=own.blocklist,
        shown=request.shown,
    )


async def _models(bot: Galvanic, who: Actor, request: GenerateRequest) -> list[tuple[ModelRecord, float]]:
    """The models that are to write, each with its weight.

    Raises:
        UserError: there is no such model that may be used here, or it can't be mixed.
    """
    registry = bot.registry
    if request.model_id is not None:
        return [(await registry.by_id(who.guild_id, who.here, request.model_id), 1.0)]
    if not request.mix:
        return [(await registry.choose(who.guild_id, who.here, request.model), 1.0)]
    models = [(await registry.choose(who.guild_id, who.here, name), weight) for name, weight in request.mix]
    for model, _ in models:
        if model.recipe != "char":
            raise UserError(
                f"`{model.name}` is a `{model.recipe}` model, which can't be mixed.",
                "Mix models of the recipe `char`: they all write character by character.",
            )
    return models
