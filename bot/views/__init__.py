"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.views.help import HelpMenu, for_person, help_page
from bot.views.models import ConfirmButton, DeleteButton, ExportButton, KeepButton, PageButton, UseButton
from bot.views.settings import SETTINGS_ITEMS, settings_panel
from bot.views.training import CancelButton, cancel, job_buttons
from bot.views.writing import ComparedMenu, GenerateButton, WrittenButton, open_form

DYNAMIC_ITEMS = (
    CancelButton,
    ComparedMenu,
    GenerateButton,
    HelpMenu,
    WrittenButton,
    *SETTINGS_ITEMS,
    UseButton,
    ExportButton,
    DeleteButton,
    ConfirmButton,
    KeepButton,
    PageButton,
)
"""What the bot listens to from its start on, whoever posted the message."""

__all__ = [
    "DYNAMIC_ITEMS",
    "CancelButton",
    "ComparedMenu",
    "GenerateButton",
    "WrittenButton",
    "cancel",
    "for_person",
    "help_page",
    "job_buttons",
    "open_form",
    "settings_panel",
]
