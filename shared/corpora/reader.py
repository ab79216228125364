"""Reads files that people attach, in a process of its own that may be killed: a hostile file harms nothing else.

`python -m shared.corpora.reader FOLDER`: the folder has a `Request`; an `Answer` is written beside it, and the text, or
the pages of a chat, in one file.
"""

import json
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path, PurePath

from pydantic import BaseModel

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.read.chat import DAMAGED, Chat, ChatOptions
from galvanic.read.files import Files
from galvanic.read.formats import read_files
from galvanic.read.pseudonyms import pseudonyms
from galvanic.read.text import Text
from galvanic.units import MEGABYTE
from shared.corpora.corpus import LEAST_CHARS, checked
from shared.corpora.lines import Line, pack_page

REQUEST, ANSWER, CONTENT, NAMES = "request.json", "answer.json", "content", "names"
MEMORY = 512 * MEGABYTE  # for what a file makes of itself; the bot's container has 768 MB by default
TIME_S = 120  # of the processor; the bot stops a reading after as many seconds of the clock
LISTED = 25  # people who can be chosen: Discord's limit on a menu
MOST_ASKED = 100  # people of a chat whom the bot asks Discord about
_PAGE_LINES, _PAGE_CHARS = 1_000, 200_000  # of a page, which the bot unpacks at once
_LONGEST = 100_000  # characters of a message
_TOO_LONG = f"messages of more than {_LONGEST:,} characters"
_NOT_CHOSEN = "messages of people whom you left out"
COMMAND_LINE = "On the command line, `galvanic train FILE` takes files of any size."


class Request(BaseModel, frozen=True):
    """The files to read, and the person and server that they are read for.

    Attributes:
        files: names, for people, and paths.
        guild_id, guild_name: the server where it was asked for.
        user_id: who asked.
        until: the highest id that a message can have by now.
        most_bytes: of all text, in UTF-8.
    """

    files: tuple[tuple[str, Path], ...]
    options: ChatOptions
    source: TextSource
    licence: str
    guild_id: int
    guild_name: str
    user_id: int
    until: int
    most_bytes: int


class Person(BaseModel, frozen=True):
    """A person in a chat. `number`: stands for them in its pages; `name`: as the chat has it."""

    number: int
    name: str
    messages: int


class ChatFacts(BaseModel, frozen=True):
    """Facts about a chat, without its words.

    Attributes:
        title: the name of its file, without its ending.
        format: what it is, such as "a Telegram export".
        people: how many; `listed`: those with the most messages.
        left_out: what is not learned, in words for people, and how often.
        is_own: all of it was written by the person who asked, as Discord's data package says.
        channel_id: the channel of the server where it was asked for that it was exported from; 0: it is of elsewhere.
        last_id: the highest id of a message; 0: they have none.
        author_ids: Discord's ids of people, by number, whose messages may be of that server.
        page_sizes: bytes of each page.
    """

    title: str
    format: str
    messages: int
    people: int
    listed: tuple[Person, ...]
    first: date | None
    last: date | None
    left_out: tuple[tuple[str, int], ...]
    is_own: bool
    licence: str
    channel_id: int
    last_id: int
    author_ids: dict[int, int]
    page_sizes: tuple[int, ...]


class Answer(BaseModel, frozen=True):
    """A text's facts, or a chat's, or why neither could be read: problem and remedy."""

    info: CorpusInfo | None = None
    chat: ChatFacts | None = None
    refusal: tuple[str, str] | None = None


def read(request: Request, folder: Path) -> Answer:
    """Read files, and write what they hold into the folder. Raises UserError: it can't be learned."""
    content = read_files(Files(request.files), request.options)
    more = f" and {len(request.files) - 1} more" if len(request.files) > 1 else ""
    stem = PurePath(request.files[0][0]).stem or "text"
    if isinstance(content, Text):
        return _text(content, request, stem, f"{stem}{more}", folder)
    return Answer(chat=_chat(content, request, f"{stem}{more}", folder))


def _text(text: Text, request: Request, name: str, title: str, folder: Path) -> Answer:
    corpus = checked(text, text.info(name, title, request.source, request.licence))
    data = corpus.text.encode("utf-8", "replace")
    if len(data) > request.most_bytes:
        raise _too_large(request)
    (folder / CONTENT).write_bytes(data)
    return Answer(info=corpus.info)


