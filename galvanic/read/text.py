"""Read the text of a file, in memory or on the disk: in parts, so that it may be larger than the memory.

1. A file that begins like an office document or an archive is refused, and so is a binary file.
2. Its encoding is found by its beginning: `galvanic.read.encodings`. What is cut off within a character loses that one.
3. Line ends become `\\n`, and NULs and a byte order mark are dropped.
"""

import contextlib
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.read.encodings import BAD_BYTES, SAMPLE, encoding_of, is_binary
from galvanic.read.gutenberg import find_book
from galvanic.read.language import language_of
from galvanic.read.refusals import refuse_documents, refuse_formats
from galvanic.source import chunks, cleaned, decoded

STREAM_ABOVE = 4_000_000  # characters of a text; one that is larger is kept in a file, if there may be one
MAX_NAME = 32
_MAX_TITLE = 100
_GUTENBERG_LICENCE = "From Project Gutenberg, gutenberg.org."


@dataclass(frozen=True)
class Text:
    """A text that was read.

    `body`: the text with Unix line ends, or the path of it in UTF-8. `sha256`: its hash in UTF-8, hexadecimal.
    `left_out`: characters of Project Gutenberg's header and licence. `skipped`: files beside it that hold no text.
    `title`, `licence`: if the file says so, or empty.
    """

    body: str | Path
    chars: int
    sha256: str
    left_out: int = 0
    skipped: int = 0
    title: str = ""
    licence: str = ""

    def info(
        self,
        name: str,
        title: str,
        source: TextSource,
        licence: str = "",
        hard_wrapped: bool | None = None,
        language: str | None = None,
        *,
        chat: bool = False,
    ) -> CorpusInfo:
        """Return the facts about the text. `title`, `licence`: if the file names none.

        `language`: its code; None: find it out. `chat`: it is an exported chat, whose lines are never joined. Raises
        UserError: its file can't be read.
        """
        title = self.title or title
        return CorpusInfo(
            name=slugify(name) or "text",
            title=title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…",
            source=source,
            chars=self.chars,
            sha256=self.sha256,
            licence=self.licence or licence,
            hard_wrapped=False if chat else hard_wrapped,
            chat=chat,
            left_out=self.left_out,
            skipped=self.skipped,
            language=language_of(self.body) if language is None else language,
        )


_LATIN = str.maketrans({"ı": "i", "ß": "ss", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})


def slugify(name: str) -> str:
    """Return a short name of `a-z0-9-`, at most 32 characters; empty if none of its letters can be kept."""
    latin = name.lower().translate(_LATIN)
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode("ascii")
    if any(map(str.isalpha, name)) and not any(map(str.isalpha, plain)):
        return ""  # two books in Cyrillic would both be called 1
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:MAX_NAME].strip("-")


def of_memory(text: str) -> Text:
    """Return a text from memory, without changing it."""
    return Text(text, len(text), hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def read(file: BinaryIO, name: str, workdir: Path | None = None) -> Text:
    """Read a text by the rules at the top of this module, without Project Gutenberg's header and licence.

    `workdir`: a folder, made if necessary, where a large text is written; None: it stays in memory. `name`: for
    messages. Raises UserError if the file is empty, damaged, no text, or data for programs; OSError.
    """
    text = _decode(file, name, workdir)
    refuse_formats(next(chunks(text.body), ""), name)
    return without_licence(text, workdir)


def without_licence(text: Text, workdir: Path | None) -> Text:
    """Leave out Project Gutenberg's header and licence if the text has them. `workdir`: as in `read`."""
    book = find_book(chunks(text.body))
    if book is None:
        return text
    only = collected(book.only(chunks(text.body)), workdir and workdir / "book.txt")
    if isinstance(text.body, Path):
        text.body.unlink()
    return replace(only, left_out=text.chars - only.chars, title=book.title, licence=_GUTENBERG_LICENCE)


def decode_text(data: bytes, name: str) -> str:
    """Decode a text, whatever it is for. Raises UserError if it is empty, damaged or no text."""
    body = _decode(io.BytesIO(data), name, None).body
    assert isinstance(body, str)
    return body


def _decode(file: BinaryIO, name: str, workdir: Path | None) -> Text:
    head = file.read(SAMPLE)
    if not head:
        raise UserError(f"`{name}` is empty.", "Send a file with some text in it.")
    refuse_documents(head, name)
    if is_binary(head):
        raise UserError(
            f"`{name}` looks like a binary file, not a text.", "Give a text. If it is one, save it as UTF-8."
        )
    file.seek(0)
    parts = decoded(file, encoding_of(head), errors=BAD_BYTES)
    text = collected(cleaned(parts), workdir and workdir / "corpus.txt")
    if not any(map(str.strip, chunks(text.body))):
        raise UserError(f"`{name}` contains only white space.", "Send a file with some text in it.")
    return text


def collected(parts: Iterable[str], path: Path | None) -> Text:
    """Collect a text from its parts. `path`: where a large one is written; None: it stays in memory."""
    kept = list[str]()
    digest = hashlib.sha256()
    chars = 0
    with contextlib.ExitStack() as stack:
        file: BinaryIO | None = None
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(data)
            chars += len(part)
            if file is not None:
                file.write(data)
                continue
            kept.append(part)
            if path is not None and chars > STREAM_ABOVE:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(path.open("wb"))
                file.write("".join(kept).encode("utf-8", "surrogatepass"))
                kept.clear()
    body = path if file is not None and path is not None else "".join(kept)
    return Text(body, chars, digest.hexdigest())
