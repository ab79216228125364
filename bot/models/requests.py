"""What people ask of models by commands, buttons and forms: common to all that becomes a job and is answered."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.components import Press
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models.registry import Registry
from bot.servers.access import Access, Actor
from bot.servers.settings import GuildSettingsStore
from galvanic.errors import UserError
from shared.models import ModelRecord
from shared.settings import Settings


@dataclass(eq=False, repr=False)
class Requests:
    """Base of the services that send jobs. Any request raises `UserError` when it may not be made here and now."""

    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    jobs: JobClient
    delivery: Delivery
    registry: Registry

    async def pressed(self, press: Press) -> tuple[Actor, ModelRecord]:
        """Who pressed a model's button, and the model, if it can still be used there."""
        who = press.actor
        return who, await self.registry.by_id(who.viewer, press["model"])

    def guild_of(self, who: Actor) -> discord.Guild:
        """Raises UserError: the bot does not know it: it has its commands there alone, or is only just connecting."""
        guild = self.client.get_guild(who.guild_id)
        if guild is None:
            raise UserError("I don't see this server yet.", "Try again in a moment; I must be a member of it.")
        return guild
