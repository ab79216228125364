"""The models of a guild, as the bot sees them: listing, choosing, and who may use which."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import discord
import redis.asyncio
from discord import app_commands

from bot.guilds import Guilds
from bot.redis_reply import reply
from shared import keys
from shared.errors import UserError
from shared.models import ModelRecord

CHOICES = 25  # Discord's limit


class Registry:
    """Models in Redis. The worker enters them; nothing here opens a model file."""

    def __init__(self, client: redis.asyncio.Redis, guilds: Guilds) -> None:
        self._redis = client
        self._guilds = guilds

    async def usable(self, guild_id: int, channel_ids: Iterable[int]) -> list[ModelRecord]:
        """The guild's models that may be used in a channel, newest first.

        Args:
            guild_id: the guild.
            channel_ids: the channel, and for a thread also its parent.
        """
        ids = await reply(self._redis.hvals(keys.guild_models(guild_id)))
        if not ids:
            return []
        records = await reply(self._redis.mget([keys.model(item.decode()) for item in ids]))
        here = list(channel_ids)
        models = [ModelRecord.model_validate_json(data) for data in records if data is not None]
        return sorted(
            (model for model in models if model.usable_in(here)),
            key=lambda model: model.created_at,
            reverse=True,
        )

    async def choose(self, guild_id: int, channel_ids: list[int], name: str | None) -> ModelRecord:
        """The model called `name`, or the channel's current one.

        Raises:
            UserError: there is no such model that may be used here.
        """
        models = await self.usable(guild_id, channel_ids)
        prefix = await self._guilds.prefix(guild_id)
        if name is not None:
            return _by_name(models, name, prefix)
        current = await self.current(channel_ids)
        for model in models:
            if model.model_id == current:
                return model
        if models:
            names = ", ".join(f"`{model.name}`" for model in models[:5])
            raise UserError(
                "This channel has no model yet.",
                f"Pick one of {names} with `{prefix}model use NAME`, or train one: `{prefix}train frankenstein`.",
            )
        raise UserError("There is no model here yet.", f"Train one first: `{prefix}train frankenstein`.")

    async def offered(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The names to offer while somebody types a model's, for a slash command."""
        channel = interaction.channel
        if interaction.guild_id is None or channel is None:
            return []
        ids = [channel.id, channel.parent_id] if isinstance(channel, discord.Thread) else [channel.id]
        names = [model.name for model in await self.usable(interaction.guild_id, ids) if typed.lower() in model.name]
        return [app_commands.Choice(name=name, value=name) for name in names[:CHOICES]]

    async def next_name(self, guild_id: int, channel_ids: list[int], model: ModelRecord) -> str:
        """What to wish for as the name of a model that goes on from another: `tides` after `tides-2`, too.

        The registry adds the next free number itself.
        """
        numbered = re.fullmatch(r"(.+)-\d+", model.name)
        known = {other.name for other in await self.usable(guild_id, channel_ids)}
        return numbered[1] if numbered and numbered[1] in known else model.name

    async def current(self, channel_ids: list[int]) -> str | None:
        """Id of the channel's current model; a thread without a choice of its own has its parent's."""
        for channel_id in channel_ids:
            value = await reply(self._redis.hget(keys.channel(channel_id), "model"))
            if value is not None:
                return str(value.decode())
        return None

    async def stored_bytes(self, guild_id: int) -> int:
        """What all models of a guild take in the model store, wherever they may be used."""
        ids = await reply(self._redis.hvals(keys.guild_models(guild_id)))
        records = await reply(self._redis.mget([keys.model(item.decode()) for item in ids])) if ids else []
        return sum(ModelRecord.model_validate_json(data).stored_bytes for data in records if data is not None)

    async def use(self, channel_id: int, model: ModelRecord) -> None:
        """Make a model the channel's current one."""
        await reply(self._redis.hset(keys.channel(channel_id), "model", model.model_id))


def _by_name(models: list[ModelRecord], name: str, prefix: str) -> ModelRecord:
    wanted = name.strip().lower()
    for model in models:
        if model.name == wanted:
            return model
    near = difflib.get_close_matches(wanted, [model.name for model in models], n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(f'`{other}`' for other in near)}? " if near else ""
    raise UserError(
        f"No model called `{name.strip()[:60].replace('`', '')}` can be used in this channel.",
        f"{remedy}`{prefix}models` lists them all.",
    )
