"""Read Discord's messages: the files of DiscordChatExporter, and the data package that Discord sends an account."""

import calendar
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, BinaryIO, NoReturn

from galvanic.errors import UserError
from galvanic.read.chat import BOTS, DAMAGED, SYSTEM, ChatFormat, FolderFormat, Message, Origin
from galvanic.read.entries import entries
from galvanic.read.files import Files
from galvanic.read.lines import lines
from galvanic.read.tables import csv_rows

_SPEECH = {"Default", "Reply", "0", "19"}  # types of messages that a member wrote
_ID = re.compile(r"[0-9]{1,19}")
_EMOJI = re.compile(r"\w{2,32}")
_LONGEST = 100_000  # characters of a message and its attachments in a text file
# The notices that stand for system messages where a file doesn't have their types.
_NOTICE = re.compile(
    r"(?:Added|Removed) .{1,100} (?:to|from) the group\.|(?:Added|Removed) a recipient\.|Left the group\."
    r"|Started a (?:call that lasted [\d.,]+ minutes|thread)\.|Changed the channel (?:icon\.|name\.|name: .{1,100})"
    r"|Pinned a message\.|Joined the server\."
)

_JSON = re.compile(r'\s*+\{\s*+"guild"\s*+:\s*+\{\s*+"id"\s*+:')
_CSV = re.compile(r'(?:"?MessageID"?,)?"?AuthorID"?,"?Author"?,"?Date"?,"?Content\b')
_TEXT = re.compile(r"\s*+={9,}+\nGuild: .*\nChannel: ")
_HTML = re.compile(r"\s*+<!DOCTYPE html>[^\0]*?\.chatlog__", re.IGNORECASE)

_HEADING = re.compile(r"\[(?=[^\]]{11})([^\[\]]{1,30}\d[:.]\d\d[^\[\]]{0,15})\] (.{1,100}?)(?: \(pinned\))?")
_BLOCK = re.compile(r"\n\n\{(?:Attachments|Embed|Stickers|Reactions)\}(?:\n|\Z)")
_END = re.compile(r"\n={9,}+\nExported [^\n]{1,40}\n={9,}+\s*+\Z")
_DATE = re.compile(r"(\d{1,4})[/.-] ?(\d{1,2}|[A-Z][a-z]{2})[/.-] ?(\d{1,4})(?:,? \d\d?:\d\d\s[AP](M)\b)?")
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr)}

_CHANNEL = re.compile(r"(?:.*/)?c?(\d{16,32})/channel\.json", re.IGNORECASE)
_USER = re.compile(r"(?:.*/)?[^/]+/user\.json", re.IGNORECASE)


def _json_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    origin = None
    for before, entry in entries(file, left_out, "messages"):
        origin = origin or _origin(before)
        author, content = entry.get("author"), entry.get("content")
        if not isinstance(author, dict) or not isinstance(content, str):
            left_out[DAMAGED] += 1
        elif author.get("isBot"):
            left_out[BOTS] += 1
        elif _word(entry.get("type")) not in _SPEECH:
            left_out[SYSTEM] += 1
        else:
            text = _with_mentions(_with_emoji(content, entry), entry)
            day, author_id = _day(entry.get("timestamp")), _id(author.get("id"))
            yield Message(_name(author), text, day, author_id, origin, _id(entry.get("id")))


