"""Each server's personas, in Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

import redis.asyncio
from pydantic import BaseModel

from bot.background import redis_call
from bot.jobs.decoding import read
from shared import keys

MOST_PERSONAS = 25  # of a server


class Persona(BaseModel, frozen=True, extra="ignore"):
    """A model that speaks as `title` in channels and their threads."""

    title: str
    model_id: str
    channels: tuple[int, ...]
    picture: str | None = None


class PersonaStore:
    """Servers' personas, in Redis. Any method raises redis.RedisError.

    Changes are made in turn, which is enough for one bot.
    """

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._changing = asyncio.Lock()

    async def of(self, guild_id: int) -> dict[str, Persona]:
        """Return a server's personas by what they are called. One that is damaged is left out."""
        stored = await redis_call(self._redis.hgetall(keys.personas(guild_id)))
        personas = {
            call.decode(): read(Persona, data, "persona_not_understood", guild_id=guild_id)
            for call, data in stored.items()
        }
        return {call: persona for call, persona in personas.items() if persona is not None}

    async def put(self, guild_id: int, call: str, persona: Persona) -> bool:
        """Add or replace a persona; False: there are too many."""
        async with self._changing:
            room = len(await self.of(guild_id) | {call: persona}) <= MOST_PERSONAS
            if room:
                await self._write(guild_id, call, persona)
            return room

    async def change(self, guild_id: int, change: Callable[[Persona], dict[str, Any]]) -> None:
        """Change personas as they are now. `change` returns the fields that change of one."""
        async with self._changing:
            for call, persona in (await self.of(guild_id)).items():
                if (changed := persona.model_copy(update=change(persona))) != persona:
                    await self._write(guild_id, call, changed)

    async def remove(self, guild_id: int, call: str) -> None:
        async with self._changing:
            await redis_call(self._redis.hdel(keys.personas(guild_id), call))

    async def replace_model(self, guild_id: int, old_id: str, new_id: str) -> None:
        """Give personas of a model the one that took its place."""
        await self.change(guild_id, lambda persona: {"model_id": new_id} if persona.model_id == old_id else {})

    async def forget_guild(self, guild_id: int) -> None:
        async with self._changing:
            await redis_call(self._redis.delete(keys.personas(guild_id)))

    async def _write(self, guild_id: int, call: str, persona: Persona) -> None:
        data = persona.model_dump_json(exclude_defaults=True)
        await redis_call(self._redis.hset(keys.personas(guild_id), call, data))
