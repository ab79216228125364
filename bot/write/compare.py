"""`compare` and `surprise`: what they ask for becomes a job, and its answer is posted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bot.options.options import HOTTEST, TEMPERATURE_STEP
from bot.servers.actor import Actor
from bot.types import Send
from bot.write.generate import ask_with_cooldown, default_temperature, require_generate
from shared.errors import UserError
from shared.jobs import CompareJob, StopAt, SurpriseJob, Variant

if TYPE_CHECKING:
    from bot.client import Galvanic


async def compare(
    bot: Galvanic,
    who: Actor,
    seed: str,
    send: Send,
    *,
    models: Sequence[str] = (),
    model: str | None = None,
    temperatures: Sequence[float] = (),
    length: int,
    random_seed: int | None = None,
    stop: StopAt | None = None,
    **options: Any,
) -> None:
    """Continue the same seed at several temperatures, or with several models.

    Args:
        bot: the bot.
        who: who asks.
        seed: the words to continue.
        send: a `send` of discord.py's; `options` are passed on to it.
        models: names of the models to compare; empty: temperatures are compared.
        model: the one model whose temperatures are compared; None: the channel's.
        temperatures: what to compare; empty: three around the channel's.
        length, random_seed, stop: see `CompareJob`.
        options: see `send`.

    Raises:
        UserError: see `generating.generate`.
    """
    await require_generate(bot, who)
    own, choices = await asyncio.gather(bot.guild_settings.get(who.guild_id), bot.guild_settings.channel(who.here))
    names: Sequence[str | None] = models or [model]
    records = [await bot.registry.choose(who.guild_id, who.here, name) for name in names]
    usual = choices.temperature if choices.temperature is not None else bot.settings.generate_temperature
    steps = [None] if models else [*(temperatures or temperatures_around(usual))]
    variants = tuple(
        Variant(
            model_id=record.model_id,
            name=record.name,
            temperature=step if step is not None else default_temperature(bot, choices, record),
        )
        for record in records
        for step in steps
    )
    job = CompareJob(
        job_id=f"k-{who.request_id}",
        place=who.place,
        seed=seed,
        length=length,
        variants=variants,
        random_seed=random_seed,
        stop=stop,
        blocked=own.blocklist,
    )
    await ask_with_cooldown(bot, who, job, send, **options)


async def surprise(
    bot: Galvanic,
    who: Actor,
    text: str,
    model: str | None,
    send: Send,
    *,
    author_id: int | None = None,
    **options: Any,
) -> None:
    """Draw how surprising each character of a text is to a model. `author_id`: see `SurpriseJob`.

    Raises:
        UserError: the text has something on the server's blocklist, or see `generating.generate`.
    """
    await require_generate(bot, who)
    if (await bot.guild_settings.blocklist(who.guild_id)).hits(text):  # a picture can't be covered
        raise UserError("This text contains something on this server's blocklist.", "Try it without those words.")
    record = await bot.registry.choose(who.guild_id, who.here, model)
    job = SurpriseJob(job_id=f"s-{who.request_id}", place=who.place, model=record.ref, text=text, author_id=author_id)
    await ask_with_cooldown(bot, who, job, send, **options)


def temperatures_around(temperature: float) -> tuple[float, ...]:
    """Three temperatures to compare: this one between a cooler and a hotter one."""
    middle = min(HOTTEST - 2 * TEMPERATURE_STEP, max(2 * TEMPERATURE_STEP, temperature))
    return tuple(round(middle + step * TEMPERATURE_STEP, 2) for step in (-2, 0, 2))
