"""Read Word documents (.docx) as they are parsed, which python-docx can't do: it would unpack them whole, pictures too.

Text that is proposed in a document's changes is taken; text that is deleted there, text boxes, notes, heads and feet of
pages are not.
"""

from collections.abc import Iterator, Mapping

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat, xml_parser
from galvanic.read.files import opened_zip, read_member
from galvanic.read.pages import Page

_TEXT = "word/document.xml"
_FACTS = "docProps/core.xml"
_AS_HTML = {
    **{"p": "p", "br": "br", "cr": "br", "tab": "td", "tbl": "table", "tr": "tr", "tc": "td", "t": "span"},
    **dict.fromkeys(["Fallback", "moveFrom", "txbxContent"], "script"),
}


class _Words(Page):
    """Takes a document's tags and words from lxml, as those of a page."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._in_words = False
        self._tables = 0

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        local = tag.rpartition("}")[2]
        self._tables += local == "tbl"
        self._in_words = local == "t"
        super().start(self._html(local), {})

    def end(self, tag: str) -> None:
        local = tag.rpartition("}")[2]
        super().end(self._html(local))
        self._tables -= local == "tbl"
        self._in_words = False

    def data(self, words: str) -> None:
        if self._in_words:
            super().data(words)

    def _html(self, tag: str) -> str:
        return "td" if tag == "p" and self._tables else _AS_HTML.get(tag, "span")


def _read(data: bytes, name: str) -> Document:
    archive = opened_zip(data, name)
    try:
        facts = etree.fromstring(read_member(archive, _FACTS, name), xml_parser())
        title = facts.findtext(".//{*}title", "")
    except (KeyError, etree.LxmlError, ValueError):
        title = ""
    return Document(_text(read_member(archive, _TEXT, name), name), title)


def _text(source: bytes, name: str) -> Iterator[str]:
    words = _Words(name)
    try:
        yield from words.parsed(source, xml_parser(words))
    except (etree.LxmlError, ValueError) as error:
        raise UserError(f"`{name}` is a damaged Word document.", "Open it in Word and save it again.") from error


WORD = DocumentFormat(lambda head: head.startswith(b"PK\x03\x04") and b"word/" in head, _read)
