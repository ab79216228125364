"""The files that a text comes in: on the disk, attached to a message, or in an archive. What is unpacked is bounded."""

import errno
import functools
import gzip
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from galvanic.errors import UserError
from galvanic.read.refusals import SAVE_AS_TEXT, refuse
from galvanic.units import MEGABYTE

UNPACKED_LIMIT = 200 * MEGABYTE  # of all archives that are given together
HEAD = 60_000  # bytes at the beginning of a file that decide what it is
MOST_FILES = 100_000
ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gz", b"\xfd7zXZ\0": "xz"}  # by a file's first bytes
_DOCUMENTS = {"META-INF/container.xml", "word/document.xml"}  # an EPUB or DOCX file is a ZIP file with one of these
_REFUSED = {
    "content.xml": "an OpenDocument file",
    "xl/workbook.xml": "an Excel workbook (.xlsx)",
    "ppt/presentation.xml": "a PowerPoint presentation (.pptx)",
}
_AT_ONCE = 2**20  # bytes that are read at once, since as much memory is taken before it is known how many there are

Opener = Callable[[], BinaryIO]


class Files:
    """Files by path; those in archives instead of the archives."""

    def __init__(self, openers: Iterable[tuple[str, Opener]]) -> None:
        """Look into archives. Raises UserError: one is damaged, or there are too many files, or none; OSError.

        An archive's name is a part of its files' paths, unless it is the only file.
        """
        self._unpacked: Counter[str] = Counter()  # bytes by path, up to where a file was read
        self._total = 0
        self._openers: dict[str, Opener] = {}
        self._opened: set[str] = set()
        named = list(openers)
        for path, opener in named:
            name = harmless(path)
            self._add(name, opener, "" if len(named) == 1 else f"{name}/")
        if not self._openers:
            raise UserError("There is no file to read.", "Give a file with some text in it.")
        if len(self._openers) > MOST_FILES:
            raise UserError(f"These are more than {MOST_FILES:,} files.", "Give a part of them.")

    @classmethod
    def of_paths(cls, paths: Iterable[Path]) -> "Files":
        """Return files on the disk, and all in folders but hidden ones. Raises as the constructor."""
        return cls(
            (name, cast(Opener, functools.partial(file.open, "rb"))) for path in paths for name, file in files_at(path)
        )

    @classmethod
    def of_memory(cls, named: Iterable[tuple[str, bytes]]) -> "Files":
        """Return files in memory, by their names. Raises as the constructor."""
        return cls((name, functools.partial(_in_memory, data)) for name, data in named)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._openers)

    def open(self, path: str) -> BinaryIO:
        """Open a file to be read once, from its beginning. Raises OSError.

        Its `read` raises UserError: it is damaged or locked, or too much was unpacked.
        """
        self._opened.add(path)
        return self._openers[path]()

    @property
    def unopened(self) -> int:
        """The number of files that were never opened."""
        return len(self._openers) - len(self._opened)

    def head(self, path: str) -> bytes:
        """Return the first `HEAD` bytes of a file. Raises as `open`."""
        with self.open(path) as file:
            return file.read(HEAD)

    def data(self, path: str) -> bytes:
        """Return all bytes of a file that must be read at once. Raises as `open`; UserError: it is too large."""
        with self.open(path) as file:
            return _whole(file, path)

    def count_unpacked(self, path: str, size: int) -> None:
        """Note that so many bytes of a file were unpacked. Raises UserError: they are too many with other files'."""
        self._total += max(0, size - self._unpacked[path])
        self._unpacked[path] = max(size, self._unpacked[path])
        if self._total > UNPACKED_LIMIT:
            raise UserError(
                f"More than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB would come out of that archive.",
                "Unpack it, and give the folder to `galvanic train` on the command line.",
            )

    def _add(self, path: str, opener: Opener, inside: str) -> None:
        """Add a file, or those in it. `inside`: the beginning of their paths."""
        with opener() as file:
            head = file.read(8)
        kind = next((kind for mark, kind in ARCHIVES.items() if head.startswith(mark)), None)
        if kind == "zip":
            self._add_members(path, opener, inside)
        elif kind is not None:
            unpack = gzip.open if kind == "gz" else lzma.open
            self._keep(path.removesuffix(f".{kind}"), lambda: cast(BinaryIO, unpack(opener(), "rb")), path)
        else:
            self._keep(path, opener)

    def _add_members(self, path: str, opener: Opener, inside: str) -> None:
        """Add the files in a ZIP archive, or the file itself if it is a document."""
        archive = _opened(opener(), path)
        names = set(archive.namelist())
        if names & _DOCUMENTS:
            self._keep(path, opener)
            return
        if (kind := next((kind for name, kind in _REFUSED.items() if name in names), None)) is not None:
            refuse(path, kind, SAVE_AS_TEXT)
        for member in archive.infolist():
            hidden = member.filename.startswith("__MACOSX/") or PurePosixPath(member.filename).name.startswith(".")
            if not member.is_dir() and not hidden:
                self._keep(inside + member.filename, functools.partial(_open_member, archive, member), path)

    def _keep(self, path: str, opener: Opener, archive: str | None = None) -> None:
        """Keep a file by its path, or by another one if that is taken. `archive`: it is unpacked from this one."""
        path = harmless(path)
        while path in self._openers:
            path = f"{len(self._openers)}/{path}"
        if archive is None:
            self._openers[path] = opener
        else:
            count = functools.partial(self.count_unpacked, path)
            self._openers[path] = lambda: cast(BinaryIO, io.BufferedReader(_Unpacked(archive, opener, count)))


