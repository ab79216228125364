"""Read files of any format: recognise each by its content, never by its name."""

import errno
import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from galvanic.errors import UserError
from galvanic.options import CorpusInfo
from galvanic.read.chat import (
    OTHER_FILES,
    Chat,
    ChatFormat,
    ChatOptions,
    FolderFormat,
    left_out_lines,
    refuse_for_text,
)
from galvanic.read.discord import DISCORD_EXPORTS, DISCORD_PACKAGE
from galvanic.read.documents import DocumentFormat
from galvanic.read.encodings import head_text, is_binary
from galvanic.read.epub import EPUB
from galvanic.read.files import Files, files_at
from galvanic.read.logs import IRC, SIGNAL
from galvanic.read.markdown import MARKDOWN
from galvanic.read.pages import HTML
from galvanic.read.pdf import PDF
from galvanic.read.refusals import harmless, refuse_documents
from galvanic.read.slack import SLACK
from galvanic.read.subtitles import SUBTITLES
from galvanic.read.tables import table
from galvanic.read.telegram import TELEGRAM
from galvanic.read.text import Text, collected, read, without_licence
from galvanic.read.whatsapp import WHATSAPP
from galvanic.read.word import WORD
from galvanic.source import chunks, cleaned
from galvanic.units import MEGABYTE

LIMIT = 2_000 * MEGABYTE  # of files on this machine
CHATS: tuple[ChatFormat, ...] = (
    *DISCORD_EXPORTS,
    TELEGRAM,
    # Logs come last; the first format that recognises a file reads it.
    IRC,
    SIGNAL,
    WHATSAPP,
)
FOLDERS: tuple[FolderFormat, ...] = (DISCORD_PACKAGE, SLACK)
DOCUMENTS: tuple[DocumentFormat, ...] = (EPUB, WORD, PDF, MARKDOWN, HTML, SUBTITLES)  # Markdown may begin with HTML


class FileText(NamedTuple):
    """A text of files. `source`: the text, or its path in UTF-8. `chat`: the one that it was made of, if any."""

    source: str | Path
    info: CorpusInfo
    chat: Chat | None = None


def read_paths(paths: Sequence[Path], workdir: Path | None = None, options: ChatOptions | None = None) -> FileText:
    """Read files and folders on this machine as one text, with Unix line ends.

    `workdir`: a folder, made if necessary, where a large text is written; None: it stays in memory. Raises UserError if
    they cannot be read, or are too large, empty, damaged or no text; OSError if the text cannot be written.
    """
    options = options or ChatOptions()
    path = paths[0].absolute()  # `.` has no name
    name = harmless(path.name)
    try:
        files = list(files_at(paths))
        size = sum(path.stat().st_size for _, path in files)
        if size > LIMIT:
            raise UserError(
                f"{name} is too large: {size / MEGABYTE:,.0f} MB, and {LIMIT / MEGABYTE:,.0f} MB is the most.",
                "Give a part of it.",
            )
        content = read_files(Files(files), options, workdir)
        chat = content if isinstance(content, Chat) else None
        text = chat_text(content, options, workdir) if isinstance(content, Chat) else content
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or (
            workdir and error.filename and Path(error.filename).is_relative_to(workdir)
        ):
            raise  # in what is written
        problem = f"{error.filename or paths[0]} cannot be read: {error.strerror}."
        raise UserError(problem, "Give files that can be read.") from error
    info = text.info(path.stem, name, "file", chat=chat is not None)
    return FileText(text.body, info, chat)


def read_files(files: Files, options: ChatOptions, workdir: Path | None = None) -> Text | Chat:
    """Read files as one text, or as a chat, whose lines are yet to be chosen.

    Raises UserError if they are empty, damaged, locked, no text or too large when unpacked; OSError.
    """
    if (chat := _read_chat(files, options)) is not None:
        if not chat.speakers:
            remedy = " ".join([*left_out_lines(chat.left_out.most_common()), "Export it again, or give another one."])
            raise UserError(f"There is no message to learn in {chat.format}.", remedy)
        return chat
    refuse_for_text(options)
    paths = files.paths
    texts = [path for path in paths if len(paths) == 1 or _is_text(files.head(path), path)]
    if not texts:
        raise UserError("None of these files holds a text that I can read.", "Give a text, a book, or a chat.")
    if len(texts) == 1:
        text = _read_text(files, texts[0], workdir)
    else:
        text = collected(_joined(files, texts, workdir), workdir and workdir / "texts.txt")
    return replace(text, skipped=len(paths) - len(texts))


def chat_text(chat: Chat, options: ChatOptions, workdir: Path | None = None) -> Text:
    """Return the text of the people of a chat whom somebody chose. Raises UserError: nobody is left, or unknown."""
    parts = chat.text(chat.chosen(options), speakers=options.speakers)
    return collected(parts, workdir and workdir / "chat.txt")


def _read_chat(files: Files, options: ChatOptions) -> Chat | None:
    """Read files as a chat, in their order; None: none of them is one."""
    if options.speaker_column and not options.text_column:
        raise UserError("`--speaker-column` needs `--text-column`.", "Name the column of the words, too.")
    for folder in FOLDERS:
        if folder.recognises(files.paths):
            chat = Chat(folder.name, own=folder.own)
            chat.add(folder.messages(files, chat.left_out))
            chat.left_out += Counter({OTHER_FILES: files.unopened})
            return chat
    formats = {path: _chat_format(files.head(path), path, options) for path in files.paths}
    names = dict.fromkeys(form.name for form in formats.values() if form is not None)
    if not names:
        return None
    chat = Chat(" and ".join(names))
    for path, form in formats.items():
        if form is None:
            chat.left_out[OTHER_FILES] += 1
            continue
        with files.open(path) as file:
            chat.add(form.messages(file, chat.left_out))
    return chat


def _chat_format(head: bytes, path: str, options: ChatOptions) -> ChatFormat | None:
    """Return the format of a chat's file by its beginning; a table's if somebody named its columns; None: no chat's.

    Discord's messages are no table: their authors' ids must not be lost.
    """
    if is_binary(head):
        return None
    text = head_text(head)
    as_table = ChatFormat("a table", bool, functools.partial(table, path, options))
    formats = (*DISCORD_EXPORTS, as_table) if options.text_column else CHATS
    return next((form for form in formats if form.recognises(text)), None)


def _document_format(head: bytes) -> DocumentFormat | None:
    return next((document for document in DOCUMENTS if document.recognises(head)), None)


def _is_text(head: bytes, path: str) -> bool:
    """Return whether a file among several may hold a text. Raises UserError: it is a document that can't be read."""
    if _document_format(head) is not None:
        return True
    refuse_documents(head, path)
    return head_text(head).strip() != "" and not is_binary(head)


def _read_text(files: Files, path: str, workdir: Path | None) -> Text:
    document = _document_format(files.head(path))
    if document is None:
        with files.open(path) as file:
            return read(file, path, workdir)
    content = document.read(files.data(path), path)
    text = collected(cleaned(chunks(content.text)), workdir and workdir / "document.txt")
    if not text.chars:
        raise UserError(f"`{path}` has no text in it.", "Pictures of pages can't be read: give a file with text.")
    book = without_licence(text, workdir)
    return replace(book, title=book.title or harmless(content.title))


def _joined(files: Files, paths: Sequence[str], workdir: Path | None) -> Iterator[str]:
    """Yield the texts of several files, an empty line between them."""
    for number, path in enumerate(paths):
        if number:
            yield "\n\n"
        yield from chunks(_read_text(files, path, workdir).body)
