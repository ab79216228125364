"""Generated texts: what a command, a button, a form or a mention asks for becomes a job, whose answer is posted."""

from __future__ import annotations

import asyncio
import functools
import io
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog

from bot import components
from bot.components import Field, Form, Press
from bot.errors import MISSING_PERMISSIONS
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.options.checks import SEED_LIMIT
from bot.options.options import HOTTEST, TEMPERATURE_STEP, temperature
from bot.servers.access import Access
from bot.servers.actor import Actor
from bot.servers.cooldowns import Cooldowns
from bot.servers.settings import ChannelChoices, GuildSettingsStore
from bot.types import Send
from bot.words import NO_FILES
from bot.write import embeds
from bot.write.mix import Part
from shared.blocklist import MASK, Blocklist
from shared.errors import UserError
from shared.events import Event, Generated
from shared.jobs import Asked, CompareJob, GenerateJob, Job, MixPart, SurpriseJob, author_of
from shared.models import ModelRecord
from shared.settings import Settings

CONTINUE_FROM = 1_000
"""Characters of a text that its continuation sees: more than a model remembers."""
FROM_CORPUS_LENGTH = 1_000  # the tutorial's
CHAT_LENGTH = 200
DOUBLE_CLICK_S = 1.0
"""A second press by the same person within this time counts as a double click, even where there is no cooldown."""
_FIELDS = (
    Field(
        "words",
        "Words to continue",
        placeholder="Leave empty for a random line of the text",
        most=SEED_LIMIT,
        long=True,
    ),
    Field(
        "temperature",
        "Temperature",
        placeholder="0 always takes the likeliest, 1 is as surprising as the text; up to 2",
        most=8,
    ),
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Request:
    """None and empty stand for the channel's defaults. `model` is a name, `model_id` what a button carries instead
    of it; `chosen` has further fields of `GenerateJob`."""

    seed: str = ""
    models: tuple[Part, ...] = ()
    model: str | None = None
    model_id: str | None = None
    length: int | None = None
    from_corpus: bool = False
    chosen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Generating:
    """Any request raises `UserError` when it may not be made here and now, or is refused."""

    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    cooldowns: Cooldowns
    queue: JobClient
    delivery: Delivery
    registry: Registry
    slot: Callable[[int], AbstractContextManager[None]]

    async def generate(self, who: Actor, request: Request, send: Send, *, letter: str = "g", **options: Any) -> None:
        """Post a text with `send`, which gets `options`. `letter`: the first of the job's id."""
        await self.require(who)
        await self.ask(who, await self._job(who, request, letter), send, **options)

    async def chat(self, who: Actor, words: str, send: Send, **options: Any) -> None:
        """Answer a mention with what the channel's model writes after its words. The cooldown is the caller's."""
        await self.require(who)
        chosen = {"stop": "sentence", "shown": 0}
        request = Request(seed=f"{words[-CONTINUE_FROM:]}\n", length=CHAT_LENGTH, chosen=chosen)
        await self.delivery.ask(await self._job(who, request, "c"), send, **options)

    async def require(self, who: Actor) -> None:
        await self.access.require("generate", who.user, who.channel)

    async def ask(
        self,
        who: Actor,
        job: GenerateJob | CompareJob | SurpriseJob,
        send: Send,
        *,
        least_s: float = 0.0,
        **options: Any,
    ) -> None:
        """Within the person's cooldown for texts, which is at least `least_s`, whatever the operator has set."""
        wait = max(self.settings.generate_cooldown_s, least_s)
        async with self.cooldowns.spend("generate", who.guild_id, who.user.id, wait, request=who.request_id):
            await self.delivery.ask(job, send, **options)

    def temperature(self, choices: ChannelChoices, model: ModelRecord) -> float | None:
        """For a text that names none; None: `classic` has its own."""
        if model.recipe == "classic":
            return None
        return choices.temperature if choices.temperature is not None else self.settings.generate_temperature

    async def _job(self, who: Actor, request: Request, letter: str) -> GenerateJob:
        models, choices = await self._models(who, request)
        model, own = models[0], await self.servers.get(who.guild_id)
        usual = FROM_CORPUS_LENGTH if request.from_corpus else self.settings.generate_length
        chosen = {name: value for name, value in request.chosen.items() if value is not None}
        parts = zip(models, request.models, strict=False)
        return GenerateJob(
            **{"temperature": self.temperature(choices, model), **chosen},
            job_id=f"{letter}-{who.request_id}",
            place=who.place,
            model_id=model.model_id,
            model_name=model.name,
            seed=request.seed,
            length=request.length or min(usual, self.settings.generate_max_length),
            from_corpus=request.from_corpus,
            from_line=not request.seed.strip() and not request.from_corpus,
            mix=tuple(MixPart(model_id=one.model_id, name=one.name, weight=part.weight) for one, part in parts),
            blocked=own.blocklist,
        )

    async def _models(self, who: Actor, request: Request) -> tuple[list[ModelRecord], ChannelChoices]:
        if request.model_id is not None:
            model = await self.registry.by_id(who.guild_id, who.here, request.model_id)
            return [model], await self.servers.channel(who.here)
        names: list[str | None] = [*(part.name for part in request.models)] or [request.model]
        found = [await self.registry.choose_with(who.guild_id, who.here, name) for name in names]
        models = [model for model, _ in found]
        for model in models if request.models else ():
            if model.recipe != "char":
                raise UserError(
                    f"`{model.name}` is a `{model.recipe}` model, which can't be mixed.",
                    "Mix models of the recipe `char`: they all write character by character.",
                )
        return models, found[0][1]

    # ------------------------------------------------------------------ buttons and forms

    async def pressed(self, action: str, press: Press) -> None:
        job, answer = await self.answered(press.actor, press["job"])
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated):
            raise unknown()
        if action == "again":
            changed = job.model_copy(update={"random_seed": None})
        elif action == "continue":
            changed = continued(job, (answer.seed if job.from_line or job.from_corpus else job.seed) + answer.text)
        else:
            step = TEMPERATURE_STEP if action == "hotter" else -TEMPERATURE_STEP
            changed = at_temperature(job, answer, answer.temperature + step)
        await self.generate_again(press.actor, changed, press.send)

    async def generate_again(self, who: Actor, job: GenerateJob, send: Send) -> None:
        """Have a changed copy of an earlier job answered, with the names, limits, blocklist and rights of now."""
        await self.require(who)
        model_ids = [part.model_id for part in job.mix] or [job.model_id]
        by_id = functools.partial(self.registry.by_id, who.guild_id, who.here)
        models = await asyncio.gather(*map(by_id, model_ids))
        names = zip(job.mix, models, strict=False)
        fresh = {
            "job_id": _pressed_id(who),
            "place": who.place,
            "model_name": models[0].name,
            "mix": tuple(part.model_copy(update={"name": model.name}) for part, model in names),
            "length": min(job.length, self.settings.generate_max_length),
            "blocked": (await self.servers.get(who.guild_id)).blocklist,
            "author_id": author_of(job),
        }
        await self.ask(who, job.model_copy(update=fresh), send, least_s=DOUBLE_CLICK_S, nonce=_pressed_id(who))

    async def answered(self, who: Actor, job_id: str) -> tuple[Job, Event]:
        """A job of this very channel, and its last event; raises `UserError` when it isn't known here."""
        stored, events = await asyncio.gather(self.queue.load(job_id), self.queue.events(job_id, "0"))
        if stored is None or not events:
            raise unknown()
        place = stored.job.place
        if (place.guild_id, place.channel_id) != (who.guild_id, who.place.channel_id):
            raise unknown()
        return stored.job, events[-1][1]

    async def form(self, press: Press) -> Form:
        """Whether this person may generate is asked when the form is sent."""

        async def sent(form: Press) -> None:
            typed = form.typed["temperature"].strip()
            chosen = {"temperature": temperature(typed)} if typed else {}
            request = Request(seed=form.typed["words"], model_id=press["model"], chosen=chosen)
            who = form.actor
            await self.generate(who, request, form.send, letter=embeds.PRESSED, nonce=_pressed_id(who))

        return Form("generate form", "Generate a text", _FIELDS, sent, hold=self.slot)

    def register(self, table: components.Components) -> None:
        for action in ("again", "continue", "hotter", "cooler"):
            table.add(action, functools.partial(self.pressed, action), components.JOB, hold=self.slot)
        table.add("write", self.form, components.MODEL, how="form")
        self.delivery.present(GenerateJob, Generated, self.post)

    # ------------------------------------------------------------------ answers

    async def require_shown(self, job: Asked, model_ids: Collection[str]) -> Blocklist:
        """The blocklist for an answer; raises `UserError` unless all models in it may be used in its place now.

        The place may have been opened to others since it was asked for, above all when the answer comes late.
        """
        await self.registry.require_usable(job.place, model_ids)
        return await self.servers.blocklist(job.place.guild_id)

    async def post(self, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
        blocked = await self.require_shown(job, {part.model_id for part in job.mix} or {job.model_id})
        event = _masked(event, blocked)
        if job.shown == 0:
            # Plain text, as people talk; a link that the model made up gets no preview.
            await send(embeds.chatted(event), suppress_embeds=True, **options)
            return
        options["view"] = embeds.text_buttons(job, event)
        if (embed := embeds.generated(job, event)) is not None:
            await send(embed=embed, **options)
            return
        embed = embeds.generated_beginning(job, event)
        guild = self.client.get_guild(job.place.guild_id)
        most = guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        data = (event.seed + event.text).encode()[:most].decode(errors="ignore").encode()
        name = "-".join(part.name for part in job.mix)[:60] or job.model_name
        try:
            await send(embed=embed, file=discord.File(io.BytesIO(data), f"{name}.txt"), **options)
        except discord.Forbidden as error:
            if error.code != MISSING_PERMISSIONS:
                raise
            log.warning("file_not_attached", job_id=job.job_id)
            said = f"The rest would be a file, and {NO_FILES}"
            await send(embed=embed.add_field(name="Only the beginning", value=said, inline=False), **options)


def _masked(event: Generated, blocked: Blocklist) -> Generated:
    # What the worker wrote was checked against the blocklist of then; the seed, and an older answer, were not.
    seed, text = blocked.mask(event.seed), blocked.mask(event.text)
    masked = event.masked or (seed, text) != (event.seed, event.text)
    notes = tuple(map(blocked.mask, event.notes))  # one may quote the seed as the model reads it
    return event.model_copy(update={"seed": seed, "text": text, "notes": notes, "masked": masked})


def continued(job: GenerateJob, text: str) -> GenerateJob:
    """Continue `text` from its end; the answer shows only a short tail of it."""
    seed = text.replace(MASK, "")[-CONTINUE_FROM:]  # no model knows the mask
    tail = seed[-embeds.CONTINUED_SHOWN :]
    if len(tail) < len(seed):
        tail = re.sub(r"^\S*\s+(?=\S)", "", tail, count=1)
    changes = {"seed": seed, "shown": len(tail), "random_seed": None, "from_line": False, "from_corpus": False}
    return job.model_copy(update=changes)


def at_temperature(job: GenerateJob, answer: Generated, hot: float) -> GenerateJob:
    """The same seed and random numbers, only hotter or cooler."""
    changes: dict[str, Any] = {"temperature": min(HOTTEST, max(0.0, round(hot, 2))), "random_seed": answer.random_seed}
    # A model of a channel begins with nothing that could be given as a seed.
    if (job.from_line or job.from_corpus) and answer.seed.strip():
        changes |= {"seed": answer.seed[-SEED_LIMIT:], "from_line": False, "from_corpus": False}
    return job.model_copy(update=changes)


def _pressed_id(who: Actor) -> str:
    return f"{embeds.PRESSED}-{who.request_id}"


def unknown() -> UserError:
    return UserError(
        "I no longer have this text.",
        "I keep texts for a month, each in its own channel. Generate a new one.",
    )
