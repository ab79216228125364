"""Read HTML, as a web page and as a chapter of a book, while it is parsed: no tree is built, however it is nested."""

import codecs
import contextlib
import html
import re
from collections.abc import Iterator, Mapping

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import LINE, PARAGRAPH, SPACE, Document, DocumentFormat, Paragraphs
from galvanic.read.lines import head_text
from galvanic.read.refusals import HTML as _PAGE
from galvanic.read.text import decode_text

_AT_ONCE = 2**16  # characters that are parsed at once
_MOST_DEPTH = 10_000  # of tags in one another: libxml2 looks through all of them at an end tag that fits none
_PARAGRAPHS = re.compile(
    "article|blockquote|body|center|dl|fieldset|figure|form|h[1-6]|hr|main|ol|p|pre|section|table|ul"
)
_LINES = re.compile("address|caption|dd|details|div|dt|figcaption|header|legend|li|summary|tr")
_LEFT_OUT = re.compile(
    "aside|button|footer|head|iframe|label|math|nav|noscript|object|rp|rt|script|select|style|svg|template|textarea|title"
)
# Numbers of pages and notes, "[edit]" and "¶".
_LEFT_OUT_CLASSES = frozenset({"pagenum", "pageno", "fnanchor", "mw-editsection", "headerlink", "copiable-link"})
_LEFT_OUT_TYPES = frozenset({"pagebreak", "noteref", "toc", "landmarks", "page-list", "cover", "navigation"})
# Runs are bounded: a hostile page could repeat the beginning.
_CHARSET = re.compile(rb"<(?:meta|\?xml)\b[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_CHARSETS = ("utf", "cp", "iso8859", "koi8", "mac", "euc", "gb", "big5", "shift", "iso2022", "tis")
_TELEGRAM = ("<title>Exported Data</title>", 'class="page_wrap')
_TITLE = re.compile(r"<title\b[^>]{0,200}>([^<]{1,1000})", re.IGNORECASE)


class Page:
    """Takes the tags and words of a page from lxml, by methods that have lxml's names, and gives its text.

    `name`: the file's, for messages. `characters`, `linked`: of the words so far, and of those that are links.
    """

    def __init__(self, name: str) -> None:
        self.characters = self.linked = 0
        self._text = Paragraphs()
        self._name = name
        self._depth = self._articles = self._as_written = 0
        self._left_out = 0  # depth below the tag that is left out
        self._link = 0  # depth of the link that the words are in

    def read(self, source: str) -> Iterator[str]:
        """Yield the text of a page in parts. Raises UserError: its tags are nested too deep."""
        with contextlib.suppress(etree.LxmlError):  # a page without a tag or word
            yield from self.parsed(source, etree.HTMLParser(target=self))
        yield self._text.take()

    def parsed(self, source: str | bytes, parser: etree.HTMLParser | etree.XMLParser) -> Iterator[str]:
        """Yield the text that a parser with this target finds, in parts. Raises as `read`; LxmlError."""
        for begin in range(0, len(source), _AT_ONCE):
            parser.feed(source[begin : begin + _AT_ONCE])
            yield self._text.take()
        parser.close()
        yield self._text.take()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UserError(f"`{self._name}` has tags that are nested too deep.", "Copy its text into a .txt file.")
        if self._left_out or self._leaves_out(tag, attributes):
            self._left_out += 1
            return
        self._articles += tag in ("article", "section", "main")
        self._as_written += tag == "pre"
        if tag == "a" and "href" in attributes:
            self._link = self._depth
        if tag == "br":
            self._text.break_line()
        self._separate(tag)

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth < self._link:
            self._link = 0
        if self._left_out:
            self._left_out -= 1
            return
        self._articles -= tag in ("article", "section", "main")
        self._as_written -= tag == "pre"
        self._separate(tag)

    def data(self, words: str) -> None:
        if not self._left_out:
            characters = len(words.strip())
            self.characters += characters
            self.linked += characters if self._link else 0
            (self._text.add_lines if self._as_written else self._text.add)(words)

    def close(self) -> None:
        """End the page, as lxml asks a target to do."""

    def _leaves_out(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if _LEFT_OUT.fullmatch(tag) or (tag == "header" and not self._articles) or "hidden" in attributes:
            return True
        types = f"{attributes.get('epub:type', '')} {attributes.get('role', '').replace('doc-', '')}"
        classes = attributes.get("class", "")
        return not (_LEFT_OUT_TYPES.isdisjoint(types.split()) and _LEFT_OUT_CLASSES.isdisjoint(classes.split()))

    def _separate(self, tag: str) -> None:
        if _PARAGRAPHS.fullmatch(tag):
            self._text.part(PARAGRAPH)
        elif _LINES.fullmatch(tag):
            self._text.part(LINE)
        elif tag in ("td", "th"):
            self._text.part(SPACE)


def page_source(data: bytes, name: str) -> str:
    """Decode a page: by its mark, as UTF-8 if it is, else by the encoding that it names, else as any text.

    Raises UserError: it is empty or no text.
    """
    named = _CHARSET.search(data[:_AT_ONCE])
    with contextlib.suppress(UnicodeDecodeError):
        data.decode("utf-8")
        named = None
    if named is not None:
        with contextlib.suppress(LookupError):
            encoding = codecs.lookup(named[1].decode("ascii", "replace")).name
            if encoding.startswith(_CHARSETS):
                text = data.decode("cp1252" if encoding == "iso8859-1" else encoding, "replace")
                return text.replace("\0", "")
    return decode_text(data, name)


def _read(data: bytes, name: str) -> Document:
    source = page_source(data, name)
    if all(mark in source[:_AT_ONCE] for mark in _TELEGRAM):
        problem = f"`{name}` is an HTML page of a chat on Telegram, made for looking at."
        raise UserError(problem, "Export the chat again with the format JSON, and give that.")
    title = _TITLE.search(source, 0, _AT_ONCE)
    return Document(Page(name).read(source), " ".join(html.unescape(title[1]).split()) if title else "")


HTML = DocumentFormat(lambda head: _PAGE.match(head_text(head)) is not None, _read)
