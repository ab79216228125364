"""Read chats that are logs: of signal-export, and of IRC clients (irssi, WeeChat, HexChat, mIRC, ZNC and others)."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import BinaryIO

from galvanic.read.chat import DAMAGED, SYSTEM, WORDLESS, ChatFormat, Message
from galvanic.read.lines import lines, log_entries

# signal-export's `chat.md`; in older releases, `index.md` without seconds.
_SIGNAL = re.compile(
    r"\[(?P<day>\d{4}-\d\d-\d\d)(?:, \d\d:\d\d| \d\d:\d\d:\d\d)\] (?P<name>[^:\n]{1,100}):(?:[^\S\n]|\Z)(?!\u200e)"
)
_SIGNAL_MARKS = re.compile(
    r"^\(- [^\n]* -\)[^\S\n]*$|^\(\( [^\n]* \)\)[^\S\n]*$"  # reactions, and a sticker
    r"|!?\[[^\[\]\n]{0,300}\]\((?:\.{1,2}/)?(?:media|stickers|exported_stickers)/[^()\n]{0,300}\)",  # files
    re.M,
)
_SIGNAL_CALL = re.compile(r"(?:Incoming|Outgoing|Missed)(?: voice| video| group)? call(?: \([^()\n]*\))?")
_MANY = 20  # headers at the beginning that no other text has
_SIGNAL_DELETED = "(This message was deleted)"

# `[10:11]`, `10:11:12`, `2024-01-02 10:11:12`, `Jan 02 10:11:12`, `[Tuesday, 2 January 2024] [10:11:12 CET]`
_STAMP = (
    r"[\[(]?(?P<day>[\w ,./-]{0,40}?)[\]\[ T]{0,3}(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?: ?[AaPp][Mm])?"
    r"(?:Z|[+-]\d\d:?\d\d| [A-Z]{2,5})?[\])]?"
)
_NICK = r"[^\s<>\d=*-][^\s<>]{0,60}"
_SAID = re.compile(rf"(?:{_STAMP}[ \t]+)?<[ @+%~&!]{{0,2}}(?P<nick>{_NICK})>(?:[ \t](?P<text>.*)|$)")
_WEECHAT = re.compile(rf"(?P<day>\d{{4}}-\d\d-\d\d) \d\d:\d\d:\d\d\t[@+%~&!]?(?P<nick>{_NICK})\t(?P<text>.*)")
_OPENED = re.compile(r"--- (?:Log|Day)\b|\*{4} (?:BEGIN|ENDING) LOGGING|Session (?:Start|Time|Close|Ident)\b")
_NOTICE = re.compile(rf"{_STAMP}[ \t]|\*")
_COLOURS = re.compile(r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04[0-9A-Fa-f]{6}|[\x02\x0f\x11\x16\x1d-\x1f]")
_FITTING = 0.8  # of a log's lines are messages or notices, at least
_SAYING = 0.05  # are messages

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_WRITTEN = re.compile(rf"\b(?:(\d{{1,2}}) )?({'|'.join(_MONTHS)})[a-z]*(?: +(\d{{1,2}})\b)?", re.I)
_YEAR = re.compile(r"\b(?:19[89]|20\d)\d\b")
_HALF_A_YEAR = timedelta(days=183)


def _is_signal(head: str) -> bool:
    text_lines = [line for line in head.splitlines() if line.strip()]
    headers = sum(_SIGNAL.match(line) is not None for line in text_lines)
    return headers >= min(_MANY, max(1, len(text_lines) / 10)) and _SIGNAL.match(text_lines[0]) is not None


def _signal_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    for header, text in log_entries(file, _SIGNAL.match, left_out):
        words = _SIGNAL_MARKS.sub("", text).strip()
        if _SIGNAL_CALL.fullmatch(words):
            left_out[SYSTEM] += 1
        elif words == _SIGNAL_DELETED:
            left_out[WORDLESS] += 1
        else:
            yield Message(header["name"], words, _day(header["day"], None))


def _is_irc(head: str) -> bool:
    """Return whether nearly all lines are an IRC client's, with times or below a line with which a log opens."""
    text_lines = [_COLOURS.sub("", line) for line in head.splitlines() if line.strip()]
    messages = [match for line in text_lines if (match := _said(line)) is not None]
    timed = any(match["day"] is not None for match in messages)
    notices = sum((_NOTICE.match(line) or _OPENED.match(line)) is not None for line in text_lines if not _said(line))
    opened = any(_OPENED.match(line) for line in text_lines[:3])
    return (
        (timed or opened)
        and len(messages) >= max(1, len(text_lines) * _SAYING)
        and len(messages) + notices >= len(text_lines) * _FITTING
    )


def _irc_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield what was said. Actions (`* ada waves`) are left out: in some logs, joins look the same."""
    day: date | None = None
    for line in lines(file):
        plain = _COLOURS.sub("", line)
        if (match := _said(plain)) is not None:
            day = _day(match["day"] or "", day)
            yield Message(match["nick"], match["text"] or "", day)
        elif _OPENED.match(plain):
            day = _day(plain, day)
            left_out[SYSTEM] += 1
        elif plain.strip():
            left_out[SYSTEM if _NOTICE.match(plain) else DAMAGED] += 1


def _said(line: str) -> re.Match[str] | None:
    return _SAID.match(line) or _WEECHAT.match(line)


def _day(text: str, before: date | None) -> date | None:
    """Return the date in a text, or the last one `before`. A date without a year is of that one's, or of the next."""
    try:
        if (iso := _ISO.search(text)) is not None:
            return date(*map(int, iso.groups()))
        if (written := _WRITTEN.search(text)) is None or not (day := written[1] or written[3]):
            return before
        month = 1 + _MONTHS.index(written[2].lower())
        if (year := _YEAR.search(text)) is not None:
            return date(int(year[0]), month, int(day))
        if before is None:
            return None
        same_year = date(before.year, month, int(day))
        return same_year if before - same_year < _HALF_A_YEAR else same_year.replace(year=before.year + 1)
    except ValueError:
        return before


SIGNAL = ChatFormat("a Signal chat", _is_signal, _signal_messages)
IRC = ChatFormat("an IRC log", _is_irc, _irc_messages)
