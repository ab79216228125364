"""Read the text of a file, in memory or on the disk: in parts, so that it may be larger than the memory.

The rules, in order:

1. A file that begins like an office document or an archive is refused.
2. A byte order mark means UTF-8 or UTF-16, and is not part of the text.
3. Valid UTF-8 is UTF-8. A file that is cut off within its last character loses that one.
4. If at least a quarter of the bytes is beyond ASCII, the script is not Latin, and charset-normalizer decides among the
   usual encodings of Cyrillic, Greek, Hebrew, Arabic, Japanese, Chinese and Korean.
5. Anything else is cp1252, or Latin-1 if it has one of the five bytes that cp1252 lacks. (For Latin scripts
   charset-normalizer guesses worse: docs/decisions/021-encodings.md.)
6. Line ends become `\\n`, and NULs are dropped. If more than one character in a thousand is a NUL, or more than one in
   twenty another control character, the file is binary and is refused.
"""

import codecs
import contextlib
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import charset_normalizer

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TextSource
from galvanic.read.gutenberg import Book, find_book
from galvanic.read.language import language_of
from galvanic.read.refusals import refuse, refuse_documents, refuse_formats
from galvanic.source import chunks, cleaned, decoded

STREAM_ABOVE = 4_000_000  # characters of a text; one that is larger is kept in a file, if there may be one
MAX_NAME = 32
_MAX_TITLE = 100
_GUTENBERG_LICENCE = "From Project Gutenberg, gutenberg.org."

NUL_SHARE = 1 / 1000  # of the characters of a text, at most
_CONTROL_SHARE = 1 / 20
# Control characters (C0, DEL and C1) without tab, line feed, form feed and carriage return, which texts have.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ASCII = bytes(range(0x80))
_NOT_LATIN_SHARE = 1 / 4
_NOT_LATIN = (
    *("cp1251", "koi8_r", "cp866"),  # Cyrillic
    *("cp1253", "cp1255", "cp1256"),  # Greek, Hebrew, Arabic
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),  # Japanese, Chinese, Korean
)
_SAMPLE = 200_000  # bytes at a file's beginning that decide what it is; with more, the guess is no better


@dataclass(frozen=True)
class Text:
    """A text that was read.

    `body`: the text with Unix line ends, or the path of it in UTF-8. `sha256`: its hash in UTF-8, hexadecimal. `book`:
    Project Gutenberg's book in it. `left_out`: characters of its header and licence. `title`: the file's, maybe empty.
    """

    body: str | Path
    chars: int
    sha256: str
    book: Book | None = None
    left_out: int = 0
    title: str = ""

    def info(
        self, name: str, title: str, source: TextSource, licence: str = "", hard_wrapped: bool | None = None
    ) -> CorpusInfo:
        """Return the facts about the text. `title`, `licence`: if neither the file nor Project Gutenberg names one.

        Raises UserError: its file can't be read.
        """
        title = self.title or title
        if self.book is not None:
            title, licence = self.book.title or title, _GUTENBERG_LICENCE
        return CorpusInfo(
            name=slugify(name) or "text",
            title=title if len(title) <= _MAX_TITLE else title[: _MAX_TITLE - 1] + "…",
            source=source,
            chars=self.chars,
            sha256=self.sha256,
            licence=licence,
            hard_wrapped=hard_wrapped,
            left_out=self.left_out,
            language=language_of(self.body),
        )


def slugify(name: str) -> str:
    """Return a short name of `a-z0-9-`, at most 32 characters; empty if `name` has no letter or digit to keep."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
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
    return replace(only, book=book, left_out=text.chars - only.chars)


def collected(parts: Iterable[str], path: Path | None) -> Text:
    """Collect a text from its parts. `path`: where a large one is written; None: it stays in memory."""
    out = _Output(path)
    body = out.take(parts)
    return Text(body, out.chars, out.hash.hexdigest())


def decode_text(data: bytes, name: str) -> str:
    """Decode a text, whatever it is for. Raises UserError if it is empty, damaged or no text."""
    body = _decode(io.BytesIO(data), name, None).body
    assert isinstance(body, str)
    return body


def _decode(file: BinaryIO, name: str, workdir: Path | None) -> Text:
    head = file.read(_SAMPLE)
    if not head:
        raise UserError(f"`{name}` is empty.", "Send a file with some text in it.")
    refuse_documents(head, name)
    says_so, encodings = _encodings(head)
    for encoding in encodings:
        out = _Output(workdir and workdir / "corpus.txt")
        file.seek(0)
        try:
            body = out.take(cleaned(out.count_raw(decoded(file, encoding))))
        except UnicodeDecodeError as error:
            if says_so:
                raise UserError(
                    f"`{name}` says that it is {encoding.upper()}, but a part is not.",
                    "It may be damaged or cut off: save it again, as UTF-8, and send that.",
                ) from error
            continue
        if out.nuls > out.raw * NUL_SHARE or out.controls > out.chars * _CONTROL_SHARE:
            refuse(name, "a binary file, not a text")
        if out.blank:
            raise UserError(f"`{name}` contains only white space.", "Send a file with some text in it.")
        return Text(body, out.chars, out.hash.hexdigest())
    raise AssertionError("latin-1 reads everything")


class _Output:
    """Collects a text in memory, or in a file at `path` if it is large, and counts what a binary file would show."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.hash = hashlib.sha256()
        self.chars = self.controls = self.raw = self.nuls = 0
        self.blank = True

    def count_raw(self, parts: Iterable[str]) -> Iterator[str]:
        """Count characters and NULs before `cleaned` drops any."""
        for part in parts:
            self.raw += len(part)
            self.nuls += part.count("\0")
            yield part

    def take(self, parts: Iterable[str]) -> str | Path:
        """Collect all parts, of `CHUNK` characters or so, and return the text or its path."""
        kept: list[str] = []
        with contextlib.ExitStack() as stack:
            file: BinaryIO | None = None
            for part in parts:
                data = part.encode("utf-8", "surrogatepass")
                self.hash.update(data)
                self.chars += len(part)
                self.controls += len(_CONTROL.findall(part))
                self.blank = self.blank and not part.strip()
                if file is None and self._path is not None and self.chars > STREAM_ABOVE:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                    file = stack.enter_context(self._path.open("wb"))
                    file.write("".join(kept).encode("utf-8", "surrogatepass"))
                    kept.clear()
                if file is None:
                    kept.append(part)
                else:
                    file.write(data)
            return self._path if file is not None and self._path is not None else "".join(kept)


def _encodings(head: bytes) -> tuple[bool, tuple[str, ...]]:
    """Return whether the file itself says its encoding, and the encodings to try, in order."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return True, (encoding,)
    return False, ("utf-8", *filter(None, [_not_latin(head)]), "cp1252", "latin-1")


def _not_latin(sample: bytes) -> str | None:
    if len(sample) == _SAMPLE and b"\n" in sample:  # a newline is never half a character in these encodings
        sample = sample[: sample.rindex(b"\n")]
    if len(sample.translate(None, _ASCII)) < len(sample) * _NOT_LATIN_SHARE:
        return None
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(_NOT_LATIN)).best()
    return best.encoding if best is not None else None
