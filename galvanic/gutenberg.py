"""Texts of Project Gutenberg: find the books between headers and licences, and check a download."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from galvanic.refusals import HTML
from galvanic.source import chunks

# Every run is bounded: a text is searched in parts, and what a mark needs must fit into `_OVERLAP`.
_LINE = r"[^\n]{0,1000}"
# "*** START OF THE PROJECT GUTENBERG EBOOK FRANKENSTEIN ***"; over the years also THIS, ETEXT, no spaces, and a
# title that runs over the line's end. The legal small print ended the header of the oldest files.
_START = (
    r"^[ \t]{0,40}\*{3}[ \t]{0,40}START OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b"
    rf"(?:[^*]{{0,300}}\*{{3}}[ \t]{{0,40}}$|{_LINE})|^\*END[ *]{{1,40}}THE SMALL PRINT!{_LINE}"
)
# No credits are longer: of a text without a blank line they would be all of it.
_CREDITS = (
    r"\s{0,200}(?:Produced by|E-?text prepared by|This e-?text was (?:prepared|produced) by)\b"
    r"[^*]{0,3000}?(?:\n[ \t]{0,40}\n|\Z)"
)
_MARK = re.compile(
    rf"(?P<start>(?:{_START})(?:{_CREDITS})?)"
    r"|(?P<end>^[ \t]{0,40}(?:\*{3}[ \t]{0,40}END OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b"
    rf"|End of (?:the |this )?Project Gutenberg(?:'s|’s)? ){_LINE})"
    # The first line of a header, and the last words of the licence behind a book.
    r"|(?P<header>^[ \t*]{0,40}(?:The )?Project Gutenberg(?:'s|’s)? (?:E-?(?:book|text)\b|[^\n]{1,200}, by ))"
    r"|(?P<licence>\bnewsletter\s{1,4}to\s{1,4}hear\s{1,4}about\s{1,4}new\s{1,4}eBooks\.\s{0,3000})",
    re.IGNORECASE | re.MULTILINE,
)
_WORDS = ("utenberg", "small print", "newsletter")
"""Every mark has one of them, so a part without them need not be searched."""
_NUMBER = re.compile(r"\bE(?:book|text) #(\d+)", re.IGNORECASE)
_FIELD = re.compile(r"^(Title|Author):[ \t]*(\S.*)$", re.MULTILINE)
_HEADER = 100_000
"""Characters at the beginning in which title and author are looked for."""
_LONGEST = 30_000
"""Most characters of a header or licence. Longer passages are somebody's text, and stay."""
_OVERLAP = 5_000


