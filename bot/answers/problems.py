"""Old name of what is in `bot.errors`."""

from bot.errors import post_error

__all__ = ["post_error"]
