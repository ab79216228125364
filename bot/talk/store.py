"""Each server's personas, in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis.asyncio
import structlog
from pydantic import BaseModel, ValidationError

from bot.background import redis_call
from shared import keys

MOST_PERSONAS = 25
"""Most personas of a server."""
Change = Callable[["Persona"], dict[str, Any]]
"""Returns the fields of a persona that change."""

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
            personas = await self.of(guild_id)
            if len(personas | {call: persona}) > MOST_PERSONAS:
                return False
            await self._write(guild_id, personas | {call: persona}, call)
            return True

    async def change(self, guild_id: int, call: str, change: Change) -> None:
        """Change a persona as it is now, unless it was removed meanwhile."""
        async with self._changing:
            personas = await self.of(guild_id)
            if (old := personas.get(call)) is not None and (new := old.model_copy(update=change(old))) != old:
                await self._write(guild_id, personas | {call: new}, call)

    async def remove(self, guild_id: int, call: str) -> None:
        async with self._changing:
            personas = await self.of(guild_id)
            personas.pop(call, None)
            await redis_call(self._redis.hdel(keys.personas(guild_id), call))
            self._known[guild_id] = personas

    async def replace_model(self, guild_id: int, old_id: str, new_id: str) -> None:
        """Give personas of a model the one that took its place."""

        def replaced(persona: Persona) -> dict[str, Any]:
            return {"model_id": new_id} if persona.model_id == old_id else {}

        for call in await self.of(guild_id):
            await self.change(guild_id, call, replaced)

    async def forget_channel(self, guild_id: int, channel_id: int) -> None:
        """Have no persona speak in a channel that was deleted."""

        def without(persona: Persona) -> dict[str, Any]:
            return {"channels": tuple(place for place in persona.channels if place != channel_id)}

        for call in await self.of(guild_id):
            await self.change(guild_id, call, without)

    async def forget_guild(self, guild_id: int) -> None:
        async with self._changing:
            await redis_call(self._redis.delete(keys.personas(guild_id)))
            self._known[guild_id] = {}

    async def _write(self, guild_id: int, personas: dict[str, Persona], call: str) -> None:
        data = personas[call].model_dump_json(exclude_defaults=True)
        await redis_call(self._redis.hset(keys.personas(guild_id), call, data))
        self._known[guild_id] = personas


def _persona(guild_id: int, data: bytes) -> Persona | None:
    try:
        return Persona.model_validate_json(data)
    except ValidationError as error:
        log.error("persona_not_understood", guild_id=guild_id, fields=error.error_count())
        return None