def _chat(chat: Chat, request: Request, title: str, folder: Path) -> ChatFacts:
    is_own = chat.own and {speaker.author_id for speaker in chat.speakers} == {request.user_id}
    channel_id, author_ids = (0, {}) if is_own else _origin(chat, request)
    if channel_id and (request.options.only or request.options.without):
        raise UserError(
            "Of this server's channels, all members who agreed are learned.", "Leave out `--only` and `--without`."
        )
    chosen, counts, sizes, last_id, chars = chat.chosen(request.options), dict[int, int](), list[int](), 0, 0
    with (folder / CONTENT).open("wb") as file:
        authors = [request.user_id if is_own else number for number in range(len(chat.speakers))]
        if channel_id:
            authors = [speaker.author_id for speaker in chat.speakers]
        for lines in _pages(chat, chosen, authors, request, by_id=bool(channel_id)):
            for number, line in lines:
                counts[number] = counts.get(number, 0) + 1
                last_id, chars = max(last_id, line.message_id), chars + len(line.text) + 1
            sizes.append(file.write(pack_page([line for _, line in lines])))
    if chars < LEAST_CHARS:
        raise UserError(
            f"The chat is too short: {chars:,} characters, and at least {LEAST_CHARS:,} are needed.",
            "Give a longer one; 100,000 characters and more give good results.",
        )
    (folder / NAMES).write_bytes(zlib.compress(json.dumps(pseudonyms(len(chat.speakers))).encode()))
    people = [Person(number=number, name=chat.speakers[number].name, messages=counts[number]) for number in counts]
    people.sort(key=lambda person: -person.messages)
    return ChatFacts(
        title=title,
        format=chat.format,
        messages=sum(counts.values()),
        people=len(counts),
        listed=tuple(people[:LISTED]),
        first=chat.first,
        last=chat.last,
        left_out=tuple(chat.left_out.most_common()),
        is_own=is_own,
        licence=request.licence,
        channel_id=channel_id,
        last_id=last_id,
        author_ids=author_ids,
        page_sizes=tuple(sizes),
    )


def _pages(
    chat: Chat, chosen: set[int], authors: list[int], request: Request, *, by_id: bool
) -> Iterator[list[tuple[int, Line]]]:
    """Yield pages of lines with their authors' numbers. `authors`: stand for them in a line.

    `by_id`: members' consents are asked by the ids of them and of their messages. Raises UserError: it is too much.
    """
    page, chars, size = list[tuple[int, Line]](), 0, 0
    for number, message_id, text in chat.lines():
        author = authors[number]
        if number not in chosen:
            chat.left_out[_NOT_CHOSEN] += 1
        elif by_id and not (author and 0 < message_id <= request.until):
            chat.left_out[DAMAGED] += 1
        elif len(text) > _LONGEST:
            chat.left_out[_TOO_LONG] += 1
        else:
            page.append((number, Line(message_id, author, text)))
            chars, size = chars + len(text), size + len(text.encode()) + 1
        if size > request.most_bytes:
            raise _too_large(request)
        if len(page) >= _PAGE_LINES or chars >= _PAGE_CHARS:
            yield page
            page, chars = [], 0
    if page:
        yield page


def _origin(chat: Chat, request: Request) -> tuple[int, dict[int, int]]:
    """Return the channel of the server where it was asked for that a chat is of, and the people to be asked about.

    Raises UserError: it is of that server and of another place, or nobody can tell whether its members agreed.
    """
    here = {origin for origin in chat.origins if origin.guild_id == request.guild_id}
    unknown = {origin for origin in chat.origins - here if not origin.guild_id and not origin.channel_id}
    if here and (here != chat.origins or len({origin.channel_id for origin in here}) > 1):
        raise UserError(
            "These are messages of a channel of this server and of other places.", "Give each channel's file alone."
        )
    if any(origin.guild.casefold() == request.guild_name.casefold() for origin in unknown if origin.guild):
        raise UserError(
            "This is an export of this server, and does not say whose messages they are, so I can't tell who agreed.",
            "Export the channel as JSON.",
        )
    if here:
        return min(here).channel_id, {}
    authors = {number: speaker.author_id for number, speaker in enumerate(chat.speakers) if speaker.author_id}
    if not unknown or not authors:
        return 0, {}
    if len(authors) > MOST_ASKED:
        raise UserError(
            f"More than {MOST_ASKED:,} people write there, and the file doesn't say in which server.",
            "Export the channel as JSON.",
        )
    return 0, authors


def _too_large(request: Request) -> UserError:
    return UserError(
        f"More than {request.most_bytes / MEGABYTE:g} MB of text would be learned, the most that I take.",
        f"Give a part of it, or of a chat only some people (`--only`). {COMMAND_LINE}",
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
    """Carry out the request in a folder."""
    _limit()
    request = Request.model_validate_json((folder / REQUEST).read_bytes())
    try:
        answer = read(request, folder)
    except UserError as error:
        answer = Answer(refusal=(error.problem, error.remedy))
    except MemoryError:
        answer = Answer(refusal=("The files take too much memory to be read.", f"Give a part of them. {COMMAND_LINE}"))
    (folder / ANSWER).write_text(answer.model_dump_json(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
