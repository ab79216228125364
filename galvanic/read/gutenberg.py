"""Texts of Project Gutenberg: find the book between header and licence, and check a download."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from galvanic.read.refusals import HTML

# Every run is bounded. "*** START OF THE PROJECT GUTENBERG EBOOK FRANKENSTEIN ***"; over the years also THIS, ETEXT, no
# spaces, and a title that runs over the line's end. The legal small print ended the header of the oldest files.
_START = re.compile(
    r"(?:^[ \t]{0,40}\*{3}[ \t]{0,40}START OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b"
    r"(?:[^*]{0,300}\*{3}[ \t]{0,40}$|[^\n]{0,1000})|^\*END[ *]{1,40}THE SMALL PRINT![^\n]{0,1000})"
    # The credits below it. None are longer: of a text without a blank line they would be all of it.
    r"(?:\s{0,200}(?:Produced by|E-?text prepared by|This e-?text was (?:prepared|produced) by)\b"
    r"[^*]{0,3000}?(?:\n[ \t]{0,40}\n|\Z))?",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    r"^[ \t]{0,40}(?:\*{3}[ \t]{0,40}END OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b"
    r"|End of (?:the |this )?Project Gutenberg(?:'s|’s)? )",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(r"\bE(?:book|text) #(\d+)", re.IGNORECASE)
_FIELD = re.compile(r"^(Title|Author):[ \t]*(\S.*)$", re.MULTILINE)
_LONGEST = 30_000  # most characters of a header, and of a licence: a mark is looked for in so many at either end


@dataclass(frozen=True)
class Book:
    """The place of the book in a text with a mark of Project Gutenberg, without blank space around it.

    `begin`, `end`: in characters. `title`: "Title, by Author" if the header says so, else empty.
    """

    begin: int
    end: int
    title: str

    def only(self, parts: Iterable[str]) -> Iterator[str]:
        """Yield the book alone, of its text in parts."""
        begin = 0
        for part in parts:
            yield part[max(0, self.begin - begin) : max(0, self.end - begin)]
            begin += len(part)


def find_book(parts: Iterable[str]) -> Book | None:
    """Find the book in a text, which comes in parts with Unix line ends; None if it has no mark of Project Gutenberg.

    Its header ends with the last mark of a beginning in the text's first `_LONGEST` characters, and its licence begins
    with the first mark of an end in the last ones. With one mark alone, one side is cut.
    """
    head = tail = ""
    size = 0
    for part in parts:
        head += part[: _LONGEST - len(head)]
        tail = (tail + part)[-_LONGEST:]
        size += len(part)
    starts, before_tail = [match.end() for match in _START.finditer(head)], size - len(tail)
    begin = starts[-1] if starts else 0
    mark = _END.search(tail, max(0, begin - before_tail))
    if not starts and mark is None:
        return None
    end = size if mark is None else before_tail + mark.start()
    begin += len(head[begin:]) - len(head[begin:].lstrip())
    blank = tail[: end - before_tail]
    return Book(begin, max(begin, end - len(blank) + len(blank.rstrip())), _title(head[:begin]) if starts else "")


def _title(header: str) -> str:
    fields = {key: value.strip() for key, value in reversed(_FIELD.findall(header))}  # the first of each name
    if "Title" not in fields:
        return ""
    return f"{fields['Title']}, by {fields['Author']}" if "Author" in fields else fields["Title"]


def why_not_book(text: str, number: int, title: str, author: str) -> str:
    """Return why a download is not this complete book, in words that follow "it sent"; empty if it is.

    Both marks must be there, so that no error page and no half of a book passes. The header must name the number, and
    the title or the author's last name; if it names no number, the title. Only letters and digits are compared.
    """
    if HTML.match(text):
        return "a web page instead of the book"
    start = _START.search(text[:_LONGEST])
    if start is None:
        return "something that is not a Project Gutenberg text"
    if not _END.search(text, max(start.end(), len(text) - _LONGEST)):
        return "only a part of the book"
    header = text[: start.end()]
    numbers, letters = _NUMBER.findall(header), _letters(header)
    is_named = _letters(title) in letters or (bool(numbers) and _letters(author.split()[-1]) in letters)
    return "" if is_named and (not numbers or str(number) in numbers) else "another book"


def _letters(text: str) -> str:
    """Return the letters and digits of a text alone, without accents and capitals."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())
