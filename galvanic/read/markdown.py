"""Read Markdown: its text without marks and code."""

import re
from typing import Any

from markdown_it import MarkdownIt

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat
from galvanic.read.lines import head_text
from galvanic.read.pages import Page
from galvanic.read.refusals import SAVE_AS_TEXT
from galvanic.read.text import decode_text
from galvanic.units import MEGABYTE

_LIMIT = 5 * MEGABYTE  # of a file: its parser needs many times as much memory
_FACTS = re.compile(r"\A---\n(?:(?!---\n).*\n){0,200}?---\n")  # what tools write before the text
_BEGIN = re.compile(r"#{1,6} [^\n]+\n[ \t]*\n|!?\[|<(?:a|center|div|h1|img|p|picture)\b")  # a title, or badges above it
_HEADING = re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} [^\n#]")
_MARKS = (
    re.compile(r"(?<![\w\])])!?\[[^\[\]\n]+\]\([^()\s]+\)"),  # a link
    re.compile(r"^(?:```|~~~)[\w+-]*$", re.MULTILINE),  # code
    re.compile(r"(?<![\w*])\*\*[^\s*][^*\n]*\*\*(?![\w*])"),  # bold
    re.compile(r"^\|(?=[ :|-]{0,200}---)[ :|-]{3,400}\|$", re.MULTILINE),  # a table
)


def _recognises(head: bytes) -> bool:
    """Return whether a text begins with a heading, and has another one and two other marks of Markdown at least.

    Sources of programs have comments that look like headings, and chats have single marks.
    """
    text = _FACTS.sub("", head_text(head)).lstrip()
    marks = sum(len(mark.findall(text)) for mark in _MARKS)
    return _BEGIN.match(text) is not None and len(_HEADING.findall(text)) >= 2 and marks >= 2


def _nothing(*_: Any) -> str:
    return ""


def _read(data: bytes, name: str) -> Document:
    if len(data) > _LIMIT:
        raise UserError(f"`{name}` is Markdown of more than {_LIMIT // MEGABYTE} MB.", SAVE_AS_TEXT)
    parser = MarkdownIt("commonmark").enable("table")
    for code in ("fence", "code_block"):
        parser.add_render_rule(code, _nothing)
    return Document(Page(name).read(parser.render(_FACTS.sub("", decode_text(data, name)))))


MARKDOWN = DocumentFormat(_recognises, _read)
