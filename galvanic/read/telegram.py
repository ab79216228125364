"""Read exports of Telegram Desktop (`result.json`): one chat, or all chats of an account."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any, BinaryIO

from galvanic.read.chat import BOTS, DAMAGED, FORWARDED, SYSTEM, WORDLESS, ChatFormat, Message
from galvanic.read.entries import entries

_STRING = r'"(?:[^"\\]|\\.)*+"'
_CHAT = r'"type":\s*+(?:null|"(?P<type>\w++)"),\s*+"id":\s*+(?P<id>-?\d++),\s*+"messages":\s*+\['
# One chat, or an account's export. A person may have left out any part of that.
_EXPORT = re.compile(
    rf'\s*+\{{\s*+(?:(?:"name":\s*+(?:null|{_STRING}),\s*+)?{_CHAT}|"about":\s*+{_STRING},\s*+"\w++":\s*+[\[{{])'
)
_BEFORE_MESSAGES = re.compile(rf"{_CHAT}\Z")


def recognises(head: str) -> bool:
    """Return whether a text is the beginning of an export."""
    return _EXPORT.match(head) is not None


def messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield the messages that people wrote themselves. Nothing else of an account's export is read."""
    for before, entry in entries(file, left_out, "messages"):
        if (chat := _BEFORE_MESSAGES.search(before[-500:])) is None:
            continue
        bot_id = f"user{chat['id']}" if chat["type"] == "bot_chat" else None
        if (reason := _reason(entry, bot_id)) is None:
            yield _message(entry)
        else:
            left_out[reason] += 1


def _reason(entry: dict[str, Any], bot_id: str | None) -> str | None:
    """Return why a message is left out, or None. `bot_id`: the bot's in a chat with one."""
    if entry.get("type") != "message":
        return WORDLESS if entry.get("type") == "unsupported" else SYSTEM
    if "forwarded_from" in entry or "saved_from" in entry:
        return FORWARDED
    if "via_bot" in entry or entry.get("from_id", "") == bot_id:
        return BOTS
    return None if isinstance(entry.get("text"), str | list) else DAMAGED


def _message(entry: dict[str, Any]) -> Message:
    text = entry["text"]
    parts = [text] if isinstance(text, str) else [part.get("text") if isinstance(part, dict) else part for part in text]
    try:
        day = date.fromisoformat(str(entry.get("date"))[:10])
    except ValueError:
        day = None
    author = entry.get("from") or entry.get("from_id") or ""  # people who deleted their account have no name
    return Message(str(author), "".join(part for part in parts if isinstance(part, str)), day)


TELEGRAM = ChatFormat("a Telegram export", recognises, messages)
