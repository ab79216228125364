"""The files that a text comes in: on the disk, attached to a message, or in an archive. What is unpacked is bounded."""

import errno
import functools
import gzip
import lzma
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from galvanic.errors import UserError
from galvanic.read.refusals import harmless
from galvanic.source import RawSource, opened
from galvanic.units import MEGABYTE

UNPACKED_LIMIT = 200 * MEGABYTE  # of all archives that are given together
HEAD = 60_000  # bytes at the beginning of a file that decide what it is
MOST_FILES = 100_000
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz"}  # by a file's first bytes
# A ZIP file with one of these is a document: OpenDocument, EPUB, Word, Excel, PowerPoint.
_OF_DOCUMENTS = {"mimetype", "META-INF/container.xml", "word/document.xml", "xl/workbook.xml", "ppt/presentation.xml"}
_ENCRYPTED = 1  # a flag of a file in a ZIP archive
_AT_ONCE = 2**16  # bytes that are read at once; not less than `HEAD`
_IN_MEMORY = 2**20  # bytes of an unpacked file; a larger one is on the disk
_HIDDEN = re.compile(r"^__MACOSX/|(?:^|/)\.[^/]*$")


class Files:
    """Files by path; those in archives instead of the archives."""

    def __init__(self, named: Iterable[tuple[str, RawSource]]) -> None:
        """Look into archives. Raises UserError: one is damaged, or there are too many files, or none; OSError.

        `named`: files with their names. An archive's is a part of its files' paths, unless it is the only file.
        """
        self._sources = dict[str, RawSource]()
        self._archives = dict[str, str]()  # their names, for messages, by the paths of the files in them
        self._opened = set[str]()
        self._unpacked = Counter[str]()  # bytes by path, up to where a file was read
        self._total = 0
        sources = list(named)
        for name, source in sources:
            archive = harmless(name)
            members = _members(archive, source)
            if members is None:
                self._keep(archive, source)
                continue
            for member, packed in members:
                path = self._keep(member if len(sources) == 1 else f"{archive}/{member}", packed)
                self._archives[path] = archive
        if not self._sources:
            raise UserError("There is no file to read.", "Give a file with some text in it.")
        if len(self._sources) > MOST_FILES:
            raise UserError(f"These are more than {MOST_FILES:,} files.", "Give a part of them.")

    def _keep(self, path: str, source: RawSource) -> str:
        """Keep a file by its path, or by another one if that is taken; return it."""
        path = harmless(path)
        while path in self._sources:
            path = f"{len(self._sources)}/{path}"
        self._sources[path] = source
        return path

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._sources)

    @property
    def unopened(self) -> int:
        """The number of files that were never opened."""
        return len(self._sources) - len(self._opened)

    def open(self, path: str) -> BinaryIO:
        """Open a file to be read once. One in an archive is unpacked first.

        Raises UserError: it is damaged or locked, or too much was unpacked; OSError.
        """
        self._opened.add(path)
        if path not in self._archives:
            return opened(self._sources[path])
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        file.writelines(self._parts(path))
        file.seek(0)
        return cast(BinaryIO, file)

    def head(self, path: str) -> bytes:
        """Return the first `HEAD` bytes of a file. Raises as `open`."""
        return next(self._parts(path), b"")[:HEAD]

    def data(self, path: str) -> bytes:
        """Return all bytes of a file that must be read at once. Raises as `open`; UserError: it is too large."""
        self._opened.add(path)
        return _joined(self._parts(path), path)

    def _parts(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Those of an archive's count, once, however often they are unpacked."""
        size = 0
        for part in _parts(self._sources[path], self._archives.get(path, path)):
            size += len(part)
            if path in self._archives and size > self._unpacked[path]:
                self._total += size - self._unpacked[path]
                self._unpacked[path] = size
            if self._total > UNPACKED_LIMIT:
                raise UserError(
                    f"More than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB would come out of that archive.",
                    "Unpack it, and give the folder to `galvanic train` on the command line.",
                )
            yield part


def files_at(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield files, and those in folders that are not hidden, with names. Raises OSError."""
    for path in paths:
        if not path.is_dir():
            yield path.name, path
            continue
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path)
            if file.is_file() and not any(part.startswith(".") for part in name.parts):
                yield name.as_posix(), file


def opened_zip(source: RawSource, path: str) -> zipfile.ZipFile:
    """Open an archive. `path`: its own, for messages. Raises UserError: it is damaged."""
    try:
        return zipfile.ZipFile(opened(source))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise _damaged(path) from error


def read_member(archive: zipfile.ZipFile, member: str, path: str) -> bytes:
    """Return the bytes of a file in an archive. `path`: the archive's, for messages.

    Raises KeyError: there is none; UserError: it is damaged, locked or too large.
    """
    return _joined(_parts(functools.partial(_open_member, archive, archive.getinfo(member), path), path), path)


def _members(path: str, source: RawSource) -> list[tuple[str, RawSource]] | None:
    """Return the files in an archive by their paths; None: it is no archive, or a document."""
    with opened(source) as file:
        head = file.read(8)
    kind = next((kind for mark, kind in _ARCHIVES.items() if head.startswith(mark)), None)
    if kind == "zip":
        archive = opened_zip(source, path)
        if not _OF_DOCUMENTS.isdisjoint(archive.namelist()):
            return None
        return [
            (member.filename, functools.partial(_open_member, archive, member, path))
            for member in archive.infolist()
            if not (member.is_dir() or _HIDDEN.search(member.filename))
        ]
    if kind is None:
        return None
    unpack = cast(Callable[[BinaryIO], BinaryIO], gzip.open if kind == "gz" else lzma.open)
    return [(path.removesuffix(f".{kind}"), lambda: unpack(opened(source)))]


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> BinaryIO:
    if member.flag_bits & _ENCRYPTED:
        raise UserError(f"`{path}` is locked with a password.", "Unpack it, and give the files.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # By other methods zipfile unpacks as much as there is, not as much as is asked for.
        raise UserError(f"`{path}` is packed in an unusual way.", "Pack it as usual, or give the files.")
    return cast(BinaryIO, archive.open(member))


def _parts(source: RawSource, archive: str) -> Iterator[bytes]:
    """Yield the bytes of a file. `archive`: the name of the one that it is in. Raises UserError: it is damaged."""
    try:
        with opened(source) as file:
            while part := file.read(_AT_ONCE):
                yield part
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(archive) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # the library's, or of a place that is not in the file
            raise _damaged(archive) from error
        raise


def _joined(parts: Iterable[bytes], path: str) -> bytes:
    kept, size = list[bytes](), 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size > UNPACKED_LIMIT:
            raise UserError(f"`{path}` is larger than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB.", "Give a part of it.")
    return b"".join(kept)


def _damaged(path: str) -> UserError:
    return UserError(f"The archive `{path}` is damaged or cut off.", "Make it again, or give the files inside.")
