"""Texts that models write: a request of a command, button, form or mention becomes a job, and its answer is posted."""

import asyncio
import functools
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from bot.components import JOB, MODEL, Action, Components, Field, Form, Press, view
from bot.core import Core
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.options import checks
from bot.options.decoding import job_shown_in, message_text
from bot.servers.access import Actor, Viewer
from bot.servers.settings import ChannelSettings
from bot.types import Send
from bot.words import DESCRIPTION_LIMIT, as_typed
from bot.write import changes, embeds
from bot.write.changes import E
from galvanic.emoji import named
from galvanic.errors import UserError
from galvanic.options import STARTER
from shared.events import Compared, Event, Generated, Surprised
from shared.jobs import SURPRISE_FILE, Asked, CompareJob, GenerateJob, Job, MixPart, SurpriseJob, author_of
from shared.models import ModelRecord

FROM_CORPUS_LENGTH = 1_000  # the tutorial's
DOUBLE_CLICK_S = 1.0  # a second press by a person within this time is a double click, also without a cooldown
_FIELDS = (
    Field(
        "words",
        "Words to continue",
        placeholder="Leave empty for a random line of the text",
        most=checks.SEED_LIMIT,
        long=True,
    ),
    Field(
        "temperature",
        "Temperature",
        placeholder="0 is the most predictable, 1 as surprising as the text; up to 2",
        most=8,
    ),
)


def usual_temperature(choices: ChannelSettings, model: ModelRecord) -> float | None:
    """Return the temperature of a text that names none; None: the model's own."""
    return None if model.recipe == "classic" else choices.temperature


