"""Old name of what is in `bot.background`."""

from bot.background import REPLY_S, reply

__all__ = ["REPLY_S", "reply"]
