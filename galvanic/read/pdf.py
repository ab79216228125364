"""Read PDFs that have text: the lines of their pages, joined to paragraphs, without numbers and titles of pages."""

import io
import itertools
import logging
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pypdf
from pypdf.errors import DependencyError
from pypdf.generic import ArrayObject, FloatObject

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat

_SHAPES = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]")  # ligatures, and letters as they are joined, in place of letters
_CONTENTS = re.compile(r"(?:\. ?){4}[ .]*[\divxlc]+$")  # in a line of a table of contents
_NUMBERS = re.compile(r"[\W\d_]+|^[ivxl]+$")  # and signs beside them
_GAP, _LEAST_GAP = 500, 170  # between words: one that pypdf sees, and the narrowest
_FULL = 0.85  # of the width of a line that had no room for the next word
_LEAST_WIDTH = 30  # of lines that may be wrapped, in characters
_CAPITALS = 0.6  # share of lines that begin with a capital, in verse and lists
_NEW_LINE = "\n•◦▪‣∗"  # the end, and bullets of lists
_SHORT = 0.6  # of the width of a line that may be a heading
_END = re.compile(r"[.!?:…][\"'”’»)]*$")  # of a sentence
_HYPHEN = re.compile(r"\w[-\xad]$")
_WIDE = re.compile("[\u3001-\u9fff\uff00-\uffef]")  # signs of Chinese and Japanese, which have no spaces
_UNREADABLE = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")  # of fonts that don't say their letters
_UNREADABLE_SHARE = 0.1

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings have parts of the file in them


def _read(data: bytes, name: str) -> Document:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        texts = [] if locked else list(map(_page_text, reader.pages))
    except DependencyError:  # it takes another package to read what AES encrypted
        locked, texts = True, []
    except Exception as error:  # a damaged file makes pypdf raise anything
        raise UserError(f"`{name}` is a damaged PDF.", "Download or export it again.") from error
    if locked:
        raise UserError(f"`{name}` is locked.", "Save it without a password or other protection.")
    return Document(_text(texts, name))


def _page_text(page: pypdf.PageObject) -> str:
    try:
        text = page.extract_text(visitor_operand_before=_widen)
        return _SHAPES.sub(lambda shape: unicodedata.normalize("NFKC", shape[0]), text)
    except DependencyError:
        raise
    except Exception:  # as above: the other pages may be whole
        return "\ufffd"


def _text(texts: list[str], name: str) -> str:
    """Return a text by those of its pages. Raises UserError: its letters can't be read."""
    page_lines = list[list[str]]()
    unreadable = False
    for text in texts:
        if len(_UNREADABLE.findall(text)) > _UNREADABLE_SHARE * len(text):
            unreadable = True
            continue
        lines = (" ".join(line.split()) for line in text.replace("\0", "").splitlines())
        page_lines.append([line for line in lines if line and not _CONTENTS.search(line[-200:])])
    if unreadable and not any(page_lines):
        problem = f"The letters of `{name}` can't be read: it is damaged, or its fonts don't say which they are."
        raise UserError(problem, "Give the text in another format.")
    for edge in (0, -1, 0, -1):  # twice, since a title and a number may stand in two lines
        _drop_titles(page_lines, edge)
    return "".join(_paragraphs([line for lines in page_lines for line in lines]))


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
    """Drop each page's first (`edge` 0) or last (-1) line if it is a number, or a title of the pages around it too."""
    titles = [_NUMBERS.sub("", page[edge]) if page else "" for page in pages]
    for number, (page, title) in enumerate(zip(pages, titles, strict=True)):
        around = titles[max(0, number - 2) : number] + titles[number + 1 : number + 3]
        if page and (not title or title in around):
            del page[edge]


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a text, joined where a line was full, unless most begin with a capital, as in verse."""
    width = max(_LEAST_WIDTH, sorted(map(len, lines))[int(0.9 * (len(lines) - 1))] if lines else 0)
    verse = sum(line[0].isupper() for line in lines) > _CAPITALS * len(lines)
    joined = False
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue="\n"):
        wide = _WIDE.match(following)
        word = 1 if wide else len(following.split(" ")[0])
        heading = _END.search(line) and len(following) < _SHORT * width and not following[0].islower()
        full = len(line) + word >= _FULL * width and following[0] not in _NEW_LINE
        if _HYPHEN.search(line) and following[0].islower():
            yield line[:-1]
        elif full and not heading and not verse:
            yield line if wide else f"{line} "
            joined = True
        else:
            yield line + ("\n\n" if joined else "\n")
            joined = False


PDF = DocumentFormat(lambda head: b"%PDF-" in head[:1024], _read)
