"""Old name of what is in `bot.responder`."""

from bot.responder import TYPING_AFTER_S, Typing

__all__ = ["TYPING_AFTER_S", "Typing"]
