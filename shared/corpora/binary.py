"""Recognising files that are no text, to say what they look like."""

from __future__ import annotations

from typing import NamedTuple

_SAVE_AS_TEXT = "Save or export it as plain text (.txt) and send that."


class FileKind(NamedTuple):
    """What a file looks like (with its article), and what its owner can do about it."""

    looks_like: str
    remedy: str = _SAVE_AS_TEXT


_UNPACK = "Unpack it and send the .txt file that is inside."
_ONLY_TEXT = "Only plain text (.txt) can be learned from."

# https://en.wikipedia.org/wiki/List_of_file_signatures; those made of letters that a text could begin with
# ("MZ", "BM") are left to the general rule about NUL bytes.
_SIGNATURES: tuple[tuple[bytes, FileKind], ...] = (
    (b"{\\rtf", FileKind("an RTF document")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an old Microsoft Office document")),
    (b"\x1f\x8b", FileKind("a gzip archive", _UNPACK)),
    (b"BZh", FileKind("a bzip2 archive", _UNPACK)),
    (b"\xfd7zXZ\x00", FileKind("an xz archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", FileKind("a RAR archive", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", FileKind("a Zstandard archive", _UNPACK)),
    (b"\x89PNG\r\n\x1a\n", FileKind("a picture (PNG)", _ONLY_TEXT)),
    (b"\xff\xd8\xff", FileKind("a picture (JPEG)", _ONLY_TEXT)),
    (b"GIF87a", FileKind("a picture (GIF)", _ONLY_TEXT)),
    (b"GIF89a", FileKind("a picture (GIF)", _ONLY_TEXT)),
    (b"II*\x00", FileKind("a picture (TIFF)", _ONLY_TEXT)),
    (b"MM\x00*", FileKind("a picture (TIFF)", _ONLY_TEXT)),
    (b"ID3\x02", FileKind("a sound file", _ONLY_TEXT)),
    (b"ID3\x03", FileKind("a sound file", _ONLY_TEXT)),
    (b"ID3\x04", FileKind("a sound file", _ONLY_TEXT)),
    (b"OggS\x00", FileKind("a sound file", _ONLY_TEXT)),
    (b"fLaC\x00", FileKind("a sound file", _ONLY_TEXT)),
    (b"\x7fELF", FileKind("a program", _ONLY_TEXT)),
    (b"\xcf\xfa\xed\xfe", FileKind("a program", _ONLY_TEXT)),
    (b"\xca\xfe\xba\xbe", FileKind("a program", _ONLY_TEXT)),
    (b"SQLite format 3\x00", FileKind("a database", _ONLY_TEXT)),
    (b"\x89HDF\r\n\x1a\n", FileKind("a data file (HDF5)", _ONLY_TEXT)),
)
_ZIP = b"PK\x03\x04"
_ZIP_KINDS: tuple[tuple[bytes, FileKind], ...] = (
    (b"mimetypeapplication/epub+zip", FileKind("an EPUB book")),
    (b"mimetypeapplication/vnd.oasis.opendocument.", FileKind("an OpenDocument file")),
    (b"word/document.xml", FileKind("a Word document (.docx)")),
    (b"xl/workbook.xml", FileKind("an Excel workbook (.xlsx)")),
    (b"ppt/presentation.xml", FileKind("a PowerPoint presentation (.pptx)")),
)
# A PDF may have other bytes before its header, but only in its first kilobyte.
_PDF_WITHIN = 1024

UNKNOWN = FileKind("a binary file, not a text", _ONLY_TEXT)


def recognise(data: bytes) -> FileKind | None:
    """What a file that is no text looks like; None when nothing says so.

    Nothing is unpacked: archives are told apart by the names in their directory, which are stored as they are.
    """
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return FileKind("a PDF")
    if data.startswith(_ZIP):
        return next((kind for mark, kind in _ZIP_KINDS if mark in data), FileKind("a ZIP archive", _UNPACK))
    if data[:4] == b"RIFF" and b"\x00" in data[:12]:
        return FileKind("a picture, sound or video", _ONLY_TEXT)
    if data[4:8] == b"ftyp" and b"\x00" in data[:4]:
        return FileKind("a video", _ONLY_TEXT)
    if data[:2] == b"MZ" and b"\x00" in data[:64]:
        return FileKind("a program", _ONLY_TEXT)
    return next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
