"""Keeping Discord's list of slash commands up to date: when they changed, or when the bot's owner says so."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import discord
import redis.asyncio
import structlog
from discord import app_commands
from redis.exceptions import RedisError

from bot.background import TRANSIENT
from shared import keys

log = structlog.get_logger()


class CommandSync:
    def __init__(self, tree: app_commands.CommandTree[Any], connection: redis.asyncio.Redis) -> None:
        self._tree = tree
        self._redis = connection

    async def if_changed(self) -> None:
        """Send the slash commands if they differ from Discord's. A failure is logged: `!x` works without.

        Syncing at every start would run into Discord's limit on it. A hash of what was sent last is kept in Redis; the
        names are compared with Discord's own list, too, in case that hash is another bot's.
        """
        try:
            if await self._changed():
                await self.force()
        except discord.HTTPException as error:
            log.error("commands_not_synced", status=error.status, code=error.code)
        except TRANSIENT as error:  # the bot goes on with those that Discord has; the next start tries again
            log.warning("commands_not_synced", error=type(error).__name__)

    async def force(self) -> int:
        """How many commands were sent. Raises discord.HTTPException: Discord refused them."""
        sent = await self._tree.sync()
        try:
            await self._redis.set(self._key, self._digest())
        except RedisError as error:  # the next start sends them once more
            log.warning("redis_unreachable", error=type(error).__name__)
        log.info("commands_synced", count=len(sent))
        return len(sent)

    @property
    def _key(self) -> str:
        return keys.synced_commands(self._tree.client.application_id)

    async def _changed(self) -> bool:
        known = {command.name for command in await self._tree.fetch_commands()}
        if known != {command.name for command in self._tree.get_commands()}:
            return True
        try:
            sent = await self._redis.get(self._key)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
            return False
        return bool(sent != self._digest().encode())

    def _digest(self) -> str:
        payload = [command.to_dict(self._tree) for command in self._tree.get_commands()]
        return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
