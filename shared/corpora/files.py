"""The text of a file on this machine, however large."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from shared.corpora.corpus import GUTENBERG_LICENCE, slugify
from shared.corpora.decoding import TextCheck, decode_text, encodings, refuse_binary, wrong_encoding
from shared.corpora.formats import refuse_formats
from shared.corpora.gutenberg import Books, find_books
from shared.corpora.streaming import chunks, cleaned, decoded
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.units import MEGABYTE

LIMIT = 2_000 * MEGABYTE
"""Largest file, in bytes."""
STREAM_ABOVE = 4 * MEGABYTE
"""Files larger than this are not read into memory."""
_HEAD = MEGABYTE


def from_file(path: Path, workdir: Path | None = None, *, keep_licence: bool = False) -> tuple[str | Path, CorpusInfo]:
    r"""The text of a file by the rules for all files, and what is known of it.

    Args:
        path: in any of the encodings of `shared.corpora.decoding`.
        workdir: a folder, made if need be, where a large file is rewritten that is not UTF-8, or of which something is
            left out. None: any file is read into memory.
        keep_licence: keep Project Gutenberg's headers and licences.

    Returns:
        The text with `\n` line ends; of a large file the path of a text in UTF-8, its own or that of the rewritten
        one. The description is the same either way.

    Raises:
        UserError: it cannot be read, or is too large, empty, damaged or not a text.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise UserError(
                f"{path.name} is too large: {size / MEGABYTE:,.0f} MB, and the limit is {LIMIT / MEGABYTE:,.0f} MB.",
                "Give a part of it.",
            )
        if workdir is not None and size > STREAM_ABOVE:
            return _streamed(path, size, workdir / "corpus.txt", keep_licence)
        text = decode_text(path.read_bytes(), path.name)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the path of a text file.") from error
    refuse_formats(text, path.name)
    books = find_books(chunks(text))
    body = text if books is None or keep_licence else "".join(books.only(chunks(text)))
    return body, _describe(path, books, len(body), sha256(body), len(text) - len(body))


def _describe(path: Path, books: Books | None, chars: int, digest: str, left_out: int = 0) -> CorpusInfo:
    return CorpusInfo(
        name=slugify(path.stem) or "text",
        title=path.name if books is None else books.titled(path.name),
        source="file",
        chars=chars,
        sha256=digest,
        licence=GUTENBERG_LICENCE if books is not None and books.count else "",
        left_out=left_out,
    )


def sha256(text: str) -> str:
    """Hash of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _streamed(path: Path, size: int, rewritten: Path, keep_licence: bool) -> tuple[Path, CorpusInfo]:
    rewritten.parent.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    refuse_binary(head, path.name)
    tried, said = encodings(head, size)
    for encoding in tried:
        whole = True
        try:
            check, digest, books = _read(path, encoding, None if encoding == "utf-8" else rewritten)
        except UnicodeDecodeError as error:
            if said:
                raise wrong_encoding(path.name, encoding) from error
            if encoding != "utf-8" or error.reason != "unexpected end of data":
                continue
            whole = False
            check, digest, books = _read(path, encoding, rewritten, whole=False)
            # One odd byte at the end of plain ASCII is more likely an accent of cp1252.
            if check.characters == rewritten.stat().st_size:
                continue
        check.verdict(path.name)
        refuse_formats(check.head, path.name)
        if books is None or keep_licence:
            source = path if encoding == "utf-8" and whole else rewritten
            return source, _describe(path, books, check.characters, digest)
        only, sha = TextCheck(), hashlib.sha256()
        with rewritten.open("wb") as out:
            for _ in _noted(books.only(cleaned(decoded(path, encoding, whole=whole))), only, sha.update, out.write):
                pass
        left_out = check.characters - only.characters
        return rewritten, _describe(path, books, only.characters, sha.hexdigest(), left_out)
    raise AssertionError("latin-1 reads everything")


def _read(
    path: Path, encoding: str, rewritten: Path | None = None, *, whole: bool = True
) -> tuple[TextCheck, str, Books | None]:
    """Read a file once, and rewrite it where asked. Returns what was counted, the text's hash, and its books."""
    check, sha = TextCheck(), hashlib.sha256()

    def raw() -> Iterator[str]:
        for text in decoded(path, encoding, whole=whole):
            check.add_raw(text)
            yield text

    with contextlib.nullcontext() if rewritten is None else rewritten.open("wb") as out:
        sinks = (sha.update,) if out is None else (sha.update, out.write)
        books = find_books(_noted(cleaned(raw()), check, *sinks))
    return check, sha.hexdigest(), books


def _noted(parts: Iterable[str], check: TextCheck, *sinks: Callable[[bytes], object]) -> Iterator[str]:
    """The parts, each once it was counted and, as UTF-8, given to all sinks."""
    for text in parts:
        check.add_clean(text)
        data = text.encode("utf-8")
        for sink in sinks:
            sink(data)
        yield text