@dataclass(frozen=True)
class Books:
    """The places of the books in a text with marks of Project Gutenberg.

    Attributes:
        spans: begin and end, in characters, of all that is no header and no licence, ascending.
        count: how many books begin in the text; 0 if it has only the end of one.
        title: "Title, by Author" if the text is one book whose header says so, else empty.
    """

    spans: tuple[tuple[int, int], ...]
    count: int
    title: str

    def titled(self, name: str) -> str:
        return self.title or (f"{name} ({self.count} books)" if self.count > 1 else name)

    def only(self, parts: Iterable[str]) -> Iterator[str]:
        """Yield the books alone, without blank space around them, with two empty lines between them."""
        last, blank = None, list[str]()
        for number, part in self._cut(parts):
            if number != last:
                blank.clear()
                part = part.lstrip()
                if not part:
                    continue
                if last is not None:
                    yield "\n\n\n"
                last = number
            if body := part.rstrip():
                yield "".join([*blank, body])
                blank.clear()
            blank.append(part[len(body) :])

    def _cut(self, parts: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield the spans in parts, each with the number of its span."""
        begin = number = 0
        for part in parts:
            end = begin + len(part)
            while number < len(self.spans):
                first, last = self.spans[number]
                if first < end:
                    yield number, part[max(0, first - begin) : last - begin]
                if last > end:
                    break
                number += 1
            begin = end


def find_books(parts: Iterable[str]) -> Books | None:
    """Find the books in a text; None if it has no mark of Project Gutenberg.

    A book ends at its mark, or at the header of the next one. Its header is all before it, and its licence all after it
    up to the licence's last words, or else up to the next mark. Both have at most `_LONGEST` characters: a longer
    passage is somebody's text, and stays.

    `parts`: the text with Unix line ends. Each is searched at once, and `re` lets no other thread run meanwhile, so
    none should be longer than `CHUNK`.
    """
    spans, headers, head = list[tuple[int, int]](), list[int](), ""
    kept: int | None = 0  # where the current span began; None within a licence
    dropped = 0  # where the current header or licence began
    count = size = first_start = 0
    marked = False

    def noting() -> Iterator[str]:
        nonlocal head, size
        for part in parts:
            head += part[: _HEADER - len(head)]
            size += len(part)
            yield part

    def keep(end: int) -> None:
        if kept is not None and kept < end:
            spans.append((kept, end))

    def was_kept(end: int) -> int | None:
        return dropped if kept is None and end - dropped > 2 * _LONGEST else kept

    for kind, start, end in _marks(noting()):
        if kind == "header":
            headers.append(start)
        elif kind == "licence":
            kept = end if kept is None and start - dropped <= _LONGEST else kept
        elif kind == "start":
            if (kept := was_kept(start)) is not None:
                place = bisect.bisect_left(headers, max(kept, start - _LONGEST))
                if place < len(headers):
                    keep(headers[place])
                elif start - kept > _LONGEST:
                    keep(start)
            first_start = first_start if count else start
            count, marked, kept = count + 1, True, end
            headers.clear()
        else:
            kept = was_kept(start)
            keep(start)
            marked, kept, dropped = True, None, end
    if not marked:
        return None
    kept = was_kept(size)
    keep(size)
    one_book = count == 1 and len(spans) == 1 and spans[0][0] > first_start
    return Books(tuple(spans), count, _title(head[:first_start]) if one_book else "")


def _marks(parts: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield kind, begin and end of each mark in a text, in characters."""
    text, begin, place = "", 0, 0  # `text` begins at `begin`; the search goes on at `place` in it
    for part in itertools.chain(parts, [None]):
        text += part or ""
        until = len(text) if part is None else len(text) - _OVERLAP
        lowered = text.lower()
        if any(word in lowered for word in _WORDS):
            for mark in _MARK.finditer(text, place):
                if mark.start() >= until:
                    break
                yield str(mark.lastgroup), begin + mark.start(), begin + mark.end()
                place = mark.end()
        cut = max(0, max(place, until) - 1)  # one character more, which shows whether a line begins here
        text, begin, place = text[cut:], begin + cut, max(place, until) - cut


def _title(header: str) -> str:
    fields = {key: value.strip() for key, value in reversed(_FIELD.findall(header))}  # the first of each name
    if "Title" not in fields:
        return ""
    return f"{fields['Title']}, by {fields['Author']}" if "Author" in fields else fields["Title"]


def why_not_book(text: str, number: int, title: str) -> str:
    """Return why a download is not this complete book, in words that follow "it sent"; empty if it is.

    Both marks must be there, so that no error page and no half of a book passes. The header must name the number, or
    the title if it names no number.
    """
    if HTML.match(text):
        return "a web page instead of the book"
    marks = [mark for mark in _marks(chunks(text)) if mark[0] in ("start", "end")]
    start = next((end for kind, _, end in marks if kind == "start"), None)
    if start is None:
        return "something that is not a Project Gutenberg text"
    if not any(kind == "end" and begin >= start for kind, begin, _ in marks):
        return "only a part of the book"
    header = text[:start]
    numbers = _NUMBER.findall(header)
    if numbers:
        return "" if str(number) in numbers else "another book"
    return "" if title.casefold() in " ".join(header.split()).casefold() else "another book"
