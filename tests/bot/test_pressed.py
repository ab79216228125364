"""What a press of a button is told when it cannot even begin."""

import logging
from typing import Any

import discord
import pytest

from bot.components import view
from bot.models.embeds import model_buttons
from playground.places import CHANNEL_IDS, USER_IDS
from tests.bot.declared import custom_ids
from tests.bot.live import Live, text_of

LAB = CHANNEL_IDS["lab"]


async def test_where_the_bot_may_not_write_a_press_is_told_so_and_nothing_breaks(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    message = await live.bot.get_partial_messageable(LAB).send("a model", view=model_buttons("m1", "use"))
    await live.deny("embed_links")
    with caplog.at_level(logging.ERROR):
        live.acts.click(USER_IDS["ada"], LAB, message.id, "galvanic:use:m1")
        await live.until(lambda: live.whispered("ada", "I'm missing permissions"), "a refusal")
        await live.handled()
    assert not caplog.records


FOR_READERS = {"samples"}
"""What shows something to whoever presses it, and to nobody else. All others need the right to write."""


async def test_a_control_needs_the_right_to_write_unless_it_is_known_not_to(live: Live) -> None:
    readers = {name for name, action in live.core.components.actions.items() if action.who == "readers"}
    assert readers == FOR_READERS


async def _press(live: Live, custom_id: str, person: str, channel_id: int = LAB) -> None:
    control: Any = discord.ui.Button(custom_id=custom_id, label="x")
    message = await live.bot.get_partial_messageable(channel_id).send("controls", view=view(control))
    live.acts.click(USER_IDS[person], channel_id, message.id, custom_id)


async def _ben_only_reads(live: Live) -> None:
    await live.deny("send_messages", "send_messages_in_threads", who=USER_IDS["ben"])


async def test_who_may_only_read_a_channel_does_nothing_there_by_a_control(live: Live) -> None:
    """What only they see is shown to them."""
    await _ben_only_reads(live)
    ids, actions = custom_ids(live.bot), live.core.components.actions
    for name in FOR_READERS:
        await _press(live, ids[name], "ben")
        await live.until(lambda: live.whispered("ben", "There is no training"), "the button's own answer")
    writers = [name for name, action in actions.items() if action.who == "writers"]
    for name in writers:
        await _press(live, ids[name], "ben")

    def refusals() -> int:
        seen = live.people.visible_messages(USER_IDS["ben"], LAB)
        return sum("You can't send messages in this channel" in text_of(message) for message in seen)

    await live.until(lambda: refusals() == len(writers), "a refusal of each")


async def test_a_form_asks_again_when_it_is_sent(live: Live) -> None:
    await _press(live, "galvanic:write:m1", "ben")
    (opened,) = await live.until(lambda: [one for one in live.world.interactions.values() if one.modal], "the form")
    await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
    await _ben_only_reads(live)
    live.acts.submit_modal(USER_IDS["ben"], opened.id, {"words": "the sea"})
    await live.until(lambda: live.whispered("ben", "You can't send messages in this channel"), "a refusal")
