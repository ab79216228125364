"""Project Gutenberg's files: where the book begins and ends, and whether it is the right one."""

from __future__ import annotations

import re

# "*** START OF THE PROJECT GUTENBERG EBOOK FRANKENSTEIN ***"; over the years also THIS, ETEXT, no spaces, and a
# title that runs over the line's end. The legal small print ended the header of the oldest files.
_START = re.compile(
    r"^[ \t]*\*{3}[ \t]*START OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b(?:[^*]{0,300}\*{3}[ \t]*$|.*$)"
    r"|^\*END[ *]+THE SMALL PRINT!.*$",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    r"^[ \t]*\*{3}[ \t]*END OF TH(?:E|IS) PROJECT GUTENBERG E(?:BOOK|TEXT)\b.*$"
    r"|^[ \t]*End of (?:the |this )?Project Gutenberg(?:'s|’s)? (?:E-?(?:book|text) )?.*$",
    re.IGNORECASE | re.MULTILINE,
)
# No credits are longer: of a text without a blank line they would be all of it.
_CREDITS = re.compile(
    r"\s*(?:Produced by|E-?text prepared by|This e-?text was (?:prepared|produced) by)\b.{0,3000}?(?:\n[ \t]*\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"\bE(?:book|text) #(\d+)", re.IGNORECASE)
_FIELD = re.compile(r"^(Title|Author):[ \t]*(\S.*)$", re.MULTILINE)
# Atomic: a page of comments could be divided into them in countless ways.
_HTML = re.compile(r"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE | re.DOTALL)
_HEADER = 100_000
"""Characters in which title and author are looked for."""
_WINDOW = 2**18
"""Characters searched at once: `re` lets no other thread run meanwhile, and the bot's event loop is one."""
_OVERLAP = 500


def strip_gutenberg(text: str) -> str:
    """The book between Project Gutenberg's header and footer, without blank space around it.

    A credits paragraph ("Produced by ...") at the top goes too. A text without the marker lines is returned as it
    is; with only one of them, only that side is cut.

    Args:
        text: with `\\n` line ends.
    """
    start = _search(_START, text)
    end = _search(_END, text, start.end() if start else 0)
    if start is None and end is None:
        return text
    body = text[start.end() if start else 0 : end.start() if end else len(text)]
    if start is not None and (credits_ := _CREDITS.match(body)) is not None:
        body = body[credits_.end() :]
    return body.strip()


def gutenberg_title(text: str) -> str | None:
    """ "Title, by Author" from a Project Gutenberg header; None when the text has none."""
    start = _search(_START, text)
    if start is None:
        return None
    fields: dict[str, str] = {}
    for key, value in _FIELD.findall(text, 0, min(start.start(), _HEADER)):
        fields.setdefault(key, value.strip())
    if "Title" not in fields:
        return None
    return f"{fields['Title']}, by {fields['Author']}" if "Author" in fields else fields["Title"]


def is_gutenberg(text: str) -> bool:
    """Whether the text carries Project Gutenberg's header."""
    return _search(_START, text) is not None


def why_not_book(text: str, number: int, title: str) -> str:
    """Why `text` is not the whole of book `number`, in words that follow "it sent"; empty when it is.

    Both marker lines must be there, so that neither an error page nor half a download passes; the header must name
    the number, or the title where a header names no number.
    """
    if _HTML.match(text):
        return "a web page instead of the book"
    start = _search(_START, text)
    if start is None:
        return "something that is not a Project Gutenberg text"
    if _search(_END, text, start.end()) is None:
        return "only a part of the book"
    header = text[: start.end()]
    numbers = _NUMBER.findall(header)
    if numbers:
        return "" if str(number) in numbers else "another book"
    return "" if title.casefold() in " ".join(header.split()).casefold() else "another book"


def _search(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    """As `pattern.search`, window by window; for `_START` and `_END`, whose first words tell that they match."""
    while start < len(text):
        end = start + _WINDOW
        if (found := pattern.search(text, start, end)) is not None:
            return pattern.match(text, found.start())  # the whole of it, should the window have cut it
        start = end - _OVERLAP if end < len(text) else end
    return None
