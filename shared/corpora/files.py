"""The text of a file on this machine, however large."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from shared.corpora.corpus import slugify
from shared.corpora.decoding import TextCheck, decode_text, encodings, refuse_binary, wrong_encoding
from shared.corpora.streaming import cleaned, decoded
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.units import MEGABYTE

LIMIT = 2_000 * MEGABYTE
"""Largest file, in bytes."""
STREAM_ABOVE = 4 * MEGABYTE
"""Files larger than this are not read into memory."""
_HEAD = MEGABYTE


def from_file(path: Path, workdir: Path | None = None) -> tuple[str | Path, CorpusInfo]:
    r"""The text of a file as it is, and what is known of it.

    Args:
        path: in any of the encodings of `shared.corpora.decoding`.
        workdir: a folder, made if need be, where a large file is rewritten that is not UTF-8. None: any file is read
            into memory.

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
            return _streamed(path, size, workdir)
        text = decode_text(path.read_bytes(), path.name)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the path of a text file.") from error
    return text, _describe(path, len(text), sha256(text))


def _describe(path: Path, chars: int, digest: str) -> CorpusInfo:
    """What is known of the text of a file."""
    return CorpusInfo(name=slugify(path.stem) or "text", title=path.name, source="file", chars=chars, sha256=digest)


def sha256(text: str) -> str:
    """Hash of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _streamed(path: Path, size: int, workdir: Path) -> tuple[Path, CorpusInfo]:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    refuse_binary(head, path.name)
    tried, said = encodings(head, size)
    rewritten = workdir / "corpus.txt"
    for encoding in tried:
        try:
            if encoding != "utf-8":
                return rewritten, _verdict(path, *_read(path, encoding, rewritten))
            return path, _verdict(path, *_read(path, encoding))
        except UnicodeDecodeError as error:
            if said:
                raise wrong_encoding(path.name, encoding) from error
            if encoding == "utf-8" and error.reason == "unexpected end of data":
                check, digest = _read(path, encoding, rewritten, whole=False)
                # One odd byte at the end of plain ASCII is more likely an accent of cp1252.
                if check.characters < rewritten.stat().st_size:
                    return rewritten, _verdict(path, check, digest)
    raise AssertionError("latin-1 reads everything")


def _verdict(path: Path, check: TextCheck, digest: str) -> CorpusInfo:
    check.verdict(path.name)
    return _describe(path, check.characters, digest)


def _read(path: Path, encoding: str, rewritten: Path | None = None, *, whole: bool = True) -> tuple[TextCheck, str]:
    """Read a file once, and rewrite it where asked. Returns what was counted, and the text's hash."""
    check, digest = TextCheck(), hashlib.sha256()

    def raw() -> Iterator[str]:
        for text in decoded(path, encoding, whole=whole):
            check.add_raw(text)
            yield text

    with contextlib.ExitStack() as stack:
        out = None
        if rewritten is not None:
            rewritten.parent.mkdir(parents=True, exist_ok=True)
            out = stack.enter_context(rewritten.open("wb"))
        for text in cleaned(raw()):
            check.add_clean(text)
            data = text.encode("utf-8")
            digest.update(data)
            if out is not None:
                out.write(data)
    return check, digest.hexdigest()
