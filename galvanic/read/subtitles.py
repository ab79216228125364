"""Read subtitles (SRT, WebVTT, ASS, SSA): what is spoken, a line for each subtitle."""

import html
import operator
import re
from collections.abc import Iterator

from galvanic.read.documents import Document, DocumentFormat
from galvanic.read.encodings import head_text
from galvanic.read.text import decode_text

_BEGIN = re.compile(r"\s*+(?:\d+[ \t]*\n\d+:\d\d:\d\d[,.]\d{1,3} *--> |WEBVTT\b|\[Script Info\])")
# The lines between times and an empty line, or the next one's number and times.
_CUE = re.compile(r"^.*-->.*\n?((?:(?!(?:\d+[ \t]*\n)?.*-->).*\S.*\n?)*+)", re.MULTILINE)
_ASS = re.compile(r"^Dialogue:[^,\n]*,([^,\n]*),(?:[^,\n]*,){7}(.*)", re.MULTILINE)  # its begin and words
_ASS_BREAK = re.compile(r"\\[Nn]")
# Drawings, then italics, times of words and positions.
_MARKS = re.compile(r"\{[^{}\n]*\\p[1-9].*|\{[^{}\n]*\}|</?[a-z][^<>\n]*>|<[\d:.]+>", re.IGNORECASE)


def _read(data: bytes, name: str) -> Document:
    return Document("".join(_lines(decode_text(data, name))))


def _lines(source: str) -> Iterator[str]:
    """Yield what each subtitle says, without the lines of the one before, which live subtitles repeat."""
    before = ""
    for subtitle in _subtitles(source):
        spoken = list[str]()
        for line in subtitle.split("\n"):
            words = " ".join(html.unescape(_MARKS.sub("", line)).split())
            if words and words != before:
                spoken.append(f"\n{words}" if words.startswith(("-", "–", "—")) else words)
            before = words or before
        if spoken:
            yield " ".join(spoken).replace(" \n", "\n").strip() + "\n"


def _subtitles(source: str) -> Iterator[str]:
    if not source.lstrip().startswith("[Script Info]"):
        return (cue[1] for cue in _CUE.finditer(source))
    cues = sorted(_ASS.finditer(source), key=operator.itemgetter(1))
    return (_ASS_BREAK.sub("\n", cue[2].replace("\\h", " ")) for cue in cues)


SUBTITLES = DocumentFormat(lambda head: _BEGIN.match(head_text(head)) is not None, _read)
