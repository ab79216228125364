"""Errors as people see them, in whatever way Discord takes them."""

from __future__ import annotations

from typing import Any

import discord
import structlog

from bot import cards
from bot.failures import ALREADY_ANSWERED, CLOSED, TOO_LATE, passing
from bot.types import Send
from shared.errors import UserError

_MOST_CHARS = 2_000  # Discord's

log = structlog.get_logger()


async def post_error(send: Send, problem: UserError, **options: Any) -> None:
    """Post an error, as plain text where Discord refuses its embed.

    Args:
        send: a `send` of discord.py's; `options` are passed on to it.
        problem: what to tell.
        options: see `send`.

    Raises:
        discord.HTTPException: Discord takes neither, or is in trouble.
    """
    try:
        await send(embed=cards.error(problem), **options)
    except discord.HTTPException as error:
        if passing(error) or error.code in CLOSED | TOO_LATE | {ALREADY_ANSWERED}:
            raise
        log.info("embed_refused", status=error.status, code=error.code)
        await send(f"❌ {problem}"[:_MOST_CHARS], **options)
