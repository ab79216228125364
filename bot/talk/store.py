"""Each server's personas, in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import redis.asyncio
import structlog
from pydantic import BaseModel, ValidationError

from bot.background import redis_call
from shared import keys

MOST_PERSONAS = 25
"""Most personas of a server."""

log = structlog.get_logger()


class Persona(BaseModel, frozen=True, extra="ignore"):
    """A model that speaks as `title` in channels and their threads."""

    title: str
    model_id: str
    channels: tuple[int, ...]
    picture: str | None = None


class PersonaStore:
    """One bot process serves a server, so its personas are read only once. Any method raises redis.RedisError."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._known: dict[int, dict[str, Persona]] = {}
        self._changing = asyncio.Lock()

    async def of(self, guild_id: int) -> dict[str, Persona]:
        """Return a server's personas by what they are called. One that is damaged is left out."""
        if guild_id not in self._known:
            stored = await redis_call(self._redis.hgetall(keys.personas(guild_id)))
            read = {call.decode(): _persona(guild_id, data) for call, data in stored.items()}
            # A change that was made meanwhile is newer.
            self._known.setdefault(guild_id, {call: persona for call, persona in read.items() if persona is not None})
        return dict(self._known[guild_id])

    async def put(self, guild_id: int, call: str, persona: Persona) -> bool:
        """Add or replace a persona; False: there are too many."""
        async with self._changing:
            personas = await self.of(guild_id) | {call: persona}
            if len(personas) <= MOST_PERSONAS:
                await self._write(guild_id, personas, {call})
            return len(personas) <= MOST_PERSONAS

    async def change(self, guild_id: int, change: Callable[[Persona], dict[str, Any]]) -> None:
        """Change personas as they are now. `change` returns the fields that change of one."""
        async with self._changing:
            old = await self.of(guild_id)
            new = {call: persona.model_copy(update=change(persona)) for call, persona in old.items()}
            await self._write(guild_id, new, {call for call in old if old[call] != new[call]})

    async def remove(self, guild_id: int, call: str) -> None:
        async with self._changing:
            personas = await self.of(guild_id)
            personas.pop(call, None)
            await redis_call(self._redis.hdel(keys.personas(guild_id), call))
            self._known[guild_id] = personas

    async def replace_model(self, guild_id: int, old_id: str, new_id: str) -> None:
        """Give personas of a model the one that took its place."""
        await self.change(guild_id, lambda persona: {"model_id": new_id} if persona.model_id == old_id else {})

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Have no persona speak in a channel that was deleted."""
        await self.change(
            guild_id,
            lambda persona: {"channels": tuple(place for place in persona.channels if place != channel_id)},
        )

    async def forget_guild(self, guild_id: int) -> None:
        async with self._changing:
            await redis_call(self._redis.delete(keys.personas(guild_id)))
            self._known[guild_id] = {}

    async def _write(self, guild_id: int, personas: dict[str, Persona], changed: Collection[str]) -> None:
        if changed:
            data: Any = {call: personas[call].model_dump_json(exclude_defaults=True) for call in changed}
            await redis_call(self._redis.hset(keys.personas(guild_id), mapping=data))
            self._known[guild_id] = personas


def _persona(guild_id: int, data: bytes) -> Persona | None:
    try:
        return Persona.model_validate_json(data)
    except ValidationError as error:
        log.error("persona_not_understood", guild_id=guild_id, fields=error.error_count())
        return None
