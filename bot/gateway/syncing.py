"""Keeping Discord's list of slash commands up to date: when they changed, or when the bot's owner says so."""

from __future__ import annotations

import contextlib
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

Tree = app_commands.CommandTree[Any]
log = structlog.get_logger()


async def sync(tree: Tree, connection: redis.asyncio.Redis) -> int:
    """How many commands were sent. Raises discord.HTTPException: Discord refused them."""
    sent = await tree.sync()
    with contextlib.suppress(RedisError):  # the next start sends them once more
        await connection.set(keys.synced_commands(tree.client.application_id), _digest(tree))
    log.info("commands_synced", count=len(sent))
    return len(sent)


async def sync_if_changed(tree: Tree, connection: redis.asyncio.Redis) -> None:
    """Send the slash commands if they differ from Discord's. A failure is logged: `!x` works without.

    Syncing at every start would run into Discord's limit on it. A hash of what was sent last is kept in Redis; the
    names are compared with Discord's own list, too, in case that hash is another bot's.
    """
    try:
        known = {command.name for command in await tree.fetch_commands()}
        changed = known != {command.name for command in tree.get_commands()}
        with contextlib.suppress(RedisError):
            key = keys.synced_commands(tree.client.application_id)
            changed = changed or await connection.get(key) != _digest(tree).encode()
        if changed:
            await sync(tree, connection)
    except discord.HTTPException as error:
        log.error("commands_not_synced", status=error.status, code=error.code)
    except TRANSIENT as error:  # the bot goes on with those that Discord has; the next start tries again
        log.warning("commands_not_synced", error=type(error).__name__)


def _digest(tree: Tree) -> str:
    payload = [command.to_dict(tree) for command in tree.get_commands()]
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
