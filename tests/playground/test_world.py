"""The backend by itself."""

from __future__ import annotations

import pytest

from playground.places import BOT_ID, CHANNEL_IDS, USER_IDS
from playground.world import World

LAB = CHANNEL_IDS["lab"]


@pytest.fixture
def world() -> World:
    return World("http://127.0.0.1:1")


def test_bot_has_no_more_than_it_is_invited_with(world: World) -> None:
    assert world.may(BOT_ID, LAB, "send_messages", "embed_links", "attach_files", "read_message_history")
    assert not world.may(BOT_ID, LAB, "manage_messages")
    assert not world.may(BOT_ID, LAB, "mention_everyone")
    assert world.may(USER_IDS["ada"], LAB, "administrator")
    assert not world.may(USER_IDS["ben"], LAB, "manage_guild")
    assert not world.may(USER_IDS["cleo"], LAB, "send_messages")
    assert world.may(USER_IDS["cleo"], CHANNEL_IDS["library"], "send_messages")
