"""Reads files that people attach, in a process of its own that may be killed: a hostile file harms nothing else.

`python -m shared.corpora.reader FOLDER` takes a `ReadRequest` from its standard input, and writes an `Answer` to its
standard output. The text, or the pages of a chat, are files in the folder.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path, PurePath
from typing import NamedTuple

from pydantic import BaseModel

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.read.chat import Chat, ChatOptions
from galvanic.read.files import Files
from galvanic.read.text import Text
from galvanic.units import MEGABYTE
from shared.corpora.corpus import LICENCES, checked
from shared.corpora.lines import LEAST_LINE_BYTES, Line, counted_bytes, pack_page

TEXT, PAGES = "text", "page-*"  # what is written into the folder
MEMORY = 512 * MEGABYTE  # for what a file makes of itself; the bot's container has 768 MB by default
TIME_S = 120  # of the processor; the bot stops a reading after as many seconds of the clock
LISTED = 25  # people who can be chosen: Discord's limit on a menu
MOST_ASKED = 100  # people of a chat whom the bot asks Discord about; with more, it is refused
_PAGE_LINES, _PAGE_CHARS = 1_000, 200_000  # of a page, which the bot unpacks at once
_NOT_CHOSEN = "messages of people whom you left out"
LARGER = "The bot's operator can train larger files on the machine."


class ReadRequest(BaseModel, frozen=True):
    """The files to read, and the person and server that they are read for.

    Attributes:
        files: names, for people, and paths.
        guild_id, guild_name: the server where it was asked for.
        user_id: who asked.
        most_bytes: of all text, in UTF-8; of a chat as `counted_bytes` counts them.
    """

    files: tuple[tuple[str, Path], ...]
    options: ChatOptions
    source: TextSource
    guild_id: int
    guild_name: str
    user_id: int
    most_bytes: int


class Person(NamedTuple):
    """A person in a chat. `number`: stands for them in its pages; `name`: as the chat has it."""

    number: int
    name: str
    messages: int


class ChatFacts(BaseModel, frozen=True):
    """Facts about a chat, without its words.

    Attributes:
        title: the name of its file, without its ending.
        format: what it is, such as "a Telegram export".
        messages: how many lines its pages have.
        listed: the people with the most messages.
        left_out: what is not learned, in words for people, and how often.
        is_own: all of it was written by the person who asked, as Discord's data package says.
        channel_id: the channel that it was exported from, if that is of the server where it was asked for; else 0.
        last_id: the highest id of a message; 0: they have none.
        author_ids: Discord's ids of the other people, if the file doesn't say in which server they wrote.
    """

    title: str
    format: str
    messages: int
    listed: tuple[Person, ...]
    first: date | None
    last: date | None
    left_out: tuple[tuple[str, int], ...]
    is_own: bool
    channel_id: int
    last_id: int
    author_ids: tuple[int, ...] = ()


class Answer(BaseModel, frozen=True):
    """A text's facts, or a chat's, or why neither could be read: problem and remedy."""

    info: CorpusInfo | None = None
    chat: ChatFacts | None = None
    refusal: tuple[str, str] | None = None


def read(request: ReadRequest, folder: Path) -> Answer:
    """Read files, and write what they hold into the folder. Raises UserError: it can't be learned."""
    from galvanic.read.formats import read_files  # takes 20 MB: the bot, which has a process do this, needs none of it

    content = read_files(Files(request.files), request.options)
    stem = PurePath(request.files[0][0]).stem or "text"
    title = f"{stem} and {len(request.files) - 1} more" if len(request.files) > 1 else stem
    if isinstance(content, Chat):
        return Answer(chat=_chat(content, request, title, folder))
    return Answer(info=_text(content, request, stem, title, folder))


def _text(text: Text, request: ReadRequest, name: str, title: str, folder: Path) -> CorpusInfo:
    corpus = checked(text, text.info(name, title, request.source, LICENCES[request.source]))
    data = corpus.text.encode("utf-8", "replace")
    if len(data) > request.most_bytes:
        raise _too_large(request)
    (folder / TEXT).write_bytes(data)
    return corpus.info


