"""Read Word documents (.docx) as they are parsed, which python-docx can't do: it would unpack them whole, pictures too.

Text that is proposed in a document's changes is taken; text that is deleted there, text boxes, notes, heads and feet of
pages are not.
"""

from collections.abc import Iterator, Mapping

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import LINE, PARAGRAPH, SPACE, Document, DocumentFormat, Paragraphs
from galvanic.read.files import opened_zip, read_member

_TEXT = "word/document.xml"
_FACTS = "docProps/core.xml"
_AT_ONCE = 2**16  # bytes that are parsed at once
_LEFT_OUT = frozenset({"Fallback", "moveFrom", "txbxContent"})


class _Words:
    """Takes a document's tags and words from lxml. Its methods have lxml's names."""

    def __init__(self) -> None:
        self.text = Paragraphs()
        self._in_words = False
        self._tables = 0
        self._left_out = 0  # depth below the tag that is left out

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        _, _, local = tag.rpartition("}")
        if self._left_out or local in _LEFT_OUT:
            self._left_out += 1
        elif "wordprocessingml" in tag:
            self._in_words = local == "t"
            self._tables += local == "tbl"
            if local in ("br", "cr"):
                self.text.break_line()
            elif local in ("tab", "tc"):
                self.text.part(SPACE)
            elif local == "noBreakHyphen":
                self.text.add("-")

    def end(self, tag: str) -> None:
        _, _, local = tag.rpartition("}")
        self._in_words = False
        if self._left_out:
            self._left_out -= 1
        elif "wordprocessingml" in tag:
            self._tables -= local == "tbl"
            if local == "tbl" or (local == "p" and not self._tables):
                self.text.part(PARAGRAPH)
            elif local == "tr":
                self.text.part(LINE)
            elif local == "p":
                self.text.part(SPACE)

    def data(self, words: str) -> None:
        if self._in_words and not self._left_out:
            self.text.add(words)

    def close(self) -> None:
        """Do nothing: lxml asks for it."""


def _parser(target: object = None) -> etree.XMLParser:
    return etree.XMLParser(target=target, resolve_entities=False, no_network=True, load_dtd=False)


def _read(data: bytes, name: str) -> Document:
    archive = opened_zip(data, name)
    try:
        facts = etree.fromstring(read_member(archive, _FACTS, name), _parser())
        title = facts.findtext(".//{*}title", "").strip()
    except (KeyError, etree.LxmlError, ValueError):
        title = ""
    return Document(_text(read_member(archive, _TEXT, name), name), title)


def _text(source: bytes, name: str) -> Iterator[str]:
    words = _Words()
    parser = _parser(words)
    try:
        for begin in range(0, len(source), _AT_ONCE):
            parser.feed(source[begin : begin + _AT_ONCE])
            yield words.text.take()
        parser.close()
    except (etree.LxmlError, ValueError) as error:
        raise UserError(f"`{name}` is a damaged Word document.", "Open it in Word and save it again.") from error
    yield words.text.take()


WORD = DocumentFormat(lambda head: head.startswith(b"PK\x03\x04") and b"word/" in head, _read)
