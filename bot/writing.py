"""Has texts generated, whoever asks: a command, a button, a form or a mention."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot import access, mix
from bot.answers.ask import ask
from bot.cards.writing import CONTINUED_SHOWN, PRESSED
from bot.checks import SEED_LIMIT
from bot.options import HOTTEST
from bot.requester import Requester
from bot.types import Send
from shared.blocklist import MASK
from shared.errors import UserError
from shared.events import Compared, Event, Generated
from shared.jobs import (
    CompareJob,
    GenerateJob,
    Job,
    MixPart,
    StopAt,
    SurpriseJob,
    Variant,
)
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic
    from bot.guild_settings import ChannelChoices
    from bot.views.writing import Deed

CONTINUE_FROM = 1_000
"""Characters of a text that its continuation sees: more than a model remembers."""
TEMPERATURE_STEP = 0.2
DEMONSTRATION_LENGTH = 1_000  # the tutorial's
CHAT_LENGTH = 200
DOUBLE_CLICK_S = 1.0
"""A second press of the same person within this is the same wish, even where there is no cooldown."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to have written. None and empty: as usual in the channel.

    Attributes:
        model: name of another model than the channel's.
        model_id: as `model`, from a button that knows the id.
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


class Writer:
    """Makes jobs for the generate worker of what people want, checks who may, and has them answered."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot

    # ------------------------------------------------------------------ texts

    async def write(self, who: Requester, wish: Wish, send: Send, *, letter: str = "g", **options: Any) -> None:
        """Have a text written and posted.

        Args:
            who: who asks.
            wish: for what.
            send: a `send` of discord.py's; `options` are passed on to it.
            letter: what the job's id begins with.
            options: see `send`.

        Raises:
            UserError: they may not, not yet, or not so.
        """
        await self.require(who)
        job = await self.job(who, wish, letter)
        await self._spend(who, job, send, **options)

    async def fill_in(self, who: Requester, model_id: str, words: str, temperature: float | None, send: Send) -> None:
        """Have a text written by a certain model, as a form asked for; raises as `write`."""
        wish = Wish(seed=words, model_id=model_id, temperature=temperature)
        await self.write(who, wish, send, letter=PRESSED, nonce=_pressed(who))

    async def chat(self, who: Requester, words: str, send: Send, **options: Any) -> None:
        """Answer words that were said to the bot: with what the channel's model writes after them.

        Raises:
            UserError: they may not, or the channel has no model.
        """
        await self.require(who)
        wish = Wish(seed=f"{words[-CONTINUE_FROM:]}\n", length=CHAT_LENGTH, stop="sentence", shown=0)
        await ask(self._bot, await self.job(who, wish, "c"), send, **options)

    async def job(self, who: Requester, wish: Wish, letter: str) -> GenerateJob:
        """The job that fulfils a wish.

        Raises:
            UserError: there is no such model that may be used here, or it can't be mixed.
        """
        settings = self._bot.settings
        own, choices, voices = await asyncio.gather(
            self._bot.guild_settings.get(who.guild_id),
            self._bot.guild_settings.channel(who.here),
            self._voices(who, wish),
        )
        model = voices[0][0]
        usual = DEMONSTRATION_LENGTH if wish.from_corpus else settings.generate_length
        return GenerateJob(
            job_id=f"{letter}-{who.request_id}",
            place=who.place,
            model_id=model.model_id,
            model_name=model.name,
            seed=wish.seed,
            length=wish.length or min(usual, settings.generate_max_length),
            temperature=self._temperature(wish.temperature, choices, model),
            random_seed=wish.random_seed,
            from_corpus=wish.from_corpus,
            from_line=not wish.seed.strip() and not wish.from_corpus,
            top_k=wish.top_k,
            top_p=wish.top_p,
            min_p=wish.min_p,
            guard=wish.guard,
            stop=wish.stop,
            mix=tuple(MixPart(model_id=part.model_id, name=part.name, weight=weight) for part, weight in voices)
            if wish.mix
            else (),
            blocked=own.blocklist,
            shown=wish.shown,
        )

    def _temperature(self, wished: float | None, choices: ChannelChoices, model: ModelRecord) -> float | None:
        if wished is not None or model.recipe == "classic":
            return wished  # None: the recipe's own
        return choices.temperature if choices.temperature is not None else self._bot.settings.generate_temperature

    async def _voices(self, who: Requester, wish: Wish) -> list[tuple[ModelRecord, float]]:
        """The models that are to write, each one that may be used here, with its weight."""
        registry = self._bot.registry
        if wish.model_id is not None:
            return [(await registry.by_id(who.guild_id, who.here, wish.model_id), 1.0)]
        if not wish.mix:
            return [(await registry.choose(who.guild_id, who.here, wish.model), 1.0)]
        voices = [(await registry.choose(who.guild_id, who.here, name), weight) for name, weight in wish.mix]
        for model, _ in voices:
            if model.recipe != "char":
                raise UserError(
                    f"`{model.name}` is a `{model.recipe}` model, which can't be mixed.",
                    "Mix models of the recipe `char`: they all write character by character.",
                )
        return voices

    # ------------------------------------------------------------------ buttons under texts

    async def press(self, who: Requester, deed: Deed, job_id: str, send: Send, **options: Any) -> None:
        """Have another text made of one: the same again, its continuation, or hotter or cooler.

        Raises:
            UserError: the text is not known here, or see `write`.
        """
        job, answer = await self._answered(who, job_id)
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated):
            raise _unknown()
        match deed:
            case "again":
                changed = job.model_copy(update={"random_seed": None})
            case "continue":
                begun = answer.seed if job.from_line or job.from_corpus else job.seed
                changed = continued(job, begun + answer.text)
            case "hotter":
                changed = at_temperature(job, answer, answer.temperature + TEMPERATURE_STEP)
            case "cooler":
                changed = at_temperature(job, answer, answer.temperature - TEMPERATURE_STEP)
        await self._press(who, changed, send, **options)

    async def go_on_with(self, who: Requester, job_id: str, chosen: int, send: Send, **options: Any) -> None:
        """Go on with one of the texts of a comparison; raises as `press`."""
        job, event = await self._answered(who, job_id)
        if not isinstance(job, CompareJob) or not isinstance(event, Compared) or not chosen < len(event.texts):
            raise _unknown()
        variant, text = job.variants[chosen], event.texts[chosen]
        if not text.text.strip():
            raise UserError("There is no text to go on from.", "Choose another one.")
        one = GenerateJob(
            job_id=job.job_id,
            place=job.place,
            model_id=variant.model_id,
            model_name=variant.name,
            seed=job.seed,
            length=min(self._bot.settings.generate_length, self._bot.settings.generate_max_length),
            temperature=text.temperature,
            stop=job.stop,
        )
        await self._press(who, continued(one, job.seed + text.text), send, **options)

    async def _press(self, who: Requester, job: GenerateJob, send: Send, **options: Any) -> None:
        """Have an altered request of an earlier text answered, under today's names, rules and rights."""
        await self.require(who)
        model_ids = [part.model_id for part in job.mix] or [job.model_id]
        by_id = self._bot.registry.by_id
        models = await asyncio.gather(*(by_id(who.guild_id, who.here, model_id) for model_id in model_ids))
        own = await self._bot.guild_settings.get(who.guild_id)
        fresh = {
            "job_id": _pressed(who),
            "place": who.place,
            "model_name": models[0].name,
            "mix": tuple(
                part.model_copy(update={"name": model.name}) for part, model in zip(job.mix, models, strict=False)
            ),
            "length": min(job.length, self._bot.settings.generate_max_length),
            "blocked": own.blocklist,
        }
        changed = job.model_copy(update=fresh)
        await self._spend(who, changed, send, least=DOUBLE_CLICK_S, nonce=changed.job_id, **options)

    async def _answered(self, who: Requester, job_id: str) -> tuple[Job, Event]:
        """A job that was asked for in this very channel, and its answer."""
        stored, events = await asyncio.gather(self._bot.queue.load(job_id), self._bot.queue.events(job_id, "0"))
        if stored is None or not events:
            raise _unknown()
        place = stored.job.place
        if (place.guild_id, place.channel_id) != (who.guild_id, who.place.channel_id):
            raise _unknown()
        return stored.job, events[-1][1]

    # ------------------------------------------------------------------ play

    async def compare(
        self,
        who: Requester,
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
        """Have the same seed continued at several temperatures, or by several models.

        Args:
            who: who asks.
            seed: the words to go on from.
            send: see `write`.
            models: names of the models to compare; empty: temperatures are compared.
            model: the one model whose temperatures are compared; None: the channel's.
            temperatures: what to compare; empty: three around the channel's.
            length, random_seed, stop: see `CompareJob`.
            options: see `write`.

        Raises:
            UserError: see `write`.
        """
        await self.require(who)
        bot = self._bot
        own, choices = await asyncio.gather(bot.guild_settings.get(who.guild_id), bot.guild_settings.channel(who.here))
        names: Sequence[str | None] = models or [model]
        records = [await bot.registry.choose(who.guild_id, who.here, name) for name in names]
        usual = choices.temperature if choices.temperature is not None else bot.settings.generate_temperature
        steps = [None] if models else [*(temperatures or around(usual))]
        variants = tuple(
            Variant(
                model_id=record.model_id,
                name=record.name,
                temperature=step if step is not None else self._temperature(None, choices, record),
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
        await self._spend(who, job, send, **options)

    async def surprise(self, who: Requester, text: str, model: str | None, send: Send, **options: Any) -> None:
        """Have it drawn how surprising a text is to a model.

        Raises:
            UserError: see `write`.
        """
        await self.require(who)
        if (await self._bot.guild_settings.blocklist(who.guild_id)).hits(text):  # a picture can't be covered
            raise UserError("This text has something on this server's blocklist.", "Try it without those words.")
        record = await self._bot.registry.choose(who.guild_id, who.here, model)
        job = SurpriseJob(
            job_id=f"s-{who.request_id}",
            place=who.place,
            model=record.ref,
            text=text,
        )
        await self._spend(who, job, send, **options)

    # ------------------------------------------------------------------ all of them

    async def require(self, who: Requester) -> None:
        """Refuse who may not generate texts here; raises as `access.require`."""
        await access.require(self._bot, "generate", who.user, who.channel)

    async def _spend(
        self,
        who: Requester,
        job: GenerateJob | CompareJob | SurpriseJob,
        send: Send,
        *,
        least: float = 0.0,
        **options: Any,
    ) -> None:
        wait = max(self._bot.settings.generate_cooldown_s, least)
        async with self._bot.cooldowns.spend("generate", who.guild_id, who.user.id, wait):
            await ask(self._bot, job, send, **options)


def _unknown() -> UserError:
    return UserError(
        "I don't remember this text.",
        "I keep texts for a month, each for its own channel. Generate a new one.",
    )


def _pressed(who: Requester) -> str:
    return f"{PRESSED}-{who.request_id}"


def around(temperature: float) -> tuple[float, ...]:
    """Three temperatures to compare: the usual one between a cooler and a hotter one."""
    middle = min(HOTTEST - 2 * TEMPERATURE_STEP, max(2 * TEMPERATURE_STEP, temperature))
    return tuple(round(middle + step * TEMPERATURE_STEP, 2) for step in (-2, 0, 2))


def continued(job: GenerateJob, text: str) -> GenerateJob:
    """The request that goes on from the end of `text`; its answer shows a short tail of it."""
    seed = text.replace(MASK, "")[-CONTINUE_FROM:]  # no model knows it
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
    """The same request from the same seed and random numbers, only hotter or cooler."""
    changes: dict[str, Any] = {
        "temperature": min(HOTTEST, max(0.0, round(temperature, 2))),
        "random_seed": answer.random_seed,
    }
    if job.from_line or job.from_corpus:
        changes |= {"seed": answer.seed[-SEED_LIMIT:], "from_line": False, "from_corpus": False}
    return job.model_copy(update=changes)
