"""Read subtitles (SRT, WebVTT, ASS, SSA): what is spoken, a line for each subtitle."""

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
_BEGIN = re.compile(
    r"\s*+(?:\d+[ \t]*\n(?P<srt>\d+:\d\d:\d\d[,.]\d{1,3} --> )|(?P<vtt>WEBVTT\b)|(?P<ass>\[Script Info\]))"
)
_TAG = re.compile(r"</?[a-z][^<>\n]*>|<[\d:.]+>|\{\\[^{}\n]*\}", re.IGNORECASE)  # italics, times of words, positions


def _read(data: bytes, name: str) -> Document:
    if len(data) > _LIMIT:
        raise UserError(f"`{name}` are subtitles of more than {_LIMIT // MEGABYTE} MB.", SAVE_AS_TEXT)
    return Document(_lines(decode_text(data, name), name))


def _lines(source: str, name: str) -> Iterator[str]:
    begin = _BEGIN.match(source)
    try:
        with warnings.catch_warnings(action="ignore"):
            subtitles = pysubs2.SSAFile.from_string(source, format_=begin.lastgroup if begin else None)
    except Exception as error:  # a damaged file makes pysubs2 raise anything
        raise UserError(f"`{name}` are damaged subtitles.", SAVE_AS_TEXT) from error
    before = ""
    for subtitle in sorted(subtitles.events, key=lambda event: event.start):
        if subtitle.is_comment or subtitle.is_drawing:
            continue
        spoken = list[str]()
        for line in subtitle.plaintext.split("\n"):
            words = " ".join(_TAG.sub("", line).split())
            if words and words != before:  # live subtitles come again with the next line
                spoken.append(f"\n{words}" if words.startswith(("-", "–", "—")) else words)
            before = words or before
        if spoken:
            yield " ".join(spoken).replace(" \n", "\n").strip() + "\n"


SUBTITLES = DocumentFormat(lambda head: _BEGIN.match(head_text(head)) is not None, _read)
