"""Read HTML, as a web page and as a chapter of a book, while it is parsed: no tree is built, however it is nested."""

import contextlib
import re
from collections.abc import Mapping

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat
from galvanic.read.encodings import SAMPLE, encoding_of, head_text
from galvanic.read.refusals import HTML as _PAGE
from galvanic.read.text import decode_text

_AT_ONCE = 2**16  # characters that are parsed at once
_MOST_DEPTH = 10_000  # of tags in one another: libxml2 looks through all of them at an end tag that fits none
_LINE, _PARAGRAPH, _BREAK = "\u2028", "\u2029", "\v"  # what a tag leaves between words
_MAIN = "\0"  # before and after the main part of a page, whose words have none
_PARAGRAPHS = re.compile(
    "article|blockquote|body|center|dl|fieldset|figure|form|h[1-6]|header|hr|ol|p|pre|section|table|ul"
)
_LINES = re.compile("address|caption|dd|details|div|dt|figcaption|legend|li|summary|tr")
_LEFT_OUT = re.compile(
    "aside|audio|button|canvas|datalist|dialog|footer|head|iframe|label|math|nav|noscript|object|rp|rt|script|select"
    "|style|svg|template|textarea|title|video"
)
# Classes, types and roles of page numbers, contents, what is not printed, and the pages that publishers add.
_LEFT_OUT_TYPES = re.compile(
    r"(?<!\S)(?:doc-|mw-cite-)?(?:backlink|catlinks|colophon|contentinfo|copyright-page|imprint|interlanguage-link"
    r"|landmarks|mw-editsection|navigation|noprint|page-list|pagebreak|pageno|pagenum|printfooter|toc)(?!\S)"
)
_NOTE = re.compile(r"[\W\d_]*+(?:[^\W\d_][\W\d_]*+)?")  # what a link within a text shows that leads to a note, or back
_GAP = re.compile("[ \t\n\r\f\v\0\xa0\u2028\u2029]+")
# Other encodings are found by the rules of texts. Runs are bounded or possessive: a hostile page could be full of them.
_CHARSET = re.compile(
    rb"<(?:meta|\?xml)\b[^>]{0,200}?(?:charset|encoding)\s*+=\s*+[\"']?+\s*+"
    rb"(windows-125[0-8]|iso-8859-[2-9]|koi8-[ru]|gbk|gb2312|gb18030|big5|shift_jis|euc-jp|euc-kr)\b",
    re.IGNORECASE,
)
_CHATS = {".chatlog__": "DiscordChatExporter", 'class="page_wrap': "Telegram"}  # programs, by a mark in their pages


class Page:
    """Takes the tags and words of a page from lxml, by methods that have lxml's names.

    `name`: the file's, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._text: list[str] = []
        self._depth = 0
        self._left_out = 0  # depth below the tag that is left out
        self._as_written = 0  # depth below a tag whose line ends count
        self._link: int | None = None  # place in the text where a link begins that may lead to a note

    def read(self, source: str | bytes, parser: etree.HTMLParser | etree.XMLParser) -> str:
        """Return the text of a page. `parser`: has this target.

        Raises UserError: its tags are nested too deep; LxmlError: it is damaged, or has no tag and word.
        """
        for begin in range(0, len(source), _AT_ONCE):  # a mistake ends the parsing after all that was fed
            parser.feed(source[begin : begin + _AT_ONCE])
        parser.close()
        text = "".join(self._text).replace("\xad", "")  # a place where a word may be broken
        text = _PARAGRAPH.join(text.split(_MAIN)[1::2]).strip() or text
        return _GAP.sub(_between, text).strip()

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UserError(f"`{self._name}` has tags that are nested too deep.", "Copy its text into a .txt file.")
        if self._left_out or self._leaves_out(tag, attributes):
            self._left_out += 1
            return
        self._as_written += tag == "pre"
        self._add(_BREAK if tag == "br" else _mark(tag))
        if "stanza" in attributes.get("class", "").split():
            self._add(_PARAGRAPH)
        if tag == "a":
            is_apart = "".join(self._text[-1:]).endswith((" ", "\n"))  # as in "see page 5"
            self._link = len(self._text) if "#" in attributes.get("href", "") and not is_apart else None

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._left_out:
            self._left_out -= 1
            return
        self._as_written -= tag == "pre"
        if tag == "a" and self._link is not None and _NOTE.fullmatch("".join(self._text[self._link :])):
            del self._text[self._link :]
        self._add(_mark(tag))

    def data(self, words: str) -> None:
        if not self._left_out:
            self._add(words.replace("\n", _BREAK) if self._as_written else words)

    def _add(self, words: str) -> None:
        if words:
            self._text.append(words)

    def close(self) -> None:
        """End the page, as lxml asks a target to do."""

    def _leaves_out(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag == "footer" and attributes.get("role") == "presentation":  # the end of a letter in a book
            return False
        if _LEFT_OUT.fullmatch(tag) or "hidden" in attributes or (tag == "code" and self._as_written):
            return True
        types = " ".join(attributes.get(name, "") for name in ("class", "epub:type", "role"))
        is_hidden = "display:none" in attributes.get("style", "").replace(" ", "")
        return is_hidden or _LEFT_OUT_TYPES.search(types) is not None


def _mark(tag: str) -> str:
    """Return what the begin or end of a tag leaves between words."""
    if _PARAGRAPHS.fullmatch(tag):
        return _PARAGRAPH
    if _LINES.fullmatch(tag):
        return _LINE
    if tag == "main":
        return _MAIN
    return " " if tag in ("td", "th") else ""


def _between(gap: re.Match[str]) -> str:
    """Return what a browser shows between words: a line is empty after two breaks, or a line's end and a break."""
    marks = gap[0]
    if _PARAGRAPH in marks or marks.count(_BREAK) > 1 or _BREAK in marks.partition(_LINE)[2]:
        return "\n\n"
    return "\n" if _LINE in marks or _BREAK in marks else " "


def page_text(source: str, name: str) -> str:
    """Return the text of a page of HTML. Raises UserError: its tags are nested too deep."""
    page = Page(name)
    with contextlib.suppress(etree.LxmlError):  # a page without a tag or word
        return page.read(source, etree.HTMLParser(target=page))
    return ""


def page_source(data: bytes, name: str) -> str:
    """Decode a page: by the encoding that it names if it is no UTF-8, else as any text.

    Raises UserError: it is empty or no text.
    """
    named = _CHARSET.search(data[:_AT_ONCE])
    if named is None or encoding_of(data[:SAMPLE]).startswith("utf"):
        return decode_text(data, name)
    return data.decode(named[1].decode(), "replace").replace("\0", "")


def _read(data: bytes, name: str) -> Document:
    source = page_source(data, name)
    for mark, program in _CHATS.items():
        if mark in source[:_AT_ONCE]:
            problem = f"`{name}` is a page of a chat by {program}, made for looking at."
            raise UserError(problem, "Export the chat again with the format JSON, and give that.")
    return Document(page_text(source, name))


HTML = DocumentFormat(lambda head: _PAGE.match(head_text(head)) is not None, _read)
