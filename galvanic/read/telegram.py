"""Read exports of Telegram Desktop (`result.json`): one chat, or all chats of an account."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from galvanic.read.chat import BOTS, DAMAGED, FORWARDED, SYSTEM, ChatFormat, Message
from galvanic.read.entries import entries
from galvanic.read.fields import day_of, text_of

_STRING = r'"(?:[^"\\]|\\.)*+"'
_CHAT = r'"type":\s*+(?:null|"(?P<type>\w++)"),\s*+"id":\s*+-?\d++,\s*+"messages":\s*+\['
# One chat, or an account's export. A person may have left out any part of that.
_EXPORT = re.compile(
    rf'\s*+\{{\s*+(?:(?:"name":\s*+(?:null|{_STRING}),\s*+)?{_CHAT}|"about":\s*+{_STRING},\s*+"\w++":\s*+[\[{{])'
)
_BEFORE_MESSAGES = re.compile(rf"{_CHAT}\Z")


def messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield the messages that people wrote themselves. Nothing else of an account's export is read."""
    for before, entry in entries(file, left_out, "messages"):
        if (chat := _BEFORE_MESSAGES.search(before[-500:])) is None:
            continue
        text = entry.get("text")
        if entry.get("type") != "message":
            left_out[SYSTEM] += 1
        elif "forwarded_from" in entry or "saved_from" in entry:
            left_out[FORWARDED] += 1
        elif "via_bot" in entry or chat["type"] == "bot_chat":
            left_out[BOTS] += 1
        elif not isinstance(text, str | list):
            left_out[DAMAGED] += 1
        else:
            parts = [text] if isinstance(text, str) else text
            words = "".join(map(_words, parts))
            author = text_of(entry.get("from")) or text_of(entry.get("from_id"))  # a deleted account has no name
            yield Message(author, words, day_of(entry.get("date")))


def _words(part: object) -> str:
    """Return the words of a part of a message; a mention as Discord writes it, which the cleaning knows."""
    if not isinstance(part, dict):
        return text_of(part)
    return "<@0>" if part.get("type") in ("mention", "mention_name") else text_of(part.get("text"))


TELEGRAM = ChatFormat("a Telegram export", _EXPORT.match, messages)
