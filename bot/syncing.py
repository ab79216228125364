"""Keeping Discord's list of slash commands up to date: when they changed, or when the bot's owner says so."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import discord
import structlog
from redis.exceptions import RedisError

from bot.failures import TRANSIENT
from shared import keys

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()


async def sync_commands(bot: Galvanic) -> None:
    """Send Discord the slash commands if they differ from what it has. A failure is logged: `!x` works without.

    Syncing at every start would run into Discord's limit on it; what was sent last is kept as a hash in Redis,
    and the names are compared with Discord's own list in case that hash is another bot's.
    """
    try:
        if await _changed(bot):
            await force_sync(bot)
    except discord.HTTPException as error:
        log.error("commands_not_synced", status=error.status, code=error.code)
    except TRANSIENT as error:  # the bot goes on with those that Discord has; the next start tries again
        log.warning("commands_not_synced", error=type(error).__name__)


async def force_sync(bot: Galvanic) -> int:
    """Send Discord all slash commands, and return how many there are.

    Raises:
        discord.HTTPException: Discord refused them.
    """
    sent = await bot.tree.sync()
    try:
        await bot.redis.set(keys.synced_commands(bot.application_id), _digest(bot))
    except RedisError as error:  # the next start sends them once more
        log.warning("redis_unreachable", error=type(error).__name__)
    log.info("commands_synced", count=len(sent))
    return len(sent)


async def _changed(bot: Galvanic) -> bool:
    known = {command.name for command in await bot.tree.fetch_commands()}
    if known != {command.name for command in bot.tree.get_commands()}:
        return True
    try:
        sent = await bot.redis.get(keys.synced_commands(bot.application_id))
    except RedisError as error:
        log.warning("redis_unreachable", error=type(error).__name__)
        return False
    return bool(sent != _digest(bot).encode())


def _digest(bot: Galvanic) -> str:
    payload = [command.to_dict(bot.tree) for command in bot.tree.get_commands()]
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
