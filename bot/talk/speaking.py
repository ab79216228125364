"""Rules for speaking unasked in a channel: read from what an admin types, shown, and applied to messages."""

import contextlib
import functools
import random
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from discord.utils import snowflake_time

from bot.words import code, plain
from galvanic.errors import UserError
from galvanic.units import duration
from shared import blocklist

_MOST_AN_HOUR = 60  # texts in a channel, whatever its admins choose
EXAMPLES = ("2%", "every 40", "every 2h", "on words pizza, monster", "most 6", "quiet 23-7 Europe/Berlin", "off")
_NO_PACE = {"chance": 0.0, "messages": 0, "minutes": 0}
_MOST_WORDS = 20
_SHOWN_WORDS = 5
_DAY = 1_440  # minutes
_JITTER = 0.25  # by so much of the time chosen the next text may come later
_SPAN = re.compile(r"(?:(\d{1,3}) ?d(?:ays?)?)? ?(?:(\d{1,3}) ?h(?:ours?)?)? ?(?:(\d{1,5}) ?m(?:in(?:utes?)?)?)?", re.I)
_HOURS = re.compile(r"(\d\d?)(?::([0-5]\d))? ?[-–] ?(\d\d?)(?::([0-5]\d))?(?: (\S{1,40}))?")
_matcher = functools.lru_cache(maxsize=256)(blocklist.Blocklist)


@dataclass(frozen=True)
class Speaking:
    """The rules of a channel. If the first four are 0 or empty, the bot does not speak by itself.

    Attributes:
        chance: that a message is followed by a text.
        messages, minutes: after which there is a text; 0: never.
        words: entries of `shared.blocklist`: a message with one of them is followed by a text.
        most: texts an hour.
        hours: in which there are none, in minutes of the day in `zone`; the second may be the smaller one.
    """

    chance: float = 0.0
    messages: int = 0
    minutes: int = 0
    words: tuple[str, ...] = ()
    most: int = 6
    hours: tuple[int, int] | None = None
    zone: tzinfo = UTC

    @property
    def on(self) -> bool:
        return bool(self.chance or self.messages or self.minutes or self.words)

    @property
    def lines(self) -> str:
        """Return lines from which `parse` makes the same rules."""
        lines = (
            (self.chance, f"{100 * self.chance:g}%"),
            (self.messages, f"every {self.messages}"),
            (self.minutes, f"every {self.minutes}m"),
            (self.words, f"on words {', '.join(self.words)}"),
            (self.most, f"most {self.most}"),
            (self.hours, f"quiet {'-'.join(self.clocks)} {self.zone}"),
        )
        return "\n".join(line for chosen, line in lines if chosen)

    @property
    def clocks(self) -> list[str]:
        return [f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in self.hours or ()]

    def is_quiet(self, at: datetime) -> bool:
        """Return whether it is within the quiet hours; `at`: with a time zone."""
        local, (begin, end) = at.astimezone(self.zone), self.hours or (0, 0)
        minute = 60 * local.hour + local.minute
        return begin <= minute < end if begin <= end else minute >= begin or minute < end

    def is_called_by(self, content: str, sent_at: datetime, heard: int, last_id: int) -> bool:
        """Return whether a message calls for a text. `heard`: messages since the last text, whose id is `last_id`."""
        # Drawn from the id, so that a restart changes nothing.
        due_s = 60 * self.minutes * (1 + _JITTER * random.Random(last_id).random())
        return (
            random.random() < self.chance
            or 0 < self.messages <= heard
            or 0 < due_s <= (sent_at - snowflake_time(last_id)).total_seconds()
            or _matcher(self.words).hits(content)
        )


def parse(lines: str, rules: Speaking | None = None) -> Speaking:
    """Read the rules from lines like `EXAMPLES`. Raises UserError, which says why they can't be."""
    rules, pace = rules or Speaking(), ""
    for line in filter(None, (" ".join(line.split()) for line in lines.splitlines())):
        changes = _changes(line)
        if any(changes.get(name) for name in _NO_PACE):
            if pace:
                raise UserError(f"I can't speak {code(pace)} and {code(line)} at once.", "Leave out one of them.")
            pace = line
        rules = replace(rules, **changes)
    return rules


