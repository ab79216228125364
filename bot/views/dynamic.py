"""Buttons, menus and forms. What must work after a restart carries all it needs in its custom id."""

from bot.channels.buttons import PRIVACY_ITEMS
from bot.channels.import_buttons import StopReadingButton, UpdateButton
from bot.models.views import ConfirmButton, DeleteButton, ExportButton, KeepButton, PageButton, UseButton
from bot.write.views import ComparedMenu, GenerateButton, WrittenButton

DYNAMIC_ITEMS = (
    ComparedMenu,
    GenerateButton,
    StopReadingButton,
    UpdateButton,
    WrittenButton,
    *PRIVACY_ITEMS,
    UseButton,
    ExportButton,
    DeleteButton,
    ConfirmButton,
    KeepButton,
    PageButton,
)
"""What the bot listens to from its start on, whoever posted the message."""
