"""The backend by itself, and what it tells a bot."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from playground.gateway import Connection
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
    threads = [world.create_thread(LAB, name, ADA).id for name in ("dm", "twice", "twice", str(LAB))]
    named = {"dm": world.dm_channels[ADA], str(LAB): LAB, **{str(thread): thread for thread in threads}}
    for name, found in named.items():
        assert Resolver(world).channel(name, ADA) == found


def test_a_lost_connection_keeps_no_more_than_can_be_resumed(world: World) -> None:
    queues: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue(), asyncio.Queue()]
    lost, again = (Connection(world, cast(Any, SimpleNamespace(closed=False)), queue) for queue in queues)
    lost.intents = discord.Intents.all()
    lost.socket = cast(Any, SimpleNamespace(closed=True))
    for _ in range(2_000):
        lost.feed("TYPING_START", {"channel_id": "1"})
    again.resume(lost, 1_998)
    assert [queue.qsize() for queue in queues] == [0, 3], "two events, and that it is resumed"
