"""Read exports of a Slack workspace: a list of users, and for each channel a folder with a file for each day."""

import html
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from galvanic.read.chat import BOTS, DAMAGED, SYSTEM, FolderFormat, Message
from galvanic.read.entries import entries
from galvanic.read.fields import day_of, field, text_of
from galvanic.read.files import Files

_USERS = re.compile(r"(?:.*/)?(?:org_)?users\.json")
_DAY = re.compile(r"(?:.*/)?[^/]+/\d{4}-\d\d-\d\d\.json")
# "<@U1>", "<#C1|name>", "<!here>", "<!subteam^S1|@name>", "<https://example.org|label>". Who is meant is written as
# Discord does it, so that the cleaning puts its word there.
_REFERENCE = re.compile(r"<(?P<kind>@|#|!subteam|!date|!|)(?P<target>[^<>|]*+)(?:\|(?P<label>[^<>]*+))?>")
_AS_ON_DISCORD = {"@": "<@0>", "#": "<#0>", "!subteam": "<@&0>", "!date": "<t:0>", "!": "@everyone"}
_WRITTEN = (None, "thread_broadcast")  # subtypes of what a person wrote; the other one is an answer to all
_NAMES = ("profile.display_name", "profile.real_name", "display_name", "real_name", "name")


def recognises(paths: Collection[str]) -> bool:
    """Return whether files are an export, by their paths."""
    return any(map(_USERS.fullmatch, paths)) and any(map(_DAY.fullmatch, paths))


def messages(files: Files, left_out: Counter[str]) -> Iterator[Message]:
    """Yield the messages that people wrote, channel by channel."""
    names, bots = dict[str, str](), {"USLACKBOT"}
    for path in filter(_USERS.fullmatch, files.paths):
        with files.open(path) as file:
            for _, user in entries(file, left_out):
                user_id = text_of(user.get("id"))
                names[user_id] = _name(user)
                if user.get("is_bot") is True:
                    bots.add(user_id)
    for path in sorted(filter(_DAY.fullmatch, files.paths)):
        with files.open(path) as file:
            for _, entry in entries(file, left_out):
                author, text = entry.get("user"), entry.get("text", "")
                if entry.get("subtype") == "bot_message" or "bot_id" in entry or text_of(author) in bots:
                    left_out[BOTS] += 1
                elif entry.get("subtype") not in _WRITTEN:
                    left_out[SYSTEM] += 1
                elif not isinstance(author, str) or not isinstance(text, str):
                    left_out[DAMAGED] += 1
                else:
                    yield Message(names.get(author) or author, _plain(text), day_of(path.rpartition("/")[2]))


def _name(user: dict[str, Any]) -> str:
    """Return the name that Slack shows for a user; empty: there is none."""
    return next(filter(str.strip, (text_of(field(user, name)) for name in _NAMES)), "")


def _plain(text: str) -> str:
    """Return a message as it would be written on Discord."""
    text = _REFERENCE.sub(lambda match: _AS_ON_DISCORD.get(match["kind"]) or match["label"] or match["target"], text)
    return html.unescape(text)


SLACK = FolderFormat("a Slack export", recognises, messages)