def _origin(before: str) -> Origin:
    """Return the server and channel of an export by the text before its messages. Raises UserError: it is damaged."""
    try:
        head = json.loads(f"{before}]}}", strict=False)
        guild, channel = head["guild"], head["channel"]
        return Origin(_id(guild["id"]), _word(guild["name"]), _id(channel["id"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError("That export doesn't say which server it is of.", "Export the channel again.") from error


def _with_emoji(content: str, entry: dict[str, Any]) -> str:
    """Return a message with its custom emoji as Discord has them; an export has `:name:`."""
    for emoji in _objects(entry, "inlineEmojis") if ":" in content else ():
        name, number = _word(emoji.get("name")), _id(emoji.get("id"))
        if number and _EMOJI.fullmatch(name):
            symbol = f"<{'a' if emoji.get('isAnimated') else ''}:{name}:{number}>"
            content = re.sub(rf"(?<!<)(?<!<a):{name}:", symbol, content)
    return content


def _with_mentions(content: str, entry: dict[str, Any]) -> str:
    """Return a message with the members it mentions as Discord has them; an export has `@name`."""
    members = _objects(entry, "mentions") if "@" in content else []
    for member in sorted(members, key=lambda member: -len(_name(member))):
        if name := _name(member):
            content = content.replace(f"@{name}", f"<@{_id(member.get('id'))}>")
    return content


def _csv_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    for row in csv_rows(file, left_out):
        author_id, text = _id(row.get("AuthorID")), row.get("Content", "")
        if not author_id:
            left_out[DAMAGED] += 1
        elif _NOTICE.fullmatch(text):
            left_out[SYSTEM] += 1
        else:
            day, message_id = _day(row.get("Date")), _id(row.get("MessageID"))
            yield Message(row.get("Author", ""), text, day, author_id, Origin(), message_id)


def _text_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    body = lines(file)
    head = [line for line, _ in zip(body, range(3), strict=False)]
    guild = next((line.removeprefix("Guild: ") for line in head if line.startswith("Guild: ")), "")
    ended = False
    for heading, text in _parts(body):
        words = _BLOCK.split(_END.sub("", text), maxsplit=1)[0].strip()
        ended = _END.search(text) is not None
        if _NOTICE.fullmatch(words):
            left_out[SYSTEM] += 1
        else:
            yield Message(heading[2], words, _day(heading[1]), 0, Origin(0, guild, 0))
    if not ended:
        left_out[DAMAGED] += 1


def _parts(body: Iterator[str]) -> Iterator[tuple[re.Match[str], str]]:
    """Yield each message's heading, and the text up to the next one."""
    heading, text, size, after_blank = None, [""], 0, False
    for line in body:
        begun = _HEADING.fullmatch(line) if after_blank else None
        after_blank = not line
        if begun is not None:
            if heading is not None:
                yield heading, "\n".join(text)
            heading, text, size = begun, [], 0
        elif size < _LONGEST:
            text.append(line)
            size += len(line)
    if heading is not None:
        yield heading, "\n".join(text)


def _page_messages(_file: BinaryIO, _left_out: Counter[str]) -> NoReturn:
    raise UserError(
        "That is an HTML page of DiscordChatExporter, made for looking at.",
        "Export the channel again with the format JSON, and give that.",
    )


def _is_package(paths: Collection[str]) -> bool:
    return any(map(_CHANNEL.fullmatch, paths))


def _package_messages(files: Files, left_out: Counter[str]) -> Iterator[Message]:
    paths = {path.lower(): path for path in files.paths}
    name, author_id = _account(files)
    for channel_path in filter(_CHANNEL.fullmatch, files.paths):
        folder = channel_path[: -len("channel.json")].lower()
        origin = _channel_origin(_object(files, channel_path))
        path = paths.get(f"{folder}messages.json") or paths.get(f"{folder}messages.csv")
        if path is None:
            continue  # nothing was written there
        with files.open(path) as file:
            table = path.lower().endswith(".csv")
            rows = csv_rows(file, left_out) if table else (entry for _, entry in entries(file, left_out))
            for row in rows:
                if isinstance(text := row.get("Contents"), str):
                    yield Message(name, text, _day(row.get("Timestamp")), author_id, origin, _id(row.get("ID")))
                else:
                    left_out[DAMAGED] += 1


def _account(files: Files) -> tuple[str, int]:
    """Return the name and id of a data package's account; "me" and 0 if it doesn't say."""
    for path in sorted(filter(_USER.fullmatch, files.paths), key=lambda path: path.count("/")):
        user = _object(files, path)
        if author_id := _id(user.get("id")):
            return _word(user.get("global_name")) or _word(user.get("username")) or "me", author_id
    return "me", 0


def _channel_origin(channel: dict[str, Any]) -> Origin:
    guild = channel.get("guild")
    guild = guild if isinstance(guild, dict) else {}
    return Origin(_id(guild.get("id")), _word(guild.get("name")), _id(channel.get("id")))


def _object(files: Files, path: str) -> dict[str, Any]:
    """Return the object in a small JSON file; an empty one if it is damaged."""
    try:
        content = json.loads(files.data(path))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _objects(entry: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = entry.get(key)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _name(user: dict[str, Any]) -> str:
    return _word(user.get("nickname")) or _word(user.get("name"))


def _word(value: object) -> str:
    """Return a string or number as text; empty: it is neither."""
    return str(value) if isinstance(value, str | int) else ""


def _id(value: object) -> int:
    """Return an id of Discord's; 0: it is none."""
    return int(word) if _ID.fullmatch(word := _word(value)) else 0


def _day(value: object) -> date | None:
    """Return the day of a time, in ISO's form or as an export has it in many languages; None: it is none of these."""
    if (match := _DATE.match(_word(value))) is None:
        return None
    first, second, third, american = match.groups()
    year, month, day = (first, second, third) if len(first) == 4 else (third, second, first)
    if american and "/" in match[0] and len(first) < 4:
        month, day = day, month
    try:
        return date(int(year) + 2_000 * (len(year) == 2), _MONTHS.get(month) or int(month), int(day))
    except ValueError:
        return None


DISCORD_EXPORTS = (
    ChatFormat("a DiscordChatExporter file (JSON)", lambda head: _JSON.match(head) is not None, _json_messages),
    ChatFormat("a DiscordChatExporter file (CSV)", lambda head: _CSV.match(head) is not None, _csv_messages),
    ChatFormat("a DiscordChatExporter file (TXT)", lambda head: _TEXT.match(head) is not None, _text_messages),
    ChatFormat("a DiscordChatExporter file (HTML)", lambda head: _HTML.match(head) is not None, _page_messages),
)
DISCORD_PACKAGE = FolderFormat("a Discord data package", _is_package, _package_messages, own=True)