class _Unpacked(io.RawIOBase):
    """A file that is being unpacked. Reading raises UserError.

    `path`: its archive's, for messages. `count`: is told how many bytes were unpacked so far.
    """

    def __init__(self, path: str, opener: Opener, count: Callable[[int], None]) -> None:
        self._path = path
        self._opener = opener
        self._count = count
        self._size = 0
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            self._file = self._file or self._opener()
            data = self._file.read(len(buffer))
        except NotImplementedError as error:
            raise UserError(
                f"`{self._path}` is packed in an unusual way.", "Pack it as usual, or give the files."
            ) from error
        except RuntimeError as error:  # zipfile's, of a file that is encrypted
            raise UserError(f"`{self._path}` is locked with a password.", "Unpack it, and give the files.") from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
            raise _damaged(self._path) from error
        except OSError as error:
            if error.errno in (None, errno.EINVAL):  # the library's, or of a place that is not in the file
                raise _damaged(self._path) from error
            raise
        self._size += len(data)
        self._count(self._size)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def files_at(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or those in a folder that are not hidden, with names. Raises OSError."""
    if not path.is_dir():
        yield path.name, path
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), file


def harmless(path: str) -> str:
    """Return a path that can be written, and can stand between backticks in a message."""
    return " ".join(path.replace("`", "'").encode("utf-8", "replace").decode().split())


def opened_zip(data: bytes, path: str) -> zipfile.ZipFile:
    """Open an archive in memory. `path`: its own, for messages. Raises UserError: it is damaged."""
    return _opened(io.BytesIO(data), path)


def read_member(archive: zipfile.ZipFile, member: str, path: str) -> bytes:
    """Return the bytes of a file in an archive. `path`: the archive's, for messages.

    Raises KeyError: there is none; UserError: it is damaged, locked or too large.
    """
    opener = functools.partial(_open_member, archive, archive.getinfo(member))
    with io.BufferedReader(_Unpacked(path, opener, lambda _: None)) as file:
        return _whole(file, path)


def _opened(file: BinaryIO, path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise _damaged(path) from error


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError  # of other methods zipfile unpacks as much as there is, not as much as is asked for
    return cast(BinaryIO, archive.open(member))


def _whole(file: BinaryIO, path: str) -> bytes:
    parts, size = list[bytes](), 0
    while part := file.read(_AT_ONCE):
        parts.append(part)
        size += len(part)
        if size > UNPACKED_LIMIT:
            raise UserError(f"`{path}` is larger than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB.", "Give a part of it.")
    return b"".join(parts)


def _in_memory(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def _damaged(path: str) -> UserError:
    return UserError(f"The archive `{path}` is damaged or cut off.", "Make it again, or give the files inside.")
