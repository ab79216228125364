"""Exports of chats, as people attach them. The layouts are those of the tools that write them."""

import io
import json
import zipfile
from collections.abc import Mapping

WORDS = "says word number {} of the long story that we tell each other"


def telegram(*people: str, messages: int = 102) -> bytes:
    """A chat of Telegram Desktop's export, in which people write in turn."""
    entries = [
        {
            "id": number,
            "type": "message",
            "date": f"2024-01-{1 + number % 28:02}T10:00:00",
            "from": people[number % len(people)],
            "from_id": f"user{number % len(people)}",
            "text": f"{people[number % len(people)]} {WORDS.format(number)}",
        }
        for number in range(messages)
    ]
    return json.dumps({"name": "us", "type": "private_group", "id": 7, "messages": entries}, indent=1).encode()


def channel_export(
    guild_id: int, channel_id: int, people: Mapping[int, str], *, messages: int = 100, first_id: int = 10**17
) -> bytes:
    """A channel's messages as DiscordChatExporter writes them; people by id, who write in turn."""
    authors = [{"id": str(user), "name": name, "nickname": name, "isBot": False} for user, name in people.items()]
    entries = [
        {
            "id": str(first_id + number),
            "type": "Default",
            "timestamp": f"2024-01-{1 + number % 28:02}T10:00:00+00:00",
            "content": f"{authors[number % len(authors)]['name']} {WORDS.format(number)}",
            "author": authors[number % len(authors)],
        }
        for number in range(messages)
    ]
    head = {"guild": {"id": str(guild_id), "name": "A server"}, "channel": {"id": str(channel_id), "name": "lab"}}
    return json.dumps({**head, "messages": entries, "messageCount": messages}, indent=1).encode()


def package(user_id: int, *, guild_id: int = 1297000000000000001) -> bytes:
    """A data package as Discord sends it."""
    said = [
        {"ID": 10**17 + number, "Timestamp": "2024-01-02 10:00:00", "Contents": f"I said: {WORDS.format(number)}"}
        for number in range(100)
    ]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("Account/user.json", json.dumps({"id": str(user_id), "username": "me"}))
        folder = "Messages/c1297000000000000999"
        guild = {"id": str(guild_id), "name": "A server"}
        archive.writestr(f"{folder}/channel.json", json.dumps({"id": "1297000000000000999", "guild": guild}))
        archive.writestr(f"{folder}/messages.json", json.dumps(said))
    return data.getvalue()


def learned(text: str, people: tuple[str, ...]) -> list[bool]:
    """Whether lines of each of some people are in a text."""
    return [f"{person} says" in text for person in people]
