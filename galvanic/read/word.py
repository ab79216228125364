"""Read Word documents (.docx) as they are parsed, which python-docx can't do: it would unpack them whole, pictures too.

Text that is proposed in a document's changes is taken; text that is deleted there, notes, heads and feet of pages are
not.
"""

import re
from collections.abc import Mapping

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat, xml_parser
from galvanic.read.files import Files
from galvanic.read.pages import Page

_TEXT = re.compile(r"word/document\d*\.xml")  # Word on the web gives it a number
# Tags that HTML names otherwise, and those that are left out.
_AS_HTML = {"cr": "br", "tab": "td", "Fallback": "script", "moveFrom": "script"}


class _Words(Page):
    """Takes a document's tags and words from lxml, as those of a page."""

    _in_words = False

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        local = tag.rpartition("}")[2]
        self._in_words = local == "t"
        super().start(_AS_HTML.get(local, local), {})
        if local == "noBreakHyphen":
            super().data("-")

    def end(self, tag: str) -> None:
        local = tag.rpartition("}")[2]
        self._in_words = False
        super().end(_AS_HTML.get(local, local))

    def data(self, words: str) -> None:
        if self._in_words:
            super().data(words)


def _read(data: bytes, name: str) -> Document:
    files, words = Files([(name, data)], open_documents=True), _Words(name)
    try:
        path = next(filter(_TEXT.fullmatch, files.paths), "")
        return Document(words.read(files.data(path), xml_parser(words)))
    except (KeyError, etree.LxmlError, ValueError) as error:
        raise UserError(f"`{name}` is a damaged Word document.", "Open it in Word and save it again.") from error


WORD = DocumentFormat(lambda head: head.startswith(b"PK\x03\x04") and b"word/" in head, _read)
