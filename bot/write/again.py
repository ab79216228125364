"""What the buttons, menus and forms under texts and models ask for: another text, made of the one above or anew."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from bot.options.checks import SEED_LIMIT
from bot.options.options import HOTTEST, TEMPERATURE_STEP
from bot.servers.actor import Actor
from bot.types import Send
from bot.write.embeds import CONTINUED_SHOWN, PRESSED
from bot.write.generate import CONTINUE_FROM, GenerateRequest, ask_with_cooldown, generate, require_generate
from shared.blocklist import MASK
from shared.errors import UserError
from shared.events import Compared, Event, Generated
from shared.jobs import CompareJob, GenerateJob, Job, author_of

if TYPE_CHECKING:
    from bot.client import Galvanic
    from bot.write.views import TextAction

DOUBLE_CLICK_S = 1.0
"""A second press by the same person within this time counts as a double click, even where there is no cooldown."""


class TextActions:
    """What the controls under texts, and the form of a model's Generate button, ask for."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot

    async def press(self, who: Actor, action: TextAction, job_id: str, send: Send, **options: Any) -> None:
        """Make another text of one: the same again, its continuation, or a hotter or cooler one.

        Args:
            who: who pressed the button.
            action: which button.
            job_id: the job whose text stands above the button.
            send: a `send` of discord.py's; `options` are passed on to it.
            options: see `send`.

        Raises:
            UserError: the text is not known here, or as `generating.generate`.
        """
        job, answer = await self._answered(who, job_id)
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated):
            raise _unknown()
        match action:
            case "again":
                changed = job.model_copy(update={"random_seed": None})
            case "continue":
                begun = answer.seed if job.from_line or job.from_corpus else job.seed
                changed = continued(job, begun + answer.text)
            case "hotter":
                changed = at_temperature(job, answer, answer.temperature + TEMPERATURE_STEP)
            case "cooler":
                changed = at_temperature(job, answer, answer.temperature - TEMPERATURE_STEP)
        await self._generate_again(who, changed, send, **options)

    async def continue_compared(self, who: Actor, job_id: str, chosen: str, send: Send, **options: Any) -> None:
        """Continue one of the texts of a comparison; arguments and errors as of `press`.

        Args:
            chosen: number of the text, from 0, as the menu has it.
        """
        job, event = await self._answered(who, job_id)
        if not isinstance(job, CompareJob) or not isinstance(event, Compared):
            raise _unknown()
        pairs = {str(number): pair for number, pair in enumerate(zip(job.variants, event.texts, strict=False))}
        if chosen not in pairs:
            raise _unknown()
        variant, text = pairs[chosen]
        if not text.text.strip():
            raise UserError("This text is empty, so there is nothing to continue.", "Choose another one.")
        one = GenerateJob(
            job_id=job.job_id,
            place=job.place,
            model_id=variant.model_id,
            model_name=variant.name,
            seed=job.seed,
            author_id=author_of(job),
            length=min(self._bot.settings.generate_length, self._bot.settings.generate_max_length),
            temperature=text.temperature,
            stop=job.stop,
        )
        await self._generate_again(who, continued(one, job.seed + text.text), send, **options)

    async def generate_from_form(
        self, who: Actor, model_id: str, seed: str, temperature: float | None, send: Send
    ) -> None:
        """Generate a text with the model that a form belongs to; raises as `generating.generate`."""
        request = GenerateRequest(seed=seed, model_id=model_id, temperature=temperature)
        await generate(self._bot, who, request, send, letter=PRESSED, nonce=_pressed_id(who))

    async def author_of(self, who: Actor, job_id: str) -> int:
        """Whose words a text of the bot's has; raises as `press`."""
        return author_of((await self._answered(who, job_id))[0])

    async def _generate_again(self, who: Actor, job: GenerateJob, send: Send, **options: Any) -> None:
        """Have a changed copy of an earlier job answered, with the names, limits, blocklist and rights of now."""
        await require_generate(self._bot, who)
        model_ids = [part.model_id for part in job.mix] or [job.model_id]
        by_id = self._bot.registry.by_id
        models = await asyncio.gather(*(by_id(who.guild_id, who.here, model_id) for model_id in model_ids))
        own = await self._bot.guild_settings.get(who.guild_id)
        fresh = {
            "job_id": _pressed_id(who),
            "place": who.place,
            "model_name": models[0].name,
            "mix": tuple(
                part.model_copy(update={"name": model.name}) for part, model in zip(job.mix, models, strict=False)
            ),
            "length": min(job.length, self._bot.settings.generate_max_length),
            "blocked": own.blocklist,
            "author_id": author_of(job),
        }
        changed = job.model_copy(update=fresh)
        await ask_with_cooldown(self._bot, who, changed, send, least_s=DOUBLE_CLICK_S, nonce=changed.job_id, **options)

    async def _answered(self, who: Actor, job_id: str) -> tuple[Job, Event]:
        """A job of this very channel, and its last event."""
        stored, events = await asyncio.gather(self._bot.queue.load(job_id), self._bot.queue.events(job_id, "0"))
        if stored is None or not events:
            raise _unknown()
        place = stored.job.place
        if (place.guild_id, place.channel_id) != (who.guild_id, who.place.channel_id):
            raise _unknown()
        return stored.job, events[-1][1]


def continued(job: GenerateJob, text: str) -> GenerateJob:
    """The job that continues `text` from its end; its answer shows a short tail of it."""
    seed = text.replace(MASK, "")[-CONTINUE_FROM:]  # no model knows the mask
    tail = seed[-CONTINUED_SHOWN:]
    if len(tail) < len(seed):
        tail = re.sub(r"^\S*\s+(?=\S)", "", tail, count=1)
    return job.model_copy(
        update={
            "seed": seed,
            "shown": len(tail),
            "random_seed": None,
            "from_line": False,
            "from_corpus": False,
        }
    )


def at_temperature(job: GenerateJob, answer: Generated, temperature: float) -> GenerateJob:
    """The same job with the same seed and random numbers, only hotter or cooler."""
    changes: dict[str, Any] = {
        "temperature": min(HOTTEST, max(0.0, round(temperature, 2))),
        "random_seed": answer.random_seed,
    }
    # A model of a channel begins with nothing that could be given as a seed.
    if (job.from_line or job.from_corpus) and answer.seed.strip():
        changes |= {"seed": answer.seed[-SEED_LIMIT:], "from_line": False, "from_corpus": False}
    return job.model_copy(update=changes)


def _pressed_id(who: Actor) -> str:
    """The id of a job that a button or a form asked for."""
    return f"{PRESSED}-{who.request_id}"


def _unknown() -> UserError:
    return UserError(
        "I no longer have this text.",
        "I keep texts for a month, each in its own channel. Generate a new one.",
    )
