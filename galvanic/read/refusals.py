"""Refuse documents that are no text, and texts made for programs, since a model would learn their syntax.

Pictures, sounds and programs need no signature here: `galvanic.read.text` refuses a file with many NULs and controls.
"""

import re
from collections.abc import Iterable
from typing import NoReturn

from galvanic.errors import UserError
from galvanic.read.fields import first_fields

SAVE_AS_TEXT = "Save or export it as plain text (.txt) and send that."

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
_LONGEST_NAME = 60  # characters of a name that are shown
_MOST_NAMES = 12


def refuse_documents(head: bytes, name: str) -> None:
    """Refuse a file that begins like a PDF, an office document or an archive. Raises UserError."""
    if b"%PDF-" in head[:_PDF_WITHIN]:
        refuse(name, "a PDF", SAVE_AS_TEXT)
    if head.startswith(b"PK\x03\x04"):
        kind = next((kind for kind, mark in _ZIP_KINDS.items() if mark in head), None)
        remedy = SAVE_AS_TEXT if kind else "Unpack it and send the .txt file that is inside."
        refuse(name, kind or "a ZIP archive", remedy)
    if head.startswith(b"{\\rtf"):
        refuse(name, "an RTF document", SAVE_AS_TEXT)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        refuse(name, "an old Microsoft Office document", SAVE_AS_TEXT)


def refuse(name: str, looks_like: str, remedy: str = "Only plain text (.txt) can be learned from.") -> NoReturn:
    """Raise the UserError that refuses a file."""
    raise UserError(f"`{name}` looks like {looks_like}.", remedy)


def code(name: str) -> str:
    """Return a name from a file as it stands in a message: in one line, as code, so that Discord shows no marks."""
    shown = " ".join(name.replace("`", "'").encode("utf-8", "replace").decode().split())
    return f"`{shown if len(shown) <= _LONGEST_NAME else shown[:_LONGEST_NAME] + '…'}`"


def codes(names: Iterable[str]) -> str:
    """Return some names from a file, as `code`, and how many there are besides."""
    shown = list(names)
    more = f" and {len(shown) - _MOST_NAMES:,} more" if len(shown) > _MOST_NAMES else ""
    return ", ".join(map(code, shown[:_MOST_NAMES])) + more


HEAD = 60_000  # characters at the beginning of a text that `refuse_formats` reads
# All of the text must be tokens of JSON. So "[Illustration]" and "{The lamp burns.}" are no JSON; JSON lines are.
_JSON = re.compile(
    r'\s*+(?=[\[{]\s*+["\[{\]}\d])(?:[\s\[\]{},:]++|"(?:[^"\\\n]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[a-z]{1,5}\Z'
    r"|true\b|false\b|null\b)++\Z"
)
# With atomic groups: a page of comments could be split into comments in countless ways.
_COMMENTS = r"\s*+(?:<!--(?>.*?-->)\s*+)*+"
_XML = re.compile(rf"{_COMMENTS}<(?:\?xml|!doctype)\b", re.IGNORECASE | re.DOTALL)
HTML = re.compile(
    rf"\s*+(?:<\?xml\b[^<>]*+>)?+{_COMMENTS}<(?:!doctype\s++html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_PACKAGE_TABLE = re.compile(r"\s*+\"?ID\"?,\"?Timestamp\"?,\"?Contents\"?,")  # a file of Discord's data package


def refuse_formats(text: str, name: str) -> None:
    """Refuse JSON, XML and tables of messages, by the first `HEAD` characters of a text. Raises UserError."""
    head = text[:HEAD]
    if _PACKAGE_TABLE.match(head):
        raise UserError(
            f"`{name}` looks like a part of Discord's data package.",
            "Give the whole package, or name the column: `--text-column Contents`.",
        )
    if _JSON.match(head):
        fields = first_fields(head)
        raise UserError(
            f"`{name}` looks like data (JSON), not like a text.",
            f"Say which field holds the texts: `--text-column NAME`. Its fields: {codes(fields)}."
            if fields
            else "Of JSON, only chats, JSON lines and arrays of objects can be read.",
        )
    if _XML.match(head) and not HTML.match(head):
        raise UserError(f"`{name}` looks like data (XML), not like a text.", SAVE_AS_TEXT)
