"""Read subtitles (SRT, WebVTT, ASS, SSA): what is spoken, a line for each subtitle."""

import html
import io
import itertools
import re
import warnings
from collections.abc import Iterator

import pysubs2

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat
from galvanic.read.lines import head_text
from galvanic.read.refusals import SAVE_AS_TEXT
from galvanic.read.text import decode_text
from galvanic.units import MEGABYTE

_LIMIT = 20 * MEGABYTE  # of a file: the subtitles are in memory at once
_BEGIN = re.compile(r"\s*+(?:\d+[ \t]*\n\d+:\d\d:\d\d[,.]\d{1,3} *--> |WEBVTT\b|(?P<ass>\[Script Info\]))")
_TAG = re.compile(r"</?[a-z][^<>\n]*>|<[\d:.]+>|\{\\[^{}\n]*\}", re.IGNORECASE)  # italics, times of words, positions


def _read(data: bytes, name: str) -> Document:
    if len(data) > _LIMIT:
        raise UserError(f"`{name}` are subtitles of more than {_LIMIT // MEGABYTE} MB.", SAVE_AS_TEXT)
    return Document(_lines(decode_text(data, name), name))


def _lines(source: str, name: str) -> Iterator[str]:
    """Yield what each subtitle says, without the lines of the one before, which live subtitles repeat."""
    begin = _BEGIN.match(source)
    before = ""
    for subtitle in _ass(source, name) if begin and begin["ass"] else _cues(source):
        spoken = list[str]()
        for line in subtitle:
            words = " ".join(html.unescape(_TAG.sub("", line)).split())
            if words and words != before:
                spoken.append(f"\n{words}" if words.startswith(("-", "–", "—")) else words)
            before = words or before
        if spoken:
            yield " ".join(spoken).replace(" \n", "\n").strip() + "\n"


def _cues(source: str) -> Iterator[list[str]]:
    """Yield the lines of each subtitle in SRT or WebVTT: those between its times and an empty line."""
    cue: list[str] | None = None
    for line in itertools.chain(io.StringIO(source), [""]):
        is_time = "-->" in line
        if is_time or not line.strip():
            if is_time and cue and cue[-1].strip().isdigit():
                cue.pop()  # the next one's number, where the empty line is missing
            yield cue or []
            cue = [] if is_time else None
        elif cue is not None:
            cue.append(line)


def _ass(source: str, name: str) -> Iterator[list[str]]:
    """Yield the lines of each subtitle in ASS or SSA. Raises UserError: the file is damaged."""
    try:
        with warnings.catch_warnings(action="ignore"):
            subtitles = pysubs2.SSAFile.from_string(source, format_="ass")
    except Exception as error:  # a damaged file makes pysubs2 raise anything
        raise UserError(f"`{name}` are damaged subtitles.", SAVE_AS_TEXT) from error
    for subtitle in sorted(subtitles.events, key=lambda event: event.start):
        if not subtitle.is_comment and not subtitle.is_drawing:
            yield subtitle.plaintext.split("\n")


SUBTITLES = DocumentFormat(lambda head: _BEGIN.match(head_text(head)) is not None, _read)
