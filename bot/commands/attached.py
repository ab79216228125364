"""Files that people attach."""

from __future__ import annotations

import discord
import structlog

from bot.failures import TRANSIENT
from shared.errors import UserError

log = structlog.get_logger()


async def read(file: discord.Attachment) -> bytes:
    """The bytes of a file. Check its size before.

    Raises:
        UserError: Discord did not hand it over.
    """
    try:
        return await file.read()
    except (discord.HTTPException, *TRANSIENT) as error:
        status = error.status if isinstance(error, discord.HTTPException) else None
        log.warning("attachment_not_read", attachment_id=file.id, error=type(error).__name__, status=status)
        raise UserError("Discord didn't hand me the file.", "Attach it once more.") from error