def _changes(line: str) -> dict[str, Any]:
    first, _, rest = line.lower().partition(" ")
    match first:
        case "off" if not rest:
            return {**_NO_PACE, "words": ()}
        case "every" if match := re.fullmatch(r"(\d{1,9})(?: messages?)?", rest):
            return {**_NO_PACE, "messages": _within("messages", match[1], 10_000)}
        case "every" if minutes := span(rest):
            return {**_NO_PACE, "minutes": minutes}
        case "on" | "words":
            words = blocklist.parse(re.sub(r"^words?( |$)", "", rest))
            if not words:
                raise UserError("When should I speak?", "Write something like `2%`, `every 40` or `on words pizza`.")
            return {"words": words[: _within("words", str(len(words)), _MOST_WORDS)] if words != ("off",) else ()}
        case "most" if re.fullmatch(r"\d{1,9}", rest):
            return {"most": _within("texts an hour", rest, _MOST_AN_HOUR)}
        case "quiet" if rest == "off":
            return {"hours": None, "zone": UTC}
        case "quiet" if match := _HOURS.fullmatch(line.partition(" ")[2]):
            begin, end = (60 * int(match[at]) + int(match[at + 1] or 0) for at in (1, 3))
            if max(begin, end) <= _DAY and (begin - end) % _DAY:
                return {"hours": (begin % _DAY, end % _DAY), "zone": _zone(match[5] or "UTC")}
        case _ if match := re.fullmatch(r"(\d{1,3})(?:[.,](\d{1,2}))? ?%", line):
            hundredths = int(f"{match[1]}{match[2] or '':0<2}")
            if not 1 <= hundredths <= 10_000:
                raise UserError(f"The chance can't be {hundredths / 100:g}%.", "Choose from 0.01% to 100%, or `off`.")
            return {**_NO_PACE, "chance": hundredths / 10_000}
    some = ", ".join(f"`{example}`" for example in EXAMPLES)
    raise UserError(f"I can't tell from {code(line)} when to speak.", f"Write something like {some}.")


def span(typed: str) -> int | None:
    """Minutes of `8h`, `90 min` or `1d 12h`; None: it is no span. Raises UserError: it is none, or over a month."""
    match = _SPAN.fullmatch(typed.strip())
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups())
    total = days * _DAY + hours * 60 + minutes
    if not 1 <= total <= 30 * _DAY:
        raise UserError(f"The time can't be {code(typed.strip())}.", "Choose from a minute (`1m`) to 30 days (`30d`).")
    return total


def describe(speaking: Speaking) -> str:
    if not speaking.on:
        return "I speak here only when I'm asked to."
    words = [f"*{plain(word)}*" for word in speaking.words[:_SHOWN_WORDS]]
    if more := len(speaking.words) - len(words):
        words.append(f"one of {more} more words")
    messages = "message" if speaking.messages == 1 else f"{speaking.messages:,} messages"
    whens = (
        (speaking.chance, f"after {100 * speaking.chance:g} of 100 messages, by chance"),
        (speaking.messages, f"after every {messages}"),
        (speaking.minutes, f"about every {_whole(60 * speaking.minutes)} while people write"),
        (words, f"when somebody writes {' or '.join(words)}"),
    )
    when = ", and ".join(phrase for chosen, phrase in whens if chosen)
    quiet = f", not from {' to '.join(speaking.clocks)} ({speaking.zone})" if speaking.hours else ""
    most = "once" if speaking.most == 1 else f"{speaking.most} times"
    return f"I speak here unasked {when}: at most {most} an hour{quiet}, never twice in a row."


def _whole(seconds: int) -> str:
    """Write a time without zeros at its end: `40 min`, `2 h`, `1 h 30 min`."""
    return duration(seconds).removesuffix(" 00 s").removesuffix(" 00 min")


def _zone(name: str) -> tzinfo:
    for spelled in (name, name.title()):
        with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return UTC if name.upper() == "UTC" else ZoneInfo(spelled)
    raise UserError(f"I know no time zone {code(name)}.", "Name one like `Europe/Berlin` or `America/New_York`.")


def _within(what: str, typed: str, most: int) -> int:
    if not 1 <= int(typed) <= most:
        raise UserError(f"The number of {what} can't be {int(typed):,}.", f"Choose from 1 to {most:,}.")
    return int(typed)
