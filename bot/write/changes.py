"""Changes of requests and their texts: continued, at another temperature, or with words covered."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from bot.options.checks import HOTTEST, SEED_LIMIT, TEMPERATURE_STEP
from bot.words import Fit, tail
from bot.write.embeds import CONTINUED_SHOWN
from shared.blocklist import MASK
from shared.events import Compared, Generated, Surprised
from shared.jobs import GenerateJob

CONTINUE_FROM = 1_000  # characters of a text that its continuation sees: more than a model remembers
E = TypeVar("E", Generated, Compared, Surprised)


def continuation_of(text: str) -> dict[str, Any]:
    """Return `seed` and `shown` of a job that continues `text`; the answer shows only a short tail of it."""
    seed = tail(text.replace(MASK, ""), CONTINUE_FROM)  # no model knows the mask
    return {"seed": seed, "shown": len(tail(seed, CONTINUED_SHOWN))}


def full_text(job: GenerateJob, answer: Generated) -> str:
    """Return a text with its seed; an answer in a chat has only its own words."""
    if job.shown == 0:
        return answer.text
    return (answer.seed if job.from_line or job.from_corpus else job.seed) + answer.text


def shown_text(job: GenerateJob, answer: Generated) -> str:
    """Return a text as its message shows it: only the end of a seed that it continues."""
    hidden = len(job.seed) - job.shown if job.shown else 0
    return full_text(job, answer)[hidden:]


def hotter(job: GenerateJob, answer: Generated, by: float) -> GenerateJob:
    """Return a job with the same seed and random numbers, only hotter, or cooler if `by` is below 0."""
    hot = min(HOTTEST, max(0.0, round(answer.temperature + by, 2)))
    changes: dict[str, Any] = {"temperature": hot, "random_seed": answer.random_seed}
    # A model of a channel begins with nothing that could be given as a seed.
    if (job.from_line or job.from_corpus) and (seed := answer.seed.replace(MASK, "")).strip():
        changes |= {"seed": seed[-SEED_LIMIT:], "from_line": False, "from_corpus": False}
    return job.model_copy(update=changes)


BUTTONS: dict[str, Callable[[GenerateJob, Generated], GenerateJob]] = {
    "again": lambda job, _: job.model_copy(update={"random_seed": None}),
    "continue": lambda job, answer: job.model_copy(
        update={
            **{"random_seed": None, "from_line": False, "from_corpus": False},
            **continuation_of(full_text(job, answer)),
        },
    ),
    "hotter": functools.partial(hotter, by=TEMPERATURE_STEP),
    "cooler": functools.partial(hotter, by=-TEMPERATURE_STEP),
}
"""The buttons below a text, and the job that each makes of the one that asked for it."""


def temperatures_around(temperature: float) -> tuple[float, ...]:
    """Return a cooler one, this one and a hotter one; shifted if one would be outside 0 to `HOTTEST`."""
    middle = min(HOTTEST - 2 * TEMPERATURE_STEP, max(2 * TEMPERATURE_STEP, temperature))
    return tuple(round(middle + step * TEMPERATURE_STEP, 2) for step in (-2, 0, 2))


async def masked(event: E, fit: Fit) -> E:
    """Make an answer's texts fit for the server now; the worker knew the blocklist of then, and covers no seeds."""
    return await asyncio.to_thread(_masked, event, fit)  # a long blocklist takes a tenth of a second


def _masked(event: E, fit: Fit) -> E:
    texts = {name: value for name in ("seed", "text", "texts") if (value := getattr(event, name, None)) is not None}
    shown = {name: _shown(value, fit) for name, value in texts.items()}
    if not isinstance(event, Surprised):
        shown["masked"] = event.masked or str(shown).count(MASK) > str(texts).count(MASK)
    # One of the notes may quote the seed as the model reads it.
    return event.model_copy(update={**shown, "notes": tuple(map(fit, event.notes))})


def _shown(value: Any, fit: Fit) -> Any:
    if isinstance(value, str):
        return fit(value)
    shown = ({"text": fit(text.text), "problem": fit(text.problem)} for text in value)
    return tuple(text.model_copy(update=changes) for text, changes in zip(value, shown, strict=True))
