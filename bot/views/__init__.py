"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.views.finished import MoreButton, finished_buttons
from bot.views.help import HelpMenu, for_person, help_page
from bot.views.models import ConfirmButton, DeleteButton, ExportButton, KeepButton, PageButton, UseButton
from bot.views.settings import SETTINGS_ITEMS, settings_panel
from bot.views.training import CancelButton, FinishButton, SamplesButton, job_buttons
from bot.views.writing import ComparedMenu, GenerateButton, WrittenButton, open_form

DYNAMIC_ITEMS = (
    CancelButton,
    ComparedMenu,
    FinishButton,
    GenerateButton,
    HelpMenu,
    MoreButton,
    SamplesButton,
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
    "FinishButton",
    "GenerateButton",
    "MoreButton",
    "SamplesButton",
    "WrittenButton",
    "finished_buttons",
    "for_person",
    "help_page",
    "job_buttons",
    "open_form",
    "settings_panel",
]
