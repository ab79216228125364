"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.channels.buttons import PRIVACY_ITEMS
from bot.channels.import_buttons import StopReadingButton, UpdateButton

DYNAMIC_ITEMS = (
    StopReadingButton,
    UpdateButton,
    *PRIVACY_ITEMS,
)
"""What the bot listens to from its start on, whoever posted the message."""
