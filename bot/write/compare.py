"""`compare`: the same seed at several temperatures, or with several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot import components
from bot.components import Press
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.options.options import HOTTEST, TEMPERATURE_STEP
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from bot.write import embeds
from bot.write.generate import Generating, continued, unknown
from shared.errors import UserError
from shared.events import Compared
from shared.jobs import CompareJob, GenerateJob, StopAt, Variant, author_of
from shared.settings import Settings


@dataclass(frozen=True)
class Comparing:
    settings: Settings
    servers: GuildSettingsStore
    delivery: Delivery
    registry: Registry
    generating: Generating

    async def compare(
        self,
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
        """Continue the same seed in several ways and post the texts with `send`, which gets `options`.

        Either `models` (names) are compared, or `temperatures` of one `model`: None is the channel's, no temperatures
        are three around the channel's. Raises `UserError`, see `Generating`.
        """
        await self.generating.require(who)
        own = await self.servers.get(who.guild_id)
        names: Sequence[str | None] = models or [model]
        found = [await self.registry.choose_with(who.guild_id, who.here, name) for name in names]
        choices = found[0][1]
        usual = choices.temperature if choices.temperature is not None else self.settings.generate_temperature
        steps = [None] if models else [*(temperatures or temperatures_around(usual))]
        variants = tuple(
            Variant(
                model_id=record.model_id,
                name=record.name,
                temperature=step if step is not None else self.generating.temperature(choices, record),
            )
            for record, _ in found
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
        await self.generating.ask(who, job, send, **options)

    async def post(self, send: Send, job: CompareJob, event: Compared, **options: Any) -> None:
        blocked = await self.generating.require_shown(job, {variant.model_id for variant in job.variants})
        texts = tuple(
            text.model_copy(update={"text": blocked.mask(text.text), "problem": blocked.mask(text.problem)})
            for text in event.texts
        )
        seed, notes = blocked.mask(event.seed), tuple(map(blocked.mask, event.notes))
        masked = event.masked or (seed, texts) != (event.seed, event.texts)
        event = event.model_copy(update={"seed": seed, "texts": texts, "notes": notes, "masked": masked})
        await send(embed=embeds.compared(job, event), view=embeds.compared_menu(job.job_id, event), **options)

    async def chosen(self, press: Press) -> None:
        """The menu's values are the texts' numbers, from 0."""
        job, event = await self.generating.answered(press.actor, press["job"])
        if not isinstance(job, CompareJob) or not isinstance(event, Compared):
            raise unknown()
        pairs = {str(number): pair for number, pair in enumerate(zip(job.variants, event.texts, strict=False))}
        if press.chosen not in pairs:
            raise unknown()
        variant, text = pairs[press.chosen]
        if not text.text.strip():
            raise UserError("This text is empty, so there is nothing to continue.", "Choose another one.")
        one = GenerateJob(
            job_id=job.job_id,
            place=job.place,
            model_id=variant.model_id,
            model_name=variant.name,
            seed=job.seed,
            author_id=author_of(job),
            length=min(self.settings.generate_length, self.settings.generate_max_length),
            temperature=text.temperature,
            stop=job.stop,
        )
        await self.generating.generate_again(press.actor, continued(one, job.seed + text.text), press.send)

    def register(self, table: components.Components) -> None:
        table.add("compared", self.chosen, components.JOB, hold=self.generating.slot)
        self.delivery.present(CompareJob, Compared, self.post)


def temperatures_around(temperature: float) -> tuple[float, ...]:
    """A cooler one, this one and a hotter one; shifted where one would be outside 0 to `HOTTEST`."""
    middle = min(HOTTEST - 2 * TEMPERATURE_STEP, max(2 * TEMPERATURE_STEP, temperature))
    return tuple(round(middle + step * TEMPERATURE_STEP, 2) for step in (-2, 0, 2))
