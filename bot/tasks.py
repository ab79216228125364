"""Old name of what is in `bot.background`."""

from bot.background import end

__all__ = ["end"]
