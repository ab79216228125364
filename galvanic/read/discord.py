"""Read Discord's messages: the files of DiscordChatExporter, and the data package that Discord sends an account."""

import functools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO

from galvanic.errors import UserError
from galvanic.read.chat import BOTS, DAMAGED, SYSTEM, ChatFormat, FolderFormat, Message, Origin
from galvanic.read.entries import entries
from galvanic.read.fields import day_of, field, text_of
from galvanic.read.files import Files
from galvanic.read.lines import log_entries
from galvanic.read.tables import rows

_SPEECH = {"Default", "Reply", "0", "19"}  # types of messages that a member wrote
_ID = re.compile(r"[0-9]{1,19}")
_LONGEST = 10_000  # characters of a message whose emoji and mentions are looked for; Discord's have 4,000 at most
_MOST = 200  # emoji or mentions of a message that are looked for
# The most frequent notices that stand for system messages where a file doesn't have their types.
_NOTICE = re.compile(
    r"(?:Joined the server|Pinned a message|Started a thread|Started a call that lasted [\d.,]+ minutes"
    r"|Left the group|(?:Added|Removed) .{1,100} the group)\."
)

_JSON = re.compile(r'\s*+\{\s*+"guild"\s*+:\s*+\{\s*+"id"\s*+:')
# A spreadsheet may have written it again, with the delimiter of its country.
_CSV = re.compile(r'(?:"?MessageID"?[,;\t])?"?AuthorID"?[,;\t]"?Author"?[,;\t]"?Date"?[,;\t]"?Content\b')
_TEXT = re.compile(r"\s*+={62}\nGuild: .*\nChannel: ")

# A rule stands before and after the head of a text file, and before and after its end.
_TEXT_HEADER = re.compile(
    r"(?:={62}|\[(?P<time>[^\[\]]{5,30}\d[:.]\d\d[^\[\]]{0,15})\] (?P<name>.{1,40}?)(?: \(pinned\))?)\Z"
)
_BLOCK = re.compile(r"\n\n\{(?:Attachments|Embed|Stickers|Reactions)\}(?:\n|\Z)")

_USER = re.compile(r"(?:.*/)?[^/]+/user\.json", re.IGNORECASE)
# JSON, or before March 2024 a table. The folder's name is in the account's language.
_PACKAGE_MESSAGES = re.compile(r"(?:.*/)?c?\d{16,32}/messages\.(?:json|csv)", re.IGNORECASE)


def _json_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    for before, entry in entries(file, left_out, "messages"):
        origin = _origin(before)
        author, content = entry.get("author"), entry.get("content")
        if not isinstance(author, dict) or not isinstance(content, str):
            left_out[DAMAGED] += 1
        elif author.get("isBot"):
            left_out[BOTS] += 1
        elif text_of(entry.get("type")) not in _SPEECH:
            left_out[SYSTEM] += 1
        else:
            day, author_id = day_of(entry.get("timestamp")), _id(author.get("id"))
            yield Message(_name(author), _raw(content, entry), day, author_id, origin, _id(entry.get("id")))


@functools.lru_cache(1)
def _origin(before: str) -> Origin:
    """Return the server and channel of an export by the text before its messages.

    Raises UserError: it is damaged, or was joined to another one, whose server and channel it must not be given.
    """
    try:
        head = json.loads(f"{before}]}}", strict=False)
    except (ValueError, RecursionError):
        head = {}
    guild_id, channel_id = field(head, "guild.id"), field(head, "channel.id")
    if guild_id is None or channel_id is None:
        raise UserError("That export doesn't say which server it is of.", "Give each file as it was exported.")
    return Origin(_id(guild_id), text_of(field(head, "guild.name")), _id(channel_id))


