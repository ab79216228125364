"""What a press of a button is told when it cannot even begin."""

from __future__ import annotations

import logging

import discord
import pytest
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType

from bot.channels.buttons import PRIVACY_ITEMS
from bot.channels.import_buttons import StopReadingButton, UpdateButton
from bot.models.views import (
    ConfirmButton,
    DeleteButton,
    ExportButton,
    KeepButton,
    PageButton,
    UseButton,
    info_buttons,
)
from bot.views.dynamic import DYNAMIC_ITEMS
from bot.views.finished import MoreButton
from bot.views.help import HelpMenu
from bot.views.settings import SETTINGS_ITEMS
from bot.views.training import CancelButton, FinishButton, SamplesButton
from bot.views.welcome import TasteButton
from bot.write.views import ComparedMenu, GenerateButton, WrittenButton
from playground.places import BOT_ID, CHANNEL_IDS, USER_IDS
from tests.bot.live import Live

LAB = CHANNEL_IDS["lab"]


async def test_where_the_bot_may_not_write_a_press_is_told_so_and_nothing_breaks(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    lab = CHANNEL_IDS["lab"]
    message = await live.bot.get_partial_messageable(lab).send("a model", view=info_buttons("m1"))
    denied = discord.Permissions(embed_links=True).value
    live.world.get_channel(lab).overwrites.append(Overwrite(BOT_ID, OverwriteType.MEMBER, allow=0, deny=denied))
    live.world.announce_channel_update(lab)
    with caplog.at_level(logging.ERROR):
        live.acts.click(USER_IDS["ada"], lab, message.id, "galvanic:use:m1")
        await live.until(lambda: live.whispered("ada", "I'm missing permissions"), "a refusal")
        await live.handled()
    assert not caplog.records


FREE = {HelpMenu, *SETTINGS_ITEMS, *PRIVACY_ITEMS}
"""Controls for everywhere: they show help, are an admin's, or are a member's own right."""
PRESSED = {
    "galvanic:again:g-1": WrittenButton,
    "galvanic:cancel:t-1": CancelButton,
    "galvanic:compared:c-1": ComparedMenu,
    "galvanic:delete-not:1": KeepButton,
    "galvanic:delete-now:m1:1": ConfirmButton,
    "galvanic:delete:m1": DeleteButton,
    "galvanic:export:m1": ExportButton,
    "galvanic:finish:t-1": FinishButton,
    "galvanic:models:1:1:>": PageButton,
    "galvanic:more:m1": MoreButton,
    "galvanic:stop-reading:a1": StopReadingButton,
    "galvanic:taste": TasteButton,
    "galvanic:update:m1": UpdateButton,
    "galvanic:use:m1": UseButton,
    "galvanic:write:m1": GenerateButton,
}
"""What does something in the channel."""
FOR_READERS = {"galvanic:samples:t-1": SamplesButton}
"""What shows something to whoever presses it, and to nobody else."""


def test_every_control_is_known_to_need_the_right_to_write_or_not_to() -> None:
    assert {*FREE, *PRESSED.values(), *FOR_READERS.values()} == set(DYNAMIC_ITEMS)


async def _press(live: Live, custom_id: str, person: str, channel_id: int = LAB) -> None:
    found = {**PRESSED, **FOR_READERS}[custom_id]
    match = found.__discord_ui_compiled_template__.fullmatch(custom_id)
    assert match is not None
    control = await found.from_custom_id(None, None, match)  # type: ignore[arg-type]  # neither is used
    view = discord.ui.View(timeout=None).add_item(control)
    message = await live.bot.get_partial_messageable(channel_id).send("controls", view=view)
    if found is ComparedMenu:
        live.acts.select(USER_IDS[person], channel_id, message.id, custom_id, ["0"])
    else:
        live.acts.click(USER_IDS[person], channel_id, message.id, custom_id)


def _only_reads(live: Live, person: str, channel_id: int) -> None:
    denied = discord.Permissions(send_messages=True, send_messages_in_threads=True).value
    live.world.get_channel(channel_id).overwrites.append(
        Overwrite(USER_IDS[person], OverwriteType.MEMBER, allow=0, deny=denied)
    )
    live.world.announce_channel_update(channel_id)


@pytest.mark.parametrize("custom_id", PRESSED)
async def test_who_may_only_read_a_channel_does_nothing_there_by_a_control(live: Live, custom_id: str) -> None:
    _only_reads(live, "ben", LAB)
    await _press(live, custom_id, "ben")
    await live.until(lambda: live.whispered("ben", "You can't send messages in this channel"), "a refusal")


@pytest.mark.parametrize("custom_id", FOR_READERS)
async def test_who_may_only_read_is_shown_what_only_they_see(live: Live, custom_id: str) -> None:
    _only_reads(live, "ben", LAB)
    await _press(live, custom_id, "ben")
    await live.until(lambda: live.whispered("ben", "There is no training"), "the button's own answer")


async def test_a_form_asks_again_when_it_is_sent(live: Live) -> None:
    await _press(live, "galvanic:write:m1", "ben")
    (opened,) = await live.until(lambda: [one for one in live.world.interactions.values() if one.modal], "the form")
    await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
    _only_reads(live, "ben", LAB)
    live.acts.submit_modal(USER_IDS["ben"], opened.id, {"words": "the sea"}, {})
    await live.until(lambda: live.whispered("ben", "You can't send messages in this channel"), "a refusal")
