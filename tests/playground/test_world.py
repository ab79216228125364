"""The backend by itself."""

from __future__ import annotations

import pytest

from playground.places import BOT_ID, CHANNEL_IDS, USER_IDS
from playground.resolve import Resolver
from playground.world import World

LAB, ADA = CHANNEL_IDS["lab"], USER_IDS["ada"]


@pytest.fixture
def world() -> World:
    return World("http://127.0.0.1:1")


def test_bot_has_no_more_than_it_is_invited_with(world: World) -> None:
    assert world.may(BOT_ID, LAB, "send_messages", "embed_links", "attach_files", "read_message_history")
    assert not world.may(BOT_ID, LAB, "manage_messages")
    assert not world.may(BOT_ID, LAB, "mention_everyone")
    assert world.may(ADA, LAB, "administrator")
    assert not world.may(USER_IDS["ben"], LAB, "manage_guild")
    assert not world.may(USER_IDS["cleo"], LAB, "send_messages")
    assert world.may(USER_IDS["cleo"], CHANNEL_IDS["library"], "send_messages")


def test_every_thread_is_found_by_its_id(world: World) -> None:
    for name in ("dm", "twice", "twice", str(LAB)):
        thread = world.create_thread(LAB, name, ADA)
        assert Resolver(world).channel(str(thread.id), ADA) == thread.id
    found = [Resolver(world).channel(name, ADA) for name in ("dm", "lab", str(LAB))]
    assert found == [world.dm_channels[ADA], LAB, LAB]
    for thread_id in [item.id for item in world.channels.values() if item.is_thread]:
        assert Resolver(world).channel(str(thread_id), ADA) == thread_id
