"""Files that people attach."""

from __future__ import annotations

import discord
import structlog

from bot.background import DISCORD_ERRORS
from bot.types import Context
from shared.errors import UserError

log = structlog.get_logger()


def require_one(ctx: Context) -> None:
    """Raises UserError: several files were attached, of which discord.py ignores all but the first."""
    if (count := len(ctx.message.attachments)) > 1:
        raise UserError(
            f"You attached {count} files; `{ctx.command}` takes one.", "Send the command again with one of them."
        )


async def read(file: discord.Attachment) -> bytes:
    """Check the file's size before. Raises UserError: Discord did not hand it over."""
    try:
        return await file.read()
    except DISCORD_ERRORS as error:
        status = error.status if isinstance(error, discord.HTTPException) else None
        log.warning("attachment_not_read", attachment_id=file.id, error=type(error).__name__, status=status)
        raise UserError("Discord didn't hand me the file.", "Attach it once more.") from error
