"""The way of a request: a place in the queue, the person's rights, their cooldown, the job, its answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bot.components import Press
from bot.jobs.admission import Admission
from bot.jobs.delivery import Delivery
from bot.responder import replying
from bot.servers.access import Access, Actor, CooldownName, Right, require_permissions
from bot.types import Context, Send
from shared.events import Event
from shared.jobs import Asked

Build = Callable[[Actor], Awaitable[Asked]]
"""Builds the job that somebody asks for. Raises UserError: it can't be done, and why."""


@dataclass(frozen=True)
class Requests:
    """Answers commands and buttons with jobs: they only build a job, and everything else is here.

    Any method raises UserError: the person may not, not here or not yet, or as `Delivery.ask`.
    """

    access: Access
    admission: Admission
    delivery: Delivery

    async def command(self, ctx: Context, build: Build, **options: Any) -> None:
        """Answer a command with the end of a job. `options`: see `carry_out`."""
        require_permissions(ctx)
        actor = Actor.of(ctx)
        with self.admission.queue_slot(actor.guild_id):
            await ctx.defer()  # Redis may take longer than Discord's 3 s
            await self._ask(actor, build, ctx.send, **options, **replying(ctx))

    async def press(self, press: Press, build: Build, **options: Any) -> None:
        """Answer a button, a menu or a form with the end of a job. `options`: see `carry_out`."""
        await self.carry_out(press.actor, build, press.send, **options)

    async def carry_out(self, actor: Actor, build: Build, send: Send, **options: Any) -> None:
        """Build a job, have it done, and post its end with `send`. What fails while the job is built costs nothing.

        `options`: `may`: the right that it takes; None: no role is needed. `cooldown`: its name; `least_s`: how long it
        lasts at least. `files`: see `Delivery.ask`. The rest goes to `send`.
        """
        with self.admission.queue_slot(actor.guild_id):
            await self._ask(actor, build, send, **options)

    async def _ask(
        self,
        actor: Actor,
        build: Build,
        send: Send,
        *,
        may: Right | None = "generate",
        cooldown: CooldownName = "generate",
        least_s: float = 0.0,
        **options: Any,
    ) -> None:
        if may is not None:
            await self.access.require(may, actor)
        with self.access.cooldown(cooldown, actor, least_s):
            job = await build(actor)
        await self.delivery.ask(job, send, **options)

    async def unasked(self, guild_id: int, job: Asked, within_s: float) -> Event | None:
        """Have a job done that nobody asked for; see `Delivery.unasked`."""
        with self.admission.queue_slot(guild_id):
            return await self.delivery.unasked(job, within_s)
