"""Recognising files that are no text, to say what they look like.

No library does it: those there are take letters for signatures ("BM", "MZ"), and a text may begin with them.
"""

from __future__ import annotations

from typing import NoReturn

from shared.errors import UserError

_SAVE_AS_TEXT = "Save or export it as plain text (.txt) and send that."
_UNPACK = "Unpack it and send the .txt file that is inside."
_ONLY_TEXT = "Only plain text (.txt) can be learned from."
_REMEDIES = {"archive": _UNPACK, "document": _SAVE_AS_TEXT}

# https://en.wikipedia.org/wiki/List_of_file_signatures
_SIGNATURES = {
    "an RTF document": (b"{\\rtf",),
    "an old Microsoft Office document": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    "a gzip archive": (b"\x1f\x8b",),
    "a bzip2 archive": (b"BZh",),
    "an xz archive": (b"\xfd7zXZ\x00",),
    "a 7-Zip archive": (b"7z\xbc\xaf\x27\x1c",),
    "a RAR archive": (b"Rar!\x1a\x07",),
    "a Zstandard archive": (b"\x28\xb5\x2f\xfd",),
    "a picture (PNG)": (b"\x89PNG\r\n\x1a\n",),
    "a picture (JPEG)": (b"\xff\xd8\xff",),
    "a picture (GIF)": (b"GIF87a", b"GIF89a"),
    "a picture (TIFF)": (b"II*\x00", b"MM\x00*"),
    "a sound file": (b"ID3\x02", b"ID3\x03", b"ID3\x04", b"OggS\x00", b"fLaC\x00"),
    "a program": (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
    "a database": (b"SQLite format 3\x00",),
}
# By the names in an archive's directory, which are stored as they are: nothing is unpacked.
_ZIP_KINDS = {
    "an EPUB book": b"mimetypeapplication/epub+zip",
    "an OpenDocument file": b"mimetypeapplication/vnd.oasis.opendocument.",
    "a Word document (.docx)": b"word/document.xml",
    "an Excel workbook (.xlsx)": b"xl/workbook.xml",
    "a PowerPoint presentation (.pptx)": b"ppt/presentation.xml",
}
# A PDF may have other bytes before its header, but only in its first kilobyte.
_PDF_WITHIN = 1024


def refuse_binary(head: bytes, name: str) -> None:
    """Raises `UserError` for what begins like a PDF, an archive, a picture or a program."""
    if b"%PDF-" in head[:_PDF_WITHIN]:
        _refuse(name, "a PDF", _SAVE_AS_TEXT)
    if head.startswith(b"PK\x03\x04"):
        kind = next((kind for kind, mark in _ZIP_KINDS.items() if mark in head), None)
        _refuse(name, kind or "a ZIP archive", _SAVE_AS_TEXT if kind else _UNPACK)
    if head[:4] == b"RIFF" and b"\x00" in head[:12]:
        _refuse(name, "a picture, sound or video")
    if head[4:8] == b"ftyp" and b"\x00" in head[:4]:
        _refuse(name, "a video")
    if head[:2] == b"MZ" and b"\x00" in head[:64]:
        _refuse(name, "a program")
    for kind, signatures in _SIGNATURES.items():
        if head.startswith(signatures):
            _refuse(name, kind, _REMEDIES.get(kind.rpartition(" ")[2], _ONLY_TEXT))


def refuse_unknown(name: str) -> NoReturn:
    """Raises `UserError` for a file with bytes that no text has."""
    _refuse(name, "a binary file, not a text")


def _refuse(name: str, looks_like: str, remedy: str = _ONLY_TEXT) -> NoReturn:
    raise UserError(f"`{name}` looks like {looks_like}.", remedy)
