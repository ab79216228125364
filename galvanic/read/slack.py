"""Read exports of a Slack workspace: a list of users, and for each channel a folder with a file for each day."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from galvanic.read.chat import BOTS, DAMAGED, SYSTEM, FolderFormat, Message
from galvanic.read.entries import entries
from galvanic.read.files import Files

_USERS = re.compile(r"(?P<root>(?:.*/)?)(?:org_)?users\.json")
_DAY = re.compile(r"(?P<root>(?:.*/)?)[^/]+/(?P<day>\d{4}-\d\d-\d\d)\.json")
# "<@U1>", "<#C1|name>", "<!here>", "<!subteam^S1|@name>", "<https://example.org|label>". Who is meant is written as
# Discord does it, so that the cleaning puts its word there.
_REFERENCE = re.compile(r"<(?P<kind>@|#|!subteam|!date|!|)(?P<target>[^<>|]*+)(?:\|(?P<label>[^<>]*+))?>")
_AS_ON_DISCORD = {"@": "<@0>", "#": "<#0>", "!subteam": "<@&0>", "!date": "<t:0>", "!": "@everyone"}
_WRITTEN = (None, "thread_broadcast")  # subtypes of what a person wrote; the other one is an answer to all


def recognises(paths: Collection[str]) -> bool:
    """Return whether files are an export, by their paths."""
    return bool(_days(paths))


def messages(files: Files, left_out: Counter[str]) -> Iterator[Message]:
    """Yield the messages that people wrote, channel by channel."""
    names, bots = dict[str, str](), {"USLACKBOT"}
    for path in filter(_USERS.fullmatch, files.paths):
        with files.open(path) as file:
            for _, user in entries(file, left_out):
                names[str(user.get("id"))] = _name(user.get("profile")) or _name(user)
                bots |= {str(user.get("id"))} if user.get("is_bot") is True else set()
    for path, day in _days(files.paths):
        with files.open(path) as file:
            for _, entry in entries(file, left_out):
                author, text = entry.get("user"), entry.get("text", "")
                if entry.get("subtype") == "bot_message" or "bot_id" in entry or str(author) in bots:
                    left_out[BOTS] += 1
                elif entry.get("subtype") not in _WRITTEN:
                    left_out[SYSTEM] += 1
                elif not isinstance(author, str) or not isinstance(text, str):
                    left_out[DAMAGED] += 1
                else:
                    yield Message(names.get(author) or _name(entry.get("user_profile")) or author, _plain(text), day)


def _days(paths: Collection[str]) -> list[tuple[str, date | None]]:
    """Return the files of channels in a folder that also has the users, and their days."""
    roots = {match["root"] for path in paths if (match := _USERS.fullmatch(path))}
    days = ((path, _DAY.fullmatch(path)) for path in sorted(paths))
    return [(path, _date(match["day"])) for path, match in days if match and match["root"] in roots]


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _name(user: Any) -> str:
    """Return the name that Slack shows for a user, from the user or the user's profile; empty: there is none."""
    values = [user.get(key) for key in ("display_name", "real_name", "name")] if isinstance(user, dict) else []
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _plain(text: str) -> str:
    """Return a message as it would be written on Discord."""
    text = _REFERENCE.sub(lambda match: _AS_ON_DISCORD.get(match["kind"]) or match["label"] or match["target"], text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


SLACK = FolderFormat("a Slack export", recognises, messages)
