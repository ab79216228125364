"""The files that a text comes in: on the disk, attached to a message, or in an archive. What is unpacked is bounded."""

import functools
import gzip
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
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

Opener = Callable[[], BinaryIO]


class Files:
    """Files by path; those in archives instead of the archives.

    Attributes:
        left_out: what readers left out and how often, in words for people.
    """

    def __init__(self, openers: Iterable[tuple[str, Opener]]) -> None:
        """Look into archives. Raises UserError: one is damaged, or there are too many files, or none; OSError."""
        self.left_out: Counter[str] = Counter()
        self._unpacked = 0
        self._openers: dict[str, Opener] = {}
        for path, opener in openers:
            self._add(path, opener)
        if not self._openers:
            raise UserError("There is no file to read.", "Give a file with some text in it.")
        if len(self._openers) > MOST_FILES:
            raise UserError(f"These are more than {MOST_FILES:,} files.", "Give a part of them.")

    @classmethod
    def of_paths(cls, paths: Iterable[Path]) -> "Files":
        """Return files on the disk, and all in folders but hidden ones. Raises as the constructor."""
        openers = list[tuple[str, Opener]]()
        for path in paths:
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in inside:
                name = file.relative_to(path) if path.is_dir() else Path(file.name)
                if file.is_file() and not any(part.startswith(".") for part in name.parts):
                    openers.append((name.as_posix(), cast(Opener, functools.partial(file.open, "rb"))))
        return cls(openers)

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
        return self._openers[path]()

    def head(self, path: str) -> bytes:
        """Return the first `HEAD` bytes of a file. Raises as `open`."""
        before = self._unpacked
        with self.open(path) as file:
            data = file.read(HEAD)
        self._unpacked = before  # so that many small files don't count twice
        return data

    def data(self, path: str) -> bytes:
        """Return all bytes of a file that must be read at once. Raises as `open`; UserError: it is too large."""
        with self.open(path) as file:
            data = file.read(UNPACKED_LIMIT + 1)
        if len(data) > UNPACKED_LIMIT:
            raise UserError(f"`{path}` is larger than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB.", "Give a part of it.")
        return data

    def count_unpacked(self, size: int) -> None:
        """Count bytes that were unpacked. Raises UserError: they are too many in all."""
        self._unpacked += size
        if self._unpacked > UNPACKED_LIMIT:
            raise UserError(
                f"More than {UNPACKED_LIMIT / MEGABYTE:,.0f} MB would come out of that archive.",
                "Unpack it, and give the folder to `galvanic train` on the command line.",
            )

    def _add(self, path: str, opener: Opener) -> None:
        with opener() as file:
            head = file.read(8)
        kind = next((kind for mark, kind in ARCHIVES.items() if head.startswith(mark)), None)
        if kind == "zip":
            self._add_members(path, opener)
        elif kind is not None:
            unpack = gzip.open if kind == "gz" else lzma.open
            name = path.removesuffix(f".{kind}")
            self._openers[name] = self._unpacked_by(path, lambda: cast(BinaryIO, unpack(opener(), "rb")))
        else:
            self._openers[path] = opener

    def _add_members(self, path: str, opener: Opener) -> None:
        """Add the files in a ZIP archive, or the file itself if it is a document."""
        try:
            archive = zipfile.ZipFile(opener())
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise _damaged(path) from error
        names = set(archive.namelist())
        if names & _DOCUMENTS:
            self._openers[path] = opener
            return
        if (kind := next((kind for name, kind in _REFUSED.items() if name in names), None)) is not None:
            refuse(path, kind, SAVE_AS_TEXT)
        for member in archive.infolist():
            if not member.is_dir() and not member.filename.startswith("__MACOSX/"):
                opened = functools.partial(archive.open, member)
                self._openers[member.filename] = self._unpacked_by(path, cast(Opener, opened))

    def _unpacked_by(self, path: str, opener: Opener) -> Opener:
        return lambda: cast(BinaryIO, io.BufferedReader(_Unpacked(path, opener, self), 2**18))


class _Unpacked(io.RawIOBase):
    """A file that is being unpacked. `path`: its archive's, for messages. Reading raises UserError."""

    def __init__(self, path: str, opener: Opener, files: Files) -> None:
        self._path = path
        self._opener = opener
        self._files = files
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            self._file = self._file or self._opener()
            data = self._file.read(len(buffer))
        except RuntimeError as error:  # zipfile's, of a file that is encrypted
            raise UserError(f"`{self._path}` is locked with a password.", "Unpack it, and give the files.") from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
            raise _damaged(self._path) from error
        self._files.count_unpacked(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def _in_memory(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def _damaged(path: str) -> UserError:
    return UserError(f"The archive `{path}` is damaged or cut off.", "Make it again, or give the files inside.")
