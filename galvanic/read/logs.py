"""Read chats that are logs: of signal-export, and of IRC clients (irssi, WeeChat, HexChat, mIRC, ZNC and others)."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO

from galvanic.read.chat import DAMAGED, SYSTEM, ChatFormat, Message
from galvanic.read.fields import day_of
from galvanic.read.lines import first_headers, lines, log_entries

# signal-export's `chat.md`; in older releases, `index.md` without seconds.
_SIGNAL = re.compile(
    r"\[(?P<day>\d{4}-\d\d-\d\d)(?:, \d\d:\d\d| \d\d:\d\d:\d\d)\] (?P<name>[^:\n]{1,100}):(?:[^\S\n]|\Z)"
)
_SIGNAL_MARKS = re.compile(
    r"^\(- [^\n]* -\)[^\S\n]*$|^\(\( [^\n]* \)\)[^\S\n]*$"  # reactions, and a sticker
    r"|^(?:Incoming|Outgoing|Missed)(?: \w+)? call(?: \([^()\n]*\))?$|^\(This message was deleted\)$"
    r"|!?\[[^\[\]\n]{0,300}\]\((?:\.{1,2}/)?(?:media|stickers|exported_stickers)/[^()\n]{0,300}\)",  # files
    re.M,
)

# `[10:11]`, `10:11:12`, `2024-01-02 10:11:12`, `Jan 02 10:11:12`, `[Tuesday, 2 January 2024] [10:11:12 CET]`
_STAMP = r"(?P<stamp>[\w ,./()\[\]-]{0,40}\d:\d\d[^\s<>]{0,16}(?: (?:[AaPp][Mm]|[A-Z]{2,5})[\])]?)?)"
_NICK = r"[^\s<>\d=*-][^\s<>]{0,60}"
_MESSAGE = re.compile(rf"(?:{_STAMP}[ \t]+)?<[ @+%~&!]{{0,2}}(?P<nick>{_NICK})>(?:[ \t](?P<text>.*)|$)")
_WEECHAT = re.compile(rf"(?P<stamp>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\S*)\t[@+%~&!]?(?P<nick>{_NICK})\t(?P<text>.*)")
_OPENED = re.compile(r"(?:\[00:00\] )?--- (?:Log|Day|[A-Z][a-z]{2}) |\*{4} BEGIN LOGGING|Session [A-Z][a-z]{3,4}: ")
_NOTICE = re.compile(rf"{_STAMP}[ \t]|\*|{_OPENED.pattern}")
_COLOURS = re.compile(r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04[0-9A-Fa-f]{6}|[\x02\x0f\x11\x16\x1d-\x1f]")
_FITTING_SHARE = 0.8  # of a log's lines are messages or notices, at least
_MESSAGE_SHARE = 0.05  # are messages


def _is_signal(head: str) -> bool:
    return bool(first_headers(head, _SIGNAL)) and ": \u200e" not in head  # so begin WhatsApp's own words


def _signal_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    for header, text in log_entries(file, _SIGNAL, left_out):
        yield Message(header["name"], _SIGNAL_MARKS.sub("", text.strip()).strip(), day_of(header["day"]))


def _is_irc(head: str) -> bool:
    """Return whether nearly all lines are an IRC client's, with times or below a line with which a log opens."""
    text_lines = [line for line in _COLOURS.sub("", head).splitlines() if line.strip()]
    messages = [match for line in text_lines if (match := _message(line)) is not None]
    if len(messages) < max(1, len(text_lines) * _MESSAGE_SHARE):
        return False
    timed = any(match["stamp"] is not None for match in messages)
    opened = any(_OPENED.match(line) for line in text_lines[:3])
    notices = sum(_NOTICE.match(line) is not None for line in text_lines if not _message(line))
    return (timed or opened) and len(messages) + notices >= len(text_lines) * _FITTING_SHARE


def _irc_messages(file: BinaryIO, left_out: Counter[str]) -> Iterator[Message]:
    """Yield what was said. Actions (`* ada waves`) are left out: in some logs, joins look the same."""
    day: date | None = None
    for line in lines(file):
        plain = _COLOURS.sub("", line)
        if (match := _message(plain)) is not None:
            day = day_of(match["stamp"]) or day
            yield Message(match["nick"], match["text"] or "", day)
        elif plain.strip():
            if _OPENED.match(plain):
                day = day_of(plain) or day
            left_out[SYSTEM if _NOTICE.match(plain) else DAMAGED] += 1


def _message(line: str) -> re.Match[str] | None:
    return _MESSAGE.match(line) or _WEECHAT.match(line)


SIGNAL = ChatFormat("a Signal chat", _is_signal, _signal_messages)
IRC = ChatFormat("an IRC log", _is_irc, _irc_messages)