def _chat(chat: Chat, request: ReadRequest, title: str, folder: Path) -> ChatFacts:
    is_own = chat.own and {speaker.author_id for speaker in chat.speakers} == {request.user_id}
    channel_id = 0 if is_own else _channel(chat, request)
    are_members = is_own or channel_id > 0
    authors = [speaker.author_id if are_members else number for number, speaker in enumerate(chat.speakers)]
    chosen, messages, last_id = chat.chosen(request.options), 0, 0
    for number, lines in enumerate(_pages(chat, chosen, authors, request)):
        (folder / f"page-{number:06}").write_bytes(pack_page(lines))
        messages, last_id = messages + len(lines), max(last_id, *(line.message_id for line in lines))
    author_ids = {chat.speakers[number].author_id for number in chosen} - {0, request.user_id}
    may_be_here = any(not origin.guild_id and not origin.channel_id for origin in chat.origins)
    people = [Person(number, chat.speakers[number].name, chat.speakers[number].messages) for number in chosen]
    return ChatFacts(
        title=title,
        format=chat.format,
        messages=messages,
        listed=tuple(sorted(people, key=lambda person: -person.messages)[:LISTED]),
        first=chat.first,
        last=chat.last,
        left_out=tuple(chat.left_out.most_common()),
        is_own=is_own,
        channel_id=channel_id,
        last_id=last_id,
        author_ids=tuple(author_ids)[: MOST_ASKED + 1] if may_be_here else (),
    )


def _pages(chat: Chat, chosen: set[int], authors: list[int], request: ReadRequest) -> Iterator[list[Line]]:
    """Yield pages of lines. `authors`: stand for the people, by number. Raises UserError: it is too much."""
    page, chars, size = list[Line](), 0, 0
    for number, message_id, text in chat.lines():
        if number not in chosen:
            chat.left_out[_NOT_CHOSEN] += 1
            continue
        page.append(Line(message_id, authors[number], text))
        chars, size = chars + len(text), size + counted_bytes(text)
        if size > request.most_bytes:
            raise _too_large(request, f" A message counts as {LEAST_LINE_BYTES} bytes at least.")
        if len(page) >= _PAGE_LINES or chars >= _PAGE_CHARS:
            yield page
            page, chars = [], 0
    if page:
        yield page


def _channel(chat: Chat, request: ReadRequest) -> int:
    """Return the channel that a chat was exported from, if that is of the server where it was asked for; else 0.

    Raises UserError: nobody can tell whether the members of that server agreed, or not all of them were chosen.
    """
    server = request.guild_name.casefold()
    here = {
        origin
        for origin in chat.origins
        if origin.guild_id == request.guild_id
        or (not origin.guild_id and origin.guild and origin.guild.casefold() == server)
    }
    if not here:
        return 0
    channel_ids = {origin.channel_id for origin in here}
    is_one = here == chat.origins and len(channel_ids) == 1 and 0 not in channel_ids
    if not is_one or not all(speaker.author_id for speaker in chat.speakers):
        raise UserError(
            "These are messages of this server, but not of one channel alone, or they don't say whose they are.",
            "Export one channel as JSON, and attach its file alone.",
        )
    if request.options.only or request.options.without:
        raise UserError(
            "In a channel of this server, each member decides whether I learn from their messages.",
            "Leave out `--only` and `--without`.",
        )
    return channel_ids.pop()


def _too_large(request: ReadRequest, how_counted: str = "") -> UserError:
    return UserError(
        f"There is more than {request.most_bytes / MEGABYTE:g} MB of text, the most that I learn at once.{how_counted}",
        f"Send a part, or choose people of a chat with `--only`. {LARGER}",
    )


def _limit() -> None:
    """Bound this process' memory and time, and let others go first."""
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (TIME_S, TIME_S))
        os.nice(10)
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(folder: Path) -> None:
    """Carry out a request."""
    _limit()
    request = ReadRequest.model_validate_json(sys.stdin.buffer.read())
    try:
        answer = read(request, folder)
    except UserError as error:
        answer = Answer(refusal=(error.problem, error.remedy))
    sys.stdout.buffer.write(answer.model_dump_json().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