def _raw(content: str, entry: dict[str, Any]) -> str:
    """Return a message with custom emoji and mentions as Discord has them; an export has `:name:` and `@name`."""
    if len(content) > _LONGEST:
        return content
    for emoji in _objects(entry, "inlineEmojis") if ":" in content else ():
        name, number = text_of(emoji.get("name")), _id(emoji.get("id"))
        if number and re.fullmatch(r"\w{2,32}", name):
            symbol = f"<{'a' if emoji.get('isAnimated') else ''}:{name}:{number}>"
            content = re.sub(rf"(?<!<)(?<!<a):{name}:", symbol, content)
    for name in sorted(filter(None, map(_name, _objects(entry, "mentions"))), key=len, reverse=True):
        content = content.replace(f"@{name}", "<@0>")  # whose id it is doesn't matter
    return content


def _csv_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    for row in rows(file, left_out):
        author_id, text = _id(row.get("AuthorID")), text_of(row.get("Content"))
        if not author_id:
            left_out[DAMAGED] += 1
        elif _NOTICE.fullmatch(text):
            left_out[SYSTEM] += 1
        else:
            yield Message(text_of(row.get("Author")), text, day_of(row.get("Date")), author_id)


def _text_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    guild, is_complete = "", False
    for header, text in log_entries(file, _TEXT_HEADER, left_out):
        words = _BLOCK.split(text, maxsplit=1)[0].strip()
        if header["name"] is None:
            guild = words.partition("\n")[0].removeprefix("Guild: ") if words.startswith("Guild: ") else guild
            is_complete = is_complete or words.startswith("Exported ")
        elif _NOTICE.fullmatch(words):
            left_out[SYSTEM] += 1
        else:
            yield Message(header["name"], words, day_of(header["time"]), origin=Origin(guild=guild))
    if not is_complete:
        left_out[DAMAGED] += 1


def _is_package(paths: Collection[str]) -> bool:
    return any(map(_PACKAGE_MESSAGES.fullmatch, paths))


def _package_messages(files: Files, left_out: Counter[str]) -> Iterator[Message]:
    name, author_id = _account(files)
    for path in filter(_PACKAGE_MESSAGES.fullmatch, files.paths):
        with files.open(path) as file:
            for row in rows(file, left_out):
                if isinstance(text := row.get("Contents"), str):
                    day, message_id = day_of(row.get("Timestamp")), _id(row.get("ID"))
                    yield Message(name, text, day, author_id, message_id=message_id)
                else:
                    left_out[DAMAGED] += 1


def _account(files: Files) -> tuple[str, int]:
    """Return the name and id of a data package's account. Raises UserError: the package doesn't say, or names several.

    Of several packages together nobody could tell who wrote what.
    """
    accounts = dict[int, str]()
    for path in filter(_USER.fullmatch, files.paths):
        try:
            user = json.loads(files.data(path))
        except (ValueError, RecursionError):
            continue
        if isinstance(user, dict) and (author_id := _id(user.get("id"))):
            accounts[author_id] = text_of(user.get("global_name")) or text_of(user.get("username"))
    if len(accounts) != 1:
        raise UserError(
            "That data package doesn't say whose it is.",
            "Give one account's package alone and whole, as Discord sent it.",
        )
    author_id, name = accounts.popitem()
    return name, author_id


def _objects(entry: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = entry.get(key)
    return [value for value in values[:_MOST] if isinstance(value, dict)] if isinstance(values, list) else []


def _name(user: dict[str, Any]) -> str:
    return text_of(user.get("nickname")) or text_of(user.get("name"))


def _id(value: object) -> int:
    """Return an id of Discord's; 0: it is none."""
    return int(text) if _ID.fullmatch(text := text_of(value)) else 0


DISCORD_EXPORTS = (
    ChatFormat("a DiscordChatExporter file (JSON)", _JSON.match, _json_messages),
    ChatFormat("a DiscordChatExporter file (CSV)", _CSV.match, _csv_messages),
    ChatFormat("a DiscordChatExporter file (TXT)", _TEXT.match, _text_messages),
)
DISCORD_PACKAGE = FolderFormat("a Discord data package", _is_package, _package_messages, own=True)
