"""The backend by itself: what runs for weeks must not grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from simcord.backend.errors import BackendError

from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from playground.tavern import old_messages
from playground.world import World

LAB = CHANNEL_IDS["lab"]


@pytest.fixture
def world() -> World:
    return World("http://127.0.0.1:1")


def test_ids_given_out_are_forgotten_but_never_repeat(world: World) -> None:
    ids = [world.snowflake() for _ in range(100_500)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert len(world._reserved_ids) <= 100_001


def test_oldest_messages_leave_with_their_files(world: World) -> None:
    world.max_messages = 3
    files = world.store_attachments(LAB, [("a.txt", b"a")])
    world.create_message(LAB, USER_IDS["ada"], "0", attachments=files)
    assert world.cdn.files[int(files[0]["id"])] == ("a.txt", b"a")
    for number in range(1, 25):
        others = world.store_attachments(LAB, [("b.txt", b"b")])
        world.create_message(LAB, USER_IDS["ada"], str(number), attachments=others)
    assert [message.content for message in world.messages[LAB].values()] == ["22", "23", "24"]
    assert int(files[0]["id"]) not in world.cdn.files


def test_expired_interactions_are_forgotten(world: World) -> None:
    old = world.new_interaction(2, LAB, USER_IDS["ada"], GUILD_ID)
    old.expires_at = world.iso_after(-1)
    world.uploads[old.id] = [item["id"] for item in world.store_attachments(LAB, [("a.txt", b"a")])]
    new = world.new_interaction(2, LAB, USER_IDS["ada"], GUILD_ID)
    assert list(world.interactions) == [new.id]
    assert not world.cdn.files
    with pytest.raises(BackendError):
        world.interaction_by_token(old.token)


def test_bot_has_no_more_than_it_is_invited_with(world: World) -> None:
    assert world.may(BOT_ID, LAB, "send_messages", "embed_links", "attach_files", "read_message_history")
    assert not world.may(BOT_ID, LAB, "manage_messages")
    assert not world.may(BOT_ID, LAB, "mention_everyone")
    assert world.may(USER_IDS["ada"], LAB, "administrator")
    assert not world.may(USER_IDS["ben"], LAB, "manage_guild")
    assert not world.may(USER_IDS["cleo"], LAB, "send_messages")
    assert world.may(USER_IDS["cleo"], CHANNEL_IDS["library"], "send_messages")


def test_tavern_has_the_same_messages_all_month() -> None:
    first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert old_messages(first) == old_messages(last)
    assert all(first - timedelta(days=31) < message.moment < first for message in old_messages(last))
