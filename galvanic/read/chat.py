"""Chats: what readers of formats yield, and the lines that are learned of it.

A reader yields `Message`s and counts what it leaves out itself. `Chat` cleans them, counts, and keeps a line of each,
on the disk if they are many.
"""

import functools
import hashlib
import io
import itertools
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import IO, BinaryIO, NamedTuple

from galvanic.errors import UserError
from galvanic.read.cleaning import clean, is_command
from galvanic.read.files import Files
from galvanic.read.pseudonyms import pseudonyms
from galvanic.read.refusals import code, codes
from galvanic.units import count

MOST_SPEAKERS = 100_000
MOST_NAME = 100  # characters of a speaker's name
NAMELESS = "unnamed"
IN_MEMORY = 4_000_000  # bytes of lines that are kept in memory
SHOWN = 10  # lines in a preview
_LISTED_NAME = re.compile(r'\s*(?:["“]([^"“”]*)["”]|([^,]*))\s*(?:,|\Z)')  # in quotes, or up to a comma

SYSTEM = "notices of the program (joins, calls, pins)"
BOTS = "messages by bots"
FORWARDED = "forwarded messages"
WORDLESS = "messages without words (pictures, voice, polls)"
COMMANDS = "commands for bots"
UNSAFE = "messages with a link, an address, a long number or a secret, or nothing but signs"
DAMAGED = "entries that could not be read"
OTHER_FILES = "files that hold no messages"


class Origin(NamedTuple):
    """The Discord server and channel that messages were exported from; ids are 0 where the file has none."""

    guild_id: int = 0
    guild: str = ""
    channel_id: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a chat's file has it.

    Attributes:
        author: the name that the chat shows.
        text: as it was written, maybe in several lines.
        day: when; None: the file doesn't say.
        author_id, message_id: Discord's; 0: the file has none.
        origin: where it was written, if that is a Discord server.
    """

    author: str
    text: str
    day: date | None = None
    author_id: int = 0
    origin: Origin | None = None
    message_id: int = 0


@dataclass(frozen=True)
class ChatFormat:
    """A format of chats of which each file stands alone.

    Attributes:
        name: for people, such as "a Telegram export".
        recognises: returns a true value if a file has this format, by the text at its beginning.
        messages: yields a file's messages, and counts in the second argument what it leaves out. Raises UserError: the
            file is damaged.
    """

    name: str
    recognises: Callable[[str], object]
    messages: Callable[[BinaryIO, Counter[str]], Iterator[Message]]


@dataclass(frozen=True)
class FolderFormat:
    """A format of chats whose files belong together, which is recognised by their paths; else as `ChatFormat`.

    `own`: all messages are one person's, whose data package it is.
    """

    name: str
    recognises: Callable[[Collection[str]], bool]
    messages: Callable[[Files, Counter[str]], Iterator[Message]]
    own: bool = False


class ChatLine(NamedTuple):
    """A message as it is learned. `speaker`: its author's number; `message_id`: Discord's, 0: the file has none."""

    speaker: int
    message_id: int
    text: str


@dataclass
class Speaker:
    """A person in a chat, with the number of their messages."""

    name: str
    author_id: int
    messages: int = 0


@dataclass(frozen=True)
class ChatOptions:
    """What a person wants of a chat.

    Attributes:
        only, without: names or ids of people whose messages are learned, or not; empty: all are learned. Each may be
            a list with commas.
        speakers: begin each line with an invented name for its author.
        text_column, speaker_column: names of the columns of a table, or of the fields of JSON lines.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    speakers: bool = False
    text_column: str = ""
    speaker_column: str = ""


def refuse_for_text(options: ChatOptions) -> None:
    """Refuse what somebody wants of a chat, where there is none. Raises UserError."""
    for name, value in asdict(options).items():
        if value:
            option = f"`--{name.replace('_', '-')}`"
            which = "chats" if name == "speakers" else "chats in files"
            raise UserError(f"{option} is for {which}.", "Leave it out, or give the file of a chat.")