@dataclass(eq=False, repr=False)
class Generating:
    """Makes the jobs of texts, and posts these with their buttons."""

    core: Core
    registry: Registry

    async def job(
        self,
        actor: Actor,
        models: Sequence[ModelRecord],
        seed: str,
        *,
        letter: str = "",
        weights: Sequence[float] = (),
        length: int | None = None,
        from_corpus: bool = False,
        **chosen: Any,
    ) -> GenerateJob:
        """Return the job of a text by a model, or by several that are mixed. Raises UserError: there can be none.

        Args:
            seed: is continued; empty: the text begins with a random line, or `from_corpus` at a random place.
            letter: of the job's id, if not its kind's.
            weights: of the models; empty: they are not mixed.
            length: in characters; None: the usual one.
            **chosen: more fields of `GenerateJob`; None stands for the channel's or the model's default.
        """
        settings = self.core.settings
        checks.in_range("length", length, 1, settings.generate_max_length)
        for unlike in (model for model in models if weights and model.recipe != "char"):
            raise UserError(
                f"`{unlike.name}` is a `{unlike.recipe}` model, which can't be mixed.",
                "Mix models of the recipe `char`: they all write character by character.",
            )
        choices, own = await self.core.servers.channel(actor.here), await self.core.servers.get(actor.guild_id)
        usual = FROM_CORPUS_LENGTH if from_corpus else settings.generate_length
        fields = {name: value for name, value in chosen.items() if value is not None}
        parts = zip(models, weights, strict=False)
        return GenerateJob(
            **{"temperature": usual_temperature(choices, models[0]), **fields},
            **actor.asks(GenerateJob, letter),
            model_id=models[0].model_id,
            model_name=models[0].name,
            seed=seed,
            length=length or min(usual, settings.generate_max_length),
            from_corpus=from_corpus,
            from_line=not seed.strip() and not from_corpus,
            mix=tuple(MixPart(model_id=model.model_id, name=model.name, weight=weight) for model, weight in parts),
            blocked=own.blocked,
        )

    # ------------------------------------------------------------------ buttons, menus and forms

    async def _pressed(self, action: str, press: Press) -> None:
        job, answer = await self.answered(press.actor, press["job"])
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated):
            raise _unknown()
        renewed = functools.partial(self._renewed, changes.BUTTONS[action](job, answer))
        await self.core.requests.press(press, renewed, least_s=DOUBLE_CLICK_S)

    async def _chosen(self, press: Press) -> None:
        """Continue one text of a comparison; the menu's values are the texts' numbers, from 0."""
        job, answer = await self.answered(press.actor, press["job"])
        if not isinstance(job, CompareJob) or not isinstance(answer, Compared):
            raise _unknown()
        pairs = {str(number): pair for number, pair in enumerate(zip(job.variants, answer.texts, strict=False))}
        if press.chosen not in pairs:
            raise _unknown()
        variant, text = pairs[press.chosen]
        if not text.text.strip():
            raise UserError("This text is empty, so there is nothing to continue.", "Choose another one.")

        async def build(actor: Actor) -> GenerateJob:
            model = await self.registry.by_id(actor.viewer, variant.model_id)
            return await self.job(
                actor,
                [model],
                **changes.continuation_of(job.seed + text.text),
                letter=embeds.PRESSED,
                temperature=text.temperature,
                stop=job.stop,
                author_id=author_of(job),
            )

        await self.core.requests.press(press, build, least_s=DOUBLE_CLICK_S)

    async def _renewed(self, job: GenerateJob, actor: Actor) -> GenerateJob:
        """Return a changed copy of an earlier job, with the names, limits and blocklist of now."""
        model_ids = [part.model_id for part in job.mix] or [job.model_id]
        models = await self.registry.all_by_id(actor.viewer, model_ids)
        fresh = {
            "job_id": f"{embeds.PRESSED}-{actor.request_id}",
            "place": actor.place,
            "model_name": models[model_ids[0]].name,
            "mix": tuple(part.model_copy(update={"name": models[part.model_id].name}) for part in job.mix),
            "length": min(job.length, self.core.settings.generate_max_length),
            "blocked": (await self.core.servers.get(actor.guild_id)).blocked,
            "author_id": author_of(job),
        }
        return job.model_copy(update=fresh)

    async def answered(self, actor: Actor, job_id: str) -> tuple[Job, Event]:
        """Return a job of this very channel, and its last event. Raises UserError: it isn't known here."""
        stored, events = await asyncio.gather(self.core.jobs.load(job_id), self.core.jobs.events(job_id, "0"))
        place = (actor.guild_id, actor.place.channel_id)
        if stored is None or not events or (stored.job.place.guild_id, stored.job.place.channel_id) != place:
            raise _unknown()
        return stored.job, events[-1][1]

    async def job_of(self, message: discord.Message) -> str | None:
        """Return the id of the job whose text is in a message of the bot or of a persona; None: there is none."""
        mine = self.core.bot.user is not None and message.author.id == self.core.bot.user.id
        job_id = job_shown_in(message) if mine else None
        return job_id or (await self.core.jobs.shown_in(message.id) if mine or message.webhook_id is not None else None)

    async def words_of(self, actor: Actor, message: discord.Message, *, as_shown: bool = False) -> tuple[str, int]:
        """Return the words of a message that this person may use, and the id of their author.

        They are the person's own message, or a text that a model wrote. `as_shown`: of a text that continues another
        one, only what the message shows. Raises UserError if the message is neither.
        """
        if message.author.id == actor.user.id:
            return message_text(message).strip(), actor.user.id
        me, prefix = self.core.bot.user, await self.core.servers.prefix(actor.guild_id)
        remedy = (
            "Use it on a message of your own or a text of mine, "
            f"or type the words after `{prefix}generate` or `{prefix}surprise`."
        )
        if message.webhook_id is None and (me is None or message.author.id != me.id):
            raise UserError("That message is somebody else's, so I don't use its words.", remedy)
        if (job_id := await self.job_of(message)) is None:
            raise UserError("I can't tell whose words that message has, so I don't use them.", remedy)
        job, answer = await self.answered(actor, job_id)
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated):
            raise UserError(
                "This message has more than one text, or none.",
                "Take a single text: the menu under a comparison continues one of them.",
            )
        text = (changes.shown_text if as_shown else changes.full_text)(job, answer)
        return text, author_of(job)

    async def _form(self, press: Press) -> Form:
        """Return the form for a text by a model; the person's rights are checked when it is sent."""

        async def sent(form: Press) -> None:
            typed = form.typed["temperature"].strip()
            temperature = checks.temperature(typed) if typed else None

            async def build(actor: Actor) -> GenerateJob:
                model = await self.registry.by_id(actor.viewer, press["model"])
                return await self.job(
                    actor, [model], form.typed["words"], letter=embeds.PRESSED, temperature=temperature
                )

            await self.core.requests.press(form, build)

        return Form("Generate a text", _FIELDS, Action(sent))

    def register(self, table: Components, delivery: Delivery) -> None:
        for action in changes.BUTTONS:
            table.add(action, functools.partial(self._pressed, action), JOB)
        table.add("write", self._form, MODEL, how="form")
        table.add("compared", self._chosen, JOB)
        delivery.present(GenerateJob, self.post)
        delivery.present(CompareJob, self.post_comparison)
        delivery.present(SurpriseJob, self.post_surprise)

    # ------------------------------------------------------------------ posting answers

    async def _fit(self, job: Asked, model_ids: Collection[str], event: E) -> E:
        """Return an answer as it may be shown now. Raises UserError unless all its models may be used in its place.

        The place may have been opened to others since it was asked for, above all when the answer comes late.
        """
        await self.registry.require_may_use(job.place, model_ids)
        return await changes.masked(event, await self.core.fit(job.place.guild_id))

    async def without_model(self, viewer: Viewer) -> str | None:
        """Say why the starter writes in a channel without a model, and how to get one; None: the channel has one."""
        if await self.registry.current(viewer) is not None:
            return None
        prefix = await self.core.servers.prefix(viewer.guild_id)
        if models := await self.registry.usable(viewer):
            return (
                "This channel has no model, so I write in the English that I come with. "
                f"`{as_typed(prefix, 'model use', 'name', models[0].name)}` gives it one."
            )
        return (
            "I have not learned a text here yet, so I write in the English that I come with. "
            f"`{as_typed(prefix, 'train', 'source', 'frankenstein')}` teaches me a book."
        )

    async def post(self, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
        event = await self._fit(job, {part.model_id for part in job.mix} or {job.model_id}, event)
        if job.shown == 0:  # plain text, as people talk; a link that the model made up gets no preview
            sent = await send(embeds.chatted(event), suppress_embeds=True, **options)
            await self.core.jobs.note_shown(sent.id, job.job_id)
            return
        learn = None
        if job.model_id == STARTER and not job.mix:
            learn = await self.without_model(Viewer(job.place.guild_id, job.place.channel_ids))
        embed = embeds.generated(job, event, learn)
        if len(embed.description or "") > DESCRIPTION_LIMIT:
            embed = embeds.generated(job, event, learn, beginning=True)
            name = "-".join(part.name for part in job.mix)[:60] or job.model_name
            options["file"] = discord.File(io.BytesIO(named(event.seed + event.text).encode()), f"{name}.txt")
        await send(embed=embed, view=embeds.text_buttons(job, event), **options)

    async def post_comparison(self, send: Send, job: CompareJob, event: Compared, **options: Any) -> None:
        model_ids = {variant.model_id for variant in job.variants}
        event = await self._fit(job, model_ids, event)
        await send(embed=embeds.compared(job, event), view=embeds.compared_menu(job.job_id, event), **options)

    async def post_surprise(self, send: Send, job: SurpriseJob, event: Surprised, **options: Any) -> None:
        event = await self._fit(job, [job.model.model_id], event)
        picture = await self.core.jobs.artifact(job.job_id, SURPRISE_FILE)
        embed = embeds.surprised(job, event)
        if picture is None:
            embed.set_image(url=None).set_footer(text="The picture has expired: run the command again for a new one.")
        else:
            options["file"] = discord.File(io.BytesIO(picture), SURPRISE_FILE)
        await send(embed=embed, view=view(embeds.delete_button(job.job_id)), **options)


def _unknown() -> UserError:
    return UserError("I no longer have this text.", "It is over a month old, or was deleted. Generate a new one.")
