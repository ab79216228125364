"""What people ask of models by commands, buttons and forms: common to all that becomes a job and is answered."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import discord

from bot.components import Press
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.servers.access import Access, Actor
from bot.servers.cooldowns import Cooldowns, What
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from galvanic.errors import UserError
from shared.jobs import Asked
from shared.models import ModelRecord
from shared.settings import Settings


@dataclass(eq=False, repr=False)
class Requests:
    """Base of the services that send jobs. Any request raises `UserError` when it may not be made here and now."""

    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    cooldowns: Cooldowns
    jobs: JobClient
    delivery: Delivery
    registry: Registry

    def cooldown(self, what: What, who: Actor, least_s: float = 0.0) -> AbstractAsyncContextManager[None]:
        """A person's cooldown, of `least_s` at least, whatever the operator has set."""
        set_s = self.settings.train_cooldown_s if what == "train" else self.settings.generate_cooldown_s
        return self.cooldowns.spend(what, who.guild_id, who.user.id, max(set_s, least_s), request=who.request_id)

    async def ask(
        self, what: What, who: Actor, job: Asked, send: Send, *, least_s: float = 0.0, **options: Any
    ) -> None:
        """Within the person's cooldown, have a job done, and its answer posted with `send`, which gets `options`."""
        async with self.cooldown(what, who, least_s):
            await self.delivery.ask(job, send, **options)

    async def require_generate(self, who: Actor) -> None:
        await self.access.require("generate", who.user, who.channel)

    async def named(self, who: Actor, name: str | None) -> ModelRecord:
        """The model of that name, or (None) the channel's."""
        return await self.registry.choose(who.guild_id, who.here, name)

    async def pressed(self, press: Press) -> tuple[Actor, ModelRecord]:
        """Who pressed a model's button, and the model, if it can still be used there."""
        return press.actor, await self.registry.by_id(press.actor.guild_id, press.actor.here, press["model"])

    def guild_of(self, who: Actor) -> discord.Guild:
        """Raises UserError: the bot does not know it: it has its commands there alone, or is only just connecting."""
        guild = self.client.get_guild(who.guild_id)
        if guild is None:
            raise UserError("I don't see this server yet.", "Try again in a moment; I must be a member of it.")
        return guild
