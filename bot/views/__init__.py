"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.views.help import HelpMenu, for_person, help_page
from bot.views.settings import SETTINGS_ITEMS, settings_panel
from bot.views.training import CancelButton, cancel, job_buttons

DYNAMIC_ITEMS = (CancelButton, HelpMenu, *SETTINGS_ITEMS)
"""What the bot listens to from its start on, whoever posted the message."""

__all__ = ["DYNAMIC_ITEMS", "CancelButton", "cancel", "for_person", "help_page", "job_buttons", "settings_panel"]
