"""Read Markdown as the page that it renders to, without code."""

import re

from markdown_it import MarkdownIt

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat
from galvanic.read.encodings import head_text
from galvanic.read.pages import page_text
from galvanic.read.refusals import SAVE_AS_TEXT
from galvanic.read.text import decode_text
from galvanic.units import MEGABYTE

_LIMIT = 5 * MEGABYTE  # of a file: its parser needs many times as much memory
_FACTS = re.compile(r"\A---\n[\w-]+:(?:(?!---\n).*\n){1,200}?---\n")  # what tools write before the text
_BEGIN = re.compile(r"#{1,6} [^\n#]|<(?:a|div|h1|img|p|picture)\b|!?\[")  # a heading, HTML for a title, a link
_HEADING = re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} [^\n#]")
# A link, code, bold words, and the rule of a table.
_MARK = re.compile(
    r"(?<![\w\])])!?\[[^\[\]\n]+\]\([^()\s]+\)|^```[\w+-]*$|(?<![\w*])\*\*[^\s*][^*\n]*\*\*(?![\w*])"
    r"|^\|[ :|-]{0,200}---[ :|-]{0,200}\|$",
    re.MULTILINE,
)


def _recognises(head: bytes) -> bool:
    """Return whether a text begins with facts, or as Markdown does, and has two headings and two other marks at least.

    Sources of programs have comments that look like headings, and chats have single marks.
    """
    text = head_text(head).lstrip()
    if _FACTS.match(text) is not None:
        return True
    return _BEGIN.match(text) is not None and len(_HEADING.findall(text)) >= 2 and len(_MARK.findall(text)) >= 2


def _read(data: bytes, name: str) -> Document:
    if len(data) > _LIMIT:
        raise UserError(f"`{name}` is Markdown of more than {_LIMIT // MEGABYTE} MB.", SAVE_AS_TEXT)
    page = MarkdownIt("commonmark").enable("table").render(_FACTS.sub("", decode_text(data, name)))
    return Document(page_text(page, name))


MARKDOWN = DocumentFormat(_recognises, _read)