@dataclass(eq=False, repr=False)
class Chat:
    """The lines of a chat, cleaned, each with its speaker.

    Attributes:
        format: what the files are, such as "a Telegram export".
        own: all of it is one person's, as that person's data package.
        speakers: the people by number, in the order of their first messages.
        first, last: days of the earliest and the latest message; None: no message says when.
        left_out: what is not learned and how often, in words for people.
        origins: the Discord servers and channels that it is of; one without ids: the file doesn't say.
    """

    format: str
    own: bool = False
    speakers: list[Speaker] = field(default_factory=list)
    first: date | None = None
    last: date | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    origins: set[Origin] = field(default_factory=set)
    _numbers: dict[int | str, int] = field(default_factory=dict)  # of speakers, by their ids or names
    _file: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115

    @functools.cached_property
    def invented(self) -> list[str]:
        """Invented names of the speakers, by number; the same for the same chat, so that its training can go on."""
        self._file.seek(0)
        digest = hashlib.sha256()
        for line in self._file:
            digest.update(line)
        return pseudonyms(len(self.speakers), int.from_bytes(digest.digest()))

    def add(self, messages: Iterable[Message]) -> None:
        """Clean messages and keep their lines. Raises UserError: too many people; or as the reader."""
        self._file.seek(0, io.SEEK_END)
        for message in messages:
            if (line := self._line(message)) == "":
                continue
            name = _shown_name(message.author) or NAMELESS
            key = message.author_id or name
            if (number := self._numbers.get(key)) is None:
                number = self._numbers[key] = len(self.speakers)
                self.speakers.append(Speaker(name, message.author_id))
                if number == MOST_SPEAKERS:
                    raise UserError(
                        f"More than {MOST_SPEAKERS:,} people write there: that is no chat.",
                        "If it is a table, name another column of speakers, or none.",
                    )
            self.speakers[number].messages += 1
            self._file.write(f"{number} {message.message_id} {line}\n".encode("utf-8", "replace"))
            if message.origin is not None or message.author_id:
                self.origins.add(message.origin or Origin())
            if message.day is not None:
                self.first = min(self.first or message.day, message.day)
                self.last = max(self.last or message.day, message.day)

    def _line(self, message: Message) -> str:
        """Return a message as the line that is learned; empty: it is left out, and counted."""
        if not message.text.strip():
            self.left_out[WORDLESS] += 1
        elif is_command(message.text, ()):
            self.left_out[COMMANDS] += 1
        elif line := clean(message.text):
            return line
        else:
            self.left_out[UNSAFE] += 1
        return ""

    def lines(self) -> Iterator[ChatLine]:
        """Yield each line, in the order of the messages."""
        self._file.seek(0)
        for data in self._file:
            number, message_id, line = data.decode().rstrip("\n").split(" ", 2)
            yield ChatLine(int(number), int(message_id), line)

    def chosen(self, options: ChatOptions) -> set[int]:
        """Return the numbers of the people whose lines are to be learned. Raises UserError: nobody's, or unknown."""
        chosen = self._people_called(options.only) if options.only else set(range(len(self.speakers)))
        chosen -= self._people_called(options.without)
        if not chosen:
            raise UserError("Nothing of that chat would be left.", "Leave out `--only` or `--without`.")
        return chosen

    def text(self, chosen: Collection[int], *, speakers: bool) -> Iterator[str]:
        """Yield the lines of some people as they are learned, with line ends. `speakers`: with invented names."""
        invented = self.invented if speakers else []
        for number, _, line in self.lines():
            if number in chosen:
                yield f"{line_by(invented[number], line) if speakers else line}\n"

    def _people_called(self, names: Sequence[str]) -> set[int]:
        """Return the numbers of people by their names, however these are capitalised, or ids."""
        by_name = dict[str, set[int]]()
        for number, speaker in enumerate(self.speakers):
            by_name.setdefault(_key(speaker.name), set()).add(number)
            if speaker.author_id:
                by_name.setdefault(str(speaker.author_id), set()).add(number)
        names = [name for typed in names for name in _split_names(typed, by_name)]
        for name in names:
            if _key(name) not in by_name:
                most = sorted(self.speakers, key=lambda speaker: -speaker.messages)
                raise UserError(
                    f"Nobody in that chat is called {code(name)}.",
                    f"Choose from {codes(speaker.name for speaker in most)}.",
                )
        return set[int]().union(*(by_name[_key(name)] for name in names))


def _split_names(typed: str, known: Container[str]) -> list[str]:
    """Return the names that somebody typed with commas between them. A known name keeps its comma, within quotes too.

    `known`: as `_key` returns them. Raises UserError: there is no name.
    """
    if _key(typed) in known:
        return [typed]
    names = list[str]()
    for part in map("".join, _LISTED_NAME.findall(typed)):
        # Discord's users put a whole list into quotes.
        names += [part] if _key(part) in known else [name.strip(' "“”') for name in part.split(",")]
    if not any(names):
        raise UserError(f"{code(typed)} names nobody.", "Give names with commas between them, as in `Ada,Ben`.")
    return list(filter(None, names))


def _key(name: str) -> str:
    """Return a name in the form by which people are chosen: alike however it is capitalised or encoded."""
    return unicodedata.normalize("NFKC", _shown_name(name)).casefold().removeprefix("@")


def _shown_name(name: str) -> str:
    """Return a name in one line, without characters that can't be seen or written."""
    return "".join(filter(str.isprintable, " ".join(name.split())))[:MOST_NAME].strip()


def line_by(name: str, text: str) -> str:
    """Return a line of a text with speakers."""
    return f"{name}: {text}"


def left_out_lines(left_out: Iterable[tuple[str, int]]) -> list[str]:
    """Return a line for people for each reason why something of a chat isn't learned, with its count."""
    return [f"Left out ({number:,}): {reason}." for reason, number in left_out]


def preview(chat: Chat, options: ChatOptions) -> list[str]:
    """Return lines for people: what a chat is, what is left out, and up to `SHOWN` lines as they will be learned.

    Raises UserError: nobody is left, or a name is unknown.
    """
    chosen = chat.chosen(options)
    messages = sum(chat.speakers[number].messages for number in chosen)
    people = count(len(chosen), "person", "people")
    when = f", {chat.first} to {chat.last}" if chat.first is not None else ""
    step = max(1, messages // SHOWN)
    lines = itertools.islice(chat.text(chosen, speakers=options.speakers), 0, SHOWN * step, step)
    return [
        f"{chat.format}: {count(messages, 'message')} by {people}{when}.",
        *left_out_lines(chat.left_out.most_common()),
        "Lines as they are learned:",
        *(line.rstrip("\n") for line in lines),
    ]
