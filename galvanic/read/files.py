"""The files that a text comes in: on the disk, attached to a message, or in an archive. What is unpacked is bounded."""

import errno
import functools
import gzip
import io
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from galvanic.errors import UserError
from galvanic.read.refusals import harmless
from galvanic.units import MEGABYTE

UNPACKED_LIMIT = 200 * MEGABYTE  # of all archives that are given together
HEAD = 60_000  # bytes at the beginning of a file that decide what it is
MOST_FILES = 100_000
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz"}  # by a file's first bytes
_OF_DOCUMENTS = {"mimetype", "META-INF/container.xml", "[Content_Types].xml"}  # OpenDocument, EPUB, Microsoft Office
_ENCRYPTED = 1  # a flag of a file in a ZIP archive
_AT_ONCE = 2**16  # bytes that are read at once; not less than `HEAD`
_IN_MEMORY = 2**20  # bytes of an unpacked file; a larger one is on the disk
_HIDDEN = re.compile(r"(?:^|/)(?:\.[^./]|__MACOSX/)")  # files of the system

FileSource = bytes | Path | Callable[[], BinaryIO]  # a file in memory, on the disk, or one that is opened by a call


class Files:
    """Files by path; those in archives instead of the archives."""

    def __init__(self, named: Iterable[tuple[str, FileSource]], *, open_documents: bool = False) -> None:
        """Look into archives. Raises UserError: one is damaged, or there are too many files, or none; OSError.

        `named`: files with their names. An archive's is a part of its files' paths, unless it is the only file.
        `open_documents`: open books and office documents, too.
        """
        self._sources = dict[str, FileSource]()
        self._archives = dict[str, str]()  # their names, for messages, by the paths of the files in them
        self._opened = set[str]()
        self._unpacked = 0  # bytes of the files that were opened
        sources = list(named)
        for name, source in sources:
            archive = harmless(name)
            members = _members(archive, source, open_documents)
            if members is None:
                self._keep(archive, source)
                continue
            for member, packed in members:
                path = self._keep(member if len(sources) == 1 else f"{archive}/{member}", packed)
                self._archives[path] = archive
        if not self._sources:
            raise UserError("There is no file to read.", "Give a file with some text in it.")
        if len(self._sources) > MOST_FILES:
            raise UserError(f"There are more than {MOST_FILES:,} files.", "Give a part of them.")

    def _keep(self, path: str, source: FileSource) -> str:
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

        Raises KeyError: there is none; UserError: it is damaged or locked, or too much was unpacked; OSError.
        """
        path = harmless(path)
        self._opened.add(path)
        if path not in self._archives:
            return _opened(self._sources[path])
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
        for part in _parts(self._sources[path], self._archives[path]):
            file.write(part)
            self._unpacked += len(part)
            if self._unpacked > UNPACKED_LIMIT:
                raise UserError(
                    f"More than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB would come out of that archive.",
                    "Unpack it. `galvanic train` on the machine takes the folder; elsewhere give a part of the files.",
                )
        file.seek(0)
        return file

    def head(self, path: str) -> bytes:
        """Return the first `HEAD` bytes of a file. Raises as `open`."""
        return next(_parts(self._sources[path], self._archives.get(path, path)), b"")[:HEAD]

    def data(self, path: str) -> bytes:
        """Return all bytes of a file that must be read at once. Raises as `open`; UserError: it is too large."""
        with self.open(path) as file:
            if file.seek(0, io.SEEK_END) > UNPACKED_LIMIT:
                limit = f"{UNPACKED_LIMIT / MEGABYTE:,.0f} MB"
                raise UserError(f"`{path}` is larger than {limit}.", "Give a part of it.")
            file.seek(0)
            return file.read()


def files_at(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield files, and those in folders that are not hidden, with names. Raises OSError."""
    for path in paths:
        if not path.is_dir():
            if path.exists() and not path.is_file():  # a pipe or a device, which can't be read twice
                raise OSError(errno.EINVAL, "it is no file", str(path))
            yield path.name, path
            continue
        for file in sorted(path.rglob("*")):
            name = file.relative_to(path).as_posix()
            if file.is_file() and not _HIDDEN.search(name):
                yield name, file


def _members(path: str, source: FileSource, open_documents: bool) -> list[tuple[str, FileSource]] | None:
    """Return the files in an archive by their paths; None: it is no archive. Raises UserError: it is damaged."""
    with _opened(source) as file:
        head = file.read(8)
    kind = next((kind for mark, kind in _ARCHIVES.items() if head.startswith(mark)), None)
    if kind == "zip":
        try:
            archive = zipfile.ZipFile(_opened(source))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise _damaged(path) from error
        if not open_documents and not _OF_DOCUMENTS.isdisjoint(archive.namelist()):
            return None
        return [
            (member.filename, functools.partial(_open_member, archive, member, path))
            for member in archive.infolist()
            if not (member.is_dir() or _HIDDEN.search(member.filename))
        ]
    if kind is None:
        return None
    unpack = cast(Callable[[BinaryIO], BinaryIO], gzip.open if kind == "gz" else lzma.open)
    return [(path.removesuffix(f".{kind}"), lambda: unpack(_opened(source)))]


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> BinaryIO:
    if member.flag_bits & _ENCRYPTED:
        raise UserError(f"`{path}` is locked with a password.", "Unpack it, and give the files.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # By other methods zipfile unpacks as much as there is, not as much as is asked for.
        raise UserError(f"`{path}` is packed in an unusual way.", "Pack it as usual, or give the files.")
    return cast(BinaryIO, archive.open(member))


def _parts(source: FileSource, archive: str) -> Iterator[bytes]:
    """Yield the bytes of a file. `archive`: the name of the one that it is in. Raises UserError: it is damaged."""
    try:
        with _opened(source) as file:
            while part := file.read(_AT_ONCE):
                yield part
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(archive) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # the library's, or of a place that is not in the file
            raise _damaged(archive) from error
        raise


def _opened(source: FileSource) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    return source.open("rb") if isinstance(source, Path) else source()


def _damaged(path: str) -> UserError:
    return UserError(f"The archive `{path}` is damaged or cut off.", "Make it again, or give the files inside.")
