"""Refuse files that are no text, and texts made for programs, since a model would learn their syntax.

The libraries for it take letters such as "BM" and "MZ" for signatures, and a text may begin with them.
"""

from __future__ import annotations

import re
from typing import NoReturn

from galvanic.errors import UserError

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
# File names in an archive are not compressed, so nothing is unpacked.
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
    """Refuse a file that begins like a PDF, an archive, a picture or a program. Raises UserError."""
    if b"%PDF-" in head[:_PDF_WITHIN]:
        refuse(name, "a PDF", _SAVE_AS_TEXT)
    if head.startswith(b"PK\x03\x04"):
        kind = next((kind for kind, mark in _ZIP_KINDS.items() if mark in head), None)
        refuse(name, kind or "a ZIP archive", _SAVE_AS_TEXT if kind else _UNPACK)
    if head[:4] == b"RIFF" and b"\x00" in head[:12]:
        refuse(name, "a picture, sound or video")
    if head[4:8] == b"ftyp" and b"\x00" in head[:4]:
        refuse(name, "a video")
    if head[:2] == b"MZ" and b"\x00" in head[:64]:
        refuse(name, "a program")
    for kind, signatures in _SIGNATURES.items():
        if head.startswith(signatures):
            refuse(name, kind, _REMEDIES.get(kind.rpartition(" ")[2], _ONLY_TEXT))


def refuse(name: str, looks_like: str, remedy: str = _ONLY_TEXT) -> NoReturn:
    """Raise the UserError that refuses a file."""
    raise UserError(f"`{name}` looks like {looks_like}.", remedy)


HEAD = 60_000
"""Characters at the beginning of a text that `refuse_formats` reads."""
# All of the text must be tokens of JSON. So "[Illustration]" and "{The lamp burns.}" are no JSON; JSON lines are.
_JSON = re.compile(
    r'\s*+(?=[\[{]\s*+["\[{\]}\d])(?:[\s\[\]{},:]++|"(?:[^"\\\n]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[a-z]{1,5}\Z'
    r"|true\b|false\b|null\b)++\Z"
)
# With atomic groups: a page of comments could be split into comments in countless ways.
HTML = re.compile(r"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(
    r"</?(?:a|b|blockquote|body|br|center|code|div|em|font|h[1-6]|head|hr|html|i|img|li|link|meta|ol|p|pre|script|span"
    r"|strong|style|table|td|th|tr|u|ul)\b[^<>]{0,500}>",
    re.IGNORECASE,
)
_LEAST_TAGS = 20
_LEAST_PARAGRAPHS = 10
_EMPTY = re.compile(r"\n[ \t]{0,40}\n\s{0,40}")
# DiscordChatExporter's formats (text, CSV, JSON, HTML), and the tables of the data package that Discord sends.
_DISCORD = re.compile(
    r"\s*+(?:=+\nGuild: .*\nChannel: |\"?AuthorID\"?,\"?Author\"?,\"?Date\"?,\"?Content\b"
    r"|\"?ID\"?,\"?Timestamp\"?,\"?Contents\"?,|\{\s*+\"guild\":\s*+\{\s*+\"id\":|<!DOCTYPE html>[^\0]*?\.chatlog__)"
)
_CHANNELS = "The bot learns a channel with `/train source:#channel`: what members wrote there who agreed."


def refuse_formats(text: str, name: str) -> None:
    """Refuse JSON, web pages and exports of Discord's messages, by the first `HEAD` characters. Raises UserError."""
    head = text[:HEAD]
    if _DISCORD.match(head):
        raise UserError(f"`{name}` looks like messages that were exported from Discord.", _CHANNELS)
    if _JSON.match(head):
        raise UserError(
            f"`{name}` looks like data (JSON), not like a text.",
            f"JSON and the chats of other programs can't be read yet. {_CHANNELS}",
        )
    if HTML.match(head) or _is_tagged(head):
        raise UserError(
            f"`{name}` looks like a web page (HTML), not like a text.",
            "HTML can't be read yet: copy its text into a .txt file and send that. "
            'Project Gutenberg offers its books as "Plain Text", too.',
        )


def _is_tagged(text: str) -> bool:
    """Return whether most lines or paragraphs have tags, as in a part of a web page.

    A play with some words in italics, Markdown with some tags, and a chat with a person called `<b>` have fewer.
    """
    if sum(tag.startswith("</") for tag in _TAG.findall(text)) < _LEAST_TAGS:
        return False
    lines, paragraphs = ([part for part in parts if part.strip()] for parts in (text.split("\n"), _EMPTY.split(text)))
    return any(
        2 * sum(_TAG.search(part) is not None for part in parts) > len(parts)
        for parts in (lines, paragraphs if len(paragraphs) >= _LEAST_PARAGRAPHS else lines)
    )
