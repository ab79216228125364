"""What a press of a button is told when it cannot even begin."""

from __future__ import annotations

import logging
from typing import Any

import discord
import pytest

from bot.components import view
from bot.models.embeds import model_buttons
from playground.places import CHANNEL_IDS, USER_IDS
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


PRESSED = {
    *(f"galvanic:{what}:g-1" for what in ("again", "continue", "cooler", "hotter")),
    *(f"galvanic:{what}:m1" for what in ("delete", "export", "more", "update", "use", "write")),
    *("galvanic:cancel:t-1", "galvanic:finish:t-1", "galvanic:compared:c-1", "galvanic:guess:q-1:0"),
    *("galvanic:delete-not:1", "galvanic:delete-now:m1:1", "galvanic:models:1:1:>", "galvanic:demo"),
}
"""What does something in the channel."""
FOR_READERS = {"galvanic:samples:t-1"}
"""What shows something to whoever presses it, and to nobody else."""


async def test_every_control_is_known_to_need_the_right_to_write_or_not_to(live: Live) -> None:
    components = live.bot.components
    for who, known in (("writers", PRESSED), ("readers", FOR_READERS)):
        names = {found[0] for custom_id in known if (found := components.find(custom_id)) is not None}
        assert names == {name for name, action in components.actions.items() if action.who == who}


async def _press(live: Live, custom_id: str, person: str, channel_id: int = LAB) -> None:
    kind: Any = discord.ui.Select if custom_id.startswith("galvanic:compared") else discord.ui.Button
    control = kind(custom_id=custom_id)
    if kind is discord.ui.Select:
        control.add_option(label="x", value="0")
    else:
        control.label = "x"
    message = await live.bot.get_partial_messageable(channel_id).send("controls", view=view(control))
    if kind is discord.ui.Select:
        live.acts.select(USER_IDS[person], channel_id, message.id, custom_id, ["0"])
    else:
        live.acts.click(USER_IDS[person], channel_id, message.id, custom_id)


async def _ben_only_reads(live: Live) -> None:
    await live.deny("send_messages", "send_messages_in_threads", who=USER_IDS["ben"])


async def test_who_may_only_read_a_channel_does_nothing_there_by_a_control(live: Live) -> None:
    """What only they see is shown to them."""
    await _ben_only_reads(live)
    for custom_id in FOR_READERS:
        await _press(live, custom_id, "ben")
        await live.until(lambda: live.whispered("ben", "There is no training"), "the button's own answer")
    for custom_id in sorted(PRESSED):
        await _press(live, custom_id, "ben")

    def refusals() -> int:
        seen = live.people.visible_messages(USER_IDS["ben"], LAB)
        return sum("You can't send messages in this channel" in text_of(message) for message in seen)

    await live.until(lambda: refusals() == len(PRESSED), "a refusal of each")


async def test_a_form_asks_again_when_it_is_sent(live: Live) -> None:
    await _press(live, "galvanic:write:m1", "ben")
    (opened,) = await live.until(lambda: [one for one in live.world.interactions.values() if one.modal], "the form")
    await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
    await _ben_only_reads(live)
    live.acts.submit_modal(USER_IDS["ben"], opened.id, {"words": "the sea"})
    await live.until(lambda: live.whispered("ben", "You can't send messages in this channel"), "a refusal")
