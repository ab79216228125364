"""Read PDFs that have text: the lines of their pages, joined to paragraphs, without numbers and titles of pages."""

import io
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pypdf
from pypdf.generic import ArrayObject, FloatObject

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat

MOST_PAGES = 20_000
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_CONTENTS = re.compile(r"(?:\. ?){4}[ .]*[\divxlc]+$")  # in a line of a table of contents
_NO_TITLE = re.compile(r"^microsoft word|^untitled|\.\w{2,4}$", re.IGNORECASE)  # names of files and programs
_ONLY_NUMBER = re.compile(r"[\W\d_]*|[ivx]+")
_GAP, _LEAST_GAP = 500, 170  # between words: one that pypdf sees, and the narrowest
_REPEATED = 3  # pages with the same first or last line
_LEAST_WIDTH = 30  # of lines that may be wrapped, in characters
_FULL = 0.85  # of the width of a line that had no room for the next word
_END = re.compile(r"[.!?:…][\"'”’»)]*$")  # of a sentence
_HYPHEN = re.compile(r"\w[-\xad]$")
_WIDE = re.compile("[\u3001-\u9fff\uff00-\uffef]")  # signs of Chinese and Japanese, which have no spaces
_UNREADABLE = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
_UNREADABLE_SHARE = 0.1
_BULLETS = "•◦▪‣∗"
_SHORT = 0.6  # of the width of a line that may be a heading
_CAPITALS = 0.6  # share of lines that begin with a capital, in verse and lists

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings have parts of the file in them


def _read(data: bytes, name: str) -> Document:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = 0 if locked else len(reader.pages)
        title = str(reader.metadata.title or "") if pages and reader.metadata else ""
    except pypdf.errors.DependencyError:  # a cipher that isn't installed
        locked = True
    except Exception as error:  # a damaged file makes pypdf raise anything
        raise UserError(f"`{name}` is a damaged PDF.", "Download or export it again.") from error
    if locked:
        raise UserError(f"`{name}` is locked.", "Save it without a password or other protection.")
    if pages > MOST_PAGES:
        raise UserError(f"`{name}` has more than {MOST_PAGES:,} pages.", "Give a part of it.")
    return Document(_text(reader, name), "" if _NO_TITLE.search(title) else title)


def _text(reader: pypdf.PdfReader, name: str) -> Iterator[str]:
    pages = list[list[str]]()
    characters = unreadable = damaged = 0
    for number in range(len(reader.pages)):
        try:
            text = reader.pages[number].extract_text(visitor_operand_before=_widen).translate(_LIGATURES)
        except Exception:  # as above: the other pages may be whole
            text, damaged = "", damaged + 1
        characters += len(text)
        unreadable += len(_UNREADABLE.findall(text))
        text = text.replace("\0", "")
        lines = (" ".join(line.split()) for line in text.splitlines())
        pages.append([line for line in lines if line and not _CONTENTS.search(line[-200:])])
        yield ""  # so that the time is looked at
    if damaged and not characters:
        raise UserError(f"`{name}` is a damaged PDF.", "Download or export it again.")
    if unreadable > _UNREADABLE_SHARE * characters:
        problem = f"The letters of `{name}` can't be read: its fonts don't say which they are."
        raise UserError(problem, "Give the text in another format.")
    for edge in (0, -1, 0, -1):  # twice, since a title and a number may stand in two lines
        _drop_titles(pages, edge)
    yield from _paragraphs([line for page in pages for line in page])


def _widen(operator: bytes, operands: list[Any], *_: Any) -> None:
    """Widen the gaps between words that pypdf takes for none, since many fonts have no space to compare them with.

    What is added to a gap is taken off behind it, so that nothing moves. The unit is a thousandth of the font's size.
    """
    if operator == b"TJ" and operands and isinstance(operands[0], ArrayObject):
        operands[0][:] = [part for item in operands[0] for part in _widened(item)]


def _widened(item: Any) -> tuple[Any, ...]:
    if isinstance(item, int | float) and -_GAP < item <= -_LEAST_GAP:
        return FloatObject(-_GAP), FloatObject(_GAP + item)
    return (item,)


def _drop_titles(pages: list[list[str]], edge: int) -> None:
    """Drop each page's first (`edge` 0) or last (-1) line if it is a page's number or the title of several pages."""
    lines = [page[edge] if page else "" for page in pages]
    titles = Counter(lines)
    shifts = Counter(shift for number, line in enumerate(lines) for shift in _shifts(line, number))
    shift = max(shifts, key=lambda shift: shifts[shift], default=0)
    numbered = shifts[shift] >= max(_REPEATED, len(pages) / 4)
    for number, (page, line) in enumerate(zip(pages, lines, strict=True)):
        is_title = titles[line] >= _REPEATED or (numbered and shift in _shifts(line, number))
        if line and (is_title or _ONLY_NUMBER.fullmatch(line)):
            del page[edge]


def _shifts(line: str, page: int) -> set[int]:
    """Return how far the numbers in a line are from that of its page in the file."""
    return {int(number) - page for number in re.findall(r"\d{1,5}", line)}


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a text, joined where a line was full, unless most begin with a capital, as in verse."""
    width = sorted(len(line) for line in lines)[int(0.9 * (len(lines) - 1))] if lines else 0
    verse = width < _LEAST_WIDTH or sum(line[0].isupper() for line in lines) > _CAPITALS * len(lines)
    before = False
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        joined = not verse and following != "" and _continues(line, following, width)
        if joined and _HYPHEN.search(line) and following[0].islower():
            yield line[:-1]
        else:
            space = "" if _WIDE.match(following) else " "
            yield line + (space if joined else "\n\n" if before else "\n")
        before = joined


def _continues(line: str, following: str, width: int) -> bool:
    """Return whether a line was full, so that its paragraph continues on the following one."""
    if _HYPHEN.search(line) and following[0].islower():
        return True
    if _END.search(line) and len(following) < _SHORT * width and not following[0].islower():
        return False  # a heading
    word = 1 if _WIDE.match(following) else len(following.split()[0])
    return following[0] not in _BULLETS and len(line) + word >= _FULL * width


PDF = DocumentFormat(lambda head: b"%PDF-" in head[:1024], _read)
