"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.views.finished import MoreButton, finished_buttons
from bot.views.models import ConfirmButton, DeleteButton, ExportButton, KeepButton, PageButton, UseButton
from bot.views.training import CancelButton, FinishButton, SamplesButton, job_buttons
from bot.views.writing import ComparedMenu, GenerateButton, WrittenButton, open_form

DYNAMIC_ITEMS = (
    CancelButton,
    ExportButton,
    DeleteButton,
    ConfirmButton,
    KeepButton,
    PageButton,
    ComparedMenu,
    FinishButton,
    GenerateButton,
    MoreButton,
    SamplesButton,
    UseButton,
    WrittenButton,
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
    "UseButton",
    "WrittenButton",
    "finished_buttons",
    "job_buttons",
    "open_form",
]
