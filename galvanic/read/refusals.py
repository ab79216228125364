"""Refuse documents that are no text, and texts made for programs, since a model would learn their syntax.

Pictures, sounds and programs need no signature here: `galvanic.read.encodings` knows them by their NULs.
"""

import re
from collections.abc import Iterable

from galvanic.errors import UserError

SAVE_AS_TEXT = "Save or export it as plain text (.txt) and send that."

_BEGINNINGS = {
    b"PK\x03\x04": "an office document or an archive in an archive",
    b"{\\rtf": "an RTF document",
    b"From: <Saved by ": "a web archive (MHTML)",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Microsoft Office document",
}
_LONGEST_NAME = 60  # characters of a name that are shown
_MOST_NAMES = 12


def refuse_documents(head: bytes, name: str) -> None:
    """Refuse a file that begins like an office document or an archive. Raises UserError."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            raise UserError(f"`{name}` looks like {kind}.", SAVE_AS_TEXT)


def harmless(name: str) -> str:
    """Return a name in one line, that can be written, and can stand between backticks in a message."""
    return " ".join(name.replace("`", "'").encode("utf-8", "replace").decode().split())


def code(name: str) -> str:
    """Return a name from a file as it stands in a message: as code, so that Discord shows no marks."""
    shown = harmless(name)
    return f"`{shown if len(shown) <= _LONGEST_NAME else shown[:_LONGEST_NAME] + '…'}`"


def codes(names: Iterable[str]) -> str:
    """Return some names from a file, as `code`, and how many there are besides."""
    shown = list(names)
    more = f" and {len(shown) - _MOST_NAMES:,} more" if len(shown) > _MOST_NAMES else ""
    return (", ".join(map(code, shown[:_MOST_NAMES])) or "none") + more


HEAD = 60_000  # characters at the beginning of a text that `refuse_formats` reads
ASSIGNED = r"(?:window\.[\w.]++ = )?+"  # before each array in an archive of X, formerly Twitter
# All of the text must be tokens of JSON. So "[Illustration]" and "{The lamp burns.}" are no JSON; JSON lines are.
_JSON = re.compile(
    rf"\s*+{ASSIGNED}"
    r'(?=[\[{]\s*+["\[{\]}\d])(?:[\s\[\]{},:]++|"(?:[^"\\\n]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[a-z]{1,5}\Z'
    r"|true\b|false\b|null\b)++\Z"
)
# With atomic groups: a page of comments could be split into comments in countless ways.
_COMMENTS = r"\s*+(?:<!--(?>.*?-->)\s*+)*+"
_XML = re.compile(rf"{_COMMENTS}<(?:\?xml|!doctype)\b", re.IGNORECASE | re.DOTALL)
HTML = re.compile(
    rf"\s*+(?:<\?xml\b[^<>]*+>)?+{_COMMENTS}<(?:!doctype\s++html|html|head|body|meta|title|div|h1|p)\b",
    re.IGNORECASE | re.DOTALL,
)


def refuse_formats(text: str, name: str) -> None:
    """Refuse JSON and XML, by the first `HEAD` characters of a text. Raises UserError."""
    head = text[:HEAD]
    if _JSON.match(head):
        raise UserError(
            f"`{name}` looks like data (JSON), not like a text.",
            "Say which field holds the texts: `--text-column NAME`. A wrong name lists the fields. If the text is in "
            "other files, leave this one out.",
        )
    if _XML.match(head) and not HTML.match(head):
        raise UserError(f"`{name}` looks like data (XML), not like a text.", SAVE_AS_TEXT)
