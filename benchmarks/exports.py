"""Write a chat as DiscordChatExporter exports it, with small talk: `python -m benchmarks.exports FILE BYTES`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.driver.history import small_talk

_ROLE = {"id": "81384788765712384", "name": "Members", "color": "#3498DB", "position": 3}
_EMOJI = {"id": "", "name": "👍", "code": "thumbsup", "isAnimated": False, "imageUrl": "https://cdn.example/1f44d.svg"}
_HEAD: dict[str, Any] = {
    "guild": {"id": "81384788765712384", "name": "The Annex", "iconUrl": "https://cdn.example/icons/0.png"},
    "channel": {"id": "381870553235193857", "type": "GuildTextChat", "categoryId": "2", "category": "Text"},
    "dateRange": {"after": None, "before": None},
    "exportedAt": "2026-11-30T00:00:00+00:00",
}
DISTINCT = 20_000  # messages that a longer export repeats
_EVERY_BOT, _EVERY_REACTION, _EVERY_NOTICE = 20, 7, 50


def write_export(path: Path, size: int) -> None:
    """Write an export of about so many bytes."""
    entries = [_indented(entry) for entry in _entries()]
    head = json.dumps(_HEAD, indent=2, ensure_ascii=False).removesuffix("\n}")
    with path.open("w", encoding="utf-8") as file:
        written = file.write(f'{head},\n  "messages": [\n')
        number = 0
        while written < size:
            written += file.write(f"{',' if number else ''}\n{entries[number % len(entries)]}")
            number += 1
        file.write(f'\n  ],\n  "messageCount": {number}\n}}')


def _indented(entry: dict[str, Any]) -> str:
    return "\n".join(f"    {line}" for line in json.dumps(entry, indent=2, ensure_ascii=False).splitlines())


def _entries() -> Iterator[dict[str, Any]]:
    for number, message in enumerate(small_talk(DISTINCT)):
        member = _user(message.author_id, is_bot=number % _EVERY_BOT == 0)
        reaction = {"emoji": _EMOJI, "count": 2, "users": [_user(1, is_bot=False), _user(2, is_bot=False)]}
        yield {
            "id": str(10**18 + number),
            "type": "GuildMemberJoin" if number % _EVERY_NOTICE == 0 else ("Default", "Reply")[number % 2],
            "timestamp": message.moment.isoformat(timespec="milliseconds"),
            "timestampEdited": None,
            "callEndedTimestamp": None,
            "isPinned": False,
            "content": message.content,
            "author": {**member, "roles": [_ROLE, _ROLE]},
            "attachments": [],
            "embeds": [],
            "stickers": [],
            "reactions": [reaction] if number % _EVERY_REACTION == 0 else [],
            "mentions": [],
            "reference": {"messageId": str(10**18), "channelId": _HEAD["channel"]["id"], "guildId": None},
            "inlineEmojis": [],
        }


def _user(number: int, *, is_bot: bool) -> dict[str, Any]:
    return {
        "id": str(10**17 + number),
        "name": f"member.{number}",
        "discriminator": "0000",
        "nickname": f"Member {number}",
        "color": "#3498DB",
        "isBot": is_bot,
        "avatarUrl": f"https://cdn.discordapp.com/avatars/{10**17 + number}/{number:032x}.png?size=512",
    }


if __name__ == "__main__":
    write_export(Path(sys.argv[1]), int(sys.argv[2]))
