"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.views.models import ConfirmButton, DeleteButton, ExportButton, KeepButton, PageButton, UseButton
from bot.views.training import CancelButton, cancel, job_buttons
from bot.views.writing import ComparedMenu, GenerateButton, WrittenButton, open_form

DYNAMIC_ITEMS = (
    CancelButton,
    UseButton,
    ExportButton,
    DeleteButton,
    ConfirmButton,
    KeepButton,
    PageButton,
    ComparedMenu,
    GenerateButton,
    WrittenButton,
)
"""What the bot listens to from its start on, whoever posted the message."""

__all__ = [
    "DYNAMIC_ITEMS",
    "CancelButton",
    "ComparedMenu",
    "GenerateButton",
    "WrittenButton",
    "cancel",
    "job_buttons",
    "open_form",
]
