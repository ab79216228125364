"""Formatting: Discord's limits, colours, harmless forms of people's texts, times and figures."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_mentions

from galvanic import units
from galvanic.emoji import EMOJI, before_emoji
from galvanic.read.cleaning import REFERRED
from shared.jobs import TrainJob

Fit = Callable[[str], str]
"""Makes a model's text fit to be shown in a server: without what the server blocks, and with its custom emoji."""
MOST = 25  # Discord's limit on autocomplete choices, on a menu's options, and on what is chosen of them
LABEL_LIMIT = 100  # characters of a choice, of an option's label and of its description
DESCRIPTION_LIMIT = 4_096
FIELD_LIMIT = 1_024
TITLE_LIMIT = 256
"""Characters of an embed's parts."""
BLURPLE = discord.Colour(0x5865F2)
AMBER = discord.Colour(0xF0B232)
GREEN = discord.Colour(0x23A559)
RED = discord.Colour(0xDA373C)
GREY = discord.Colour(0x80848E)
NOBODY = discord.AllowedMentions.none()
"""Mentions of nobody. Every edit needs it: an edit of embeds alone ignores the client's `allowed_mentions`."""
BAR_CELLS = 20
SAMPLE_CHARS = 280
SLASH = "/"  # prefix of commands in servers where messages can't be read
# Custom emoji, which are no marks; marks anywhere; the bracket of a link; what makes a link or an emoji of a name.
_MARK = re.compile(rf"{EMOJI.pattern}|[\\*_~|`<]|(?<=\])\(|:(?=//|[\w+-]{{1,64}}:)")
# At a line's beginning: headings, quotes, lists, small print.
_LINE_MARK = re.compile(r"(?<![^\n\r])([^\S\n\r]*)([#>]|[-+](?=[\s#]))")
# What a cut has left of a word, and the space between it and the others.
_FIRST_WORD, _LAST_WORD = re.compile(r"\A\S*\s+(?=\S)"), re.compile(r"(?<=\S)\s+\S+\Z")
_MENTION = re.compile(r"<(@!?|@&|#)(\d{1,20})>")
_MENTIONED = {"@": "member", "@!": "member", "@&": "role", "#": "channel"}
_NUMBER = re.compile(r"(?<![^\n\r])([^\S\n\r]*\d+)([.)])(?=\s)")


def plain(text: str) -> str:
    """Escape text so that Discord shows it as it is: no formatting, mention or link; custom emoji stay. In linear time.

    Escapes only what would be read as a mark where it stands, so that prose stays short. Not for code (`code`), where
    Discord shows backslashes.
    """
    escaped = _MARK.sub(lambda mark: mark[1] or f"\\{mark[0]}", text)
    return escape_mentions(_NUMBER.sub(r"\1\\\2", _LINE_MARK.sub(r"\1\\\2", escaped)))


def without_ids(text: str, message: discord.Message) -> str:
    """Write names in place of the mentions that a person typed, which Discord sends as ids.

    Roles and channels become the words that stand for them in what models learn, since a person may not see a channel,
    whose name would tell of it; and so do people in a slash command, of which Discord doesn't say whom it mentions.
    """
    names = {str(member.id): member.display_name for member in message.mentions}
    return _MENTION.sub(lambda mention: names.get(mention[2]) or REFERRED[_MENTIONED[mention[1]]], text)


def server_emoji(text: str, guild: discord.Guild | None) -> str:
    """Write each custom emoji as the server's of that id, or else of that name, or else as `:name:`."""
    usable = [emoji for emoji in guild.emojis if emoji.is_usable()] if guild is not None else []
    own = {key: str(emoji) for emoji in usable for key in (emoji.name, emoji.id)}

    def shown(match: re.Match[str]) -> str:
        emoji = discord.PartialEmoji.from_str(match[0])
        return own.get(emoji.id or 0) or own.get(emoji.name) or f":{emoji.name}:"

    return EMOJI.sub(shown, text)


def shorten(text: str, limit: int) -> str:
    """Cut a text so that it takes at most `limit` characters once escaped by `plain`, and not within an emoji."""
    short = text[: max(0, limit)]
    while short and len(plain(short)) > limit:
        short = short[: -max(1, (len(plain(short)) - limit) // 2)]
    return short[: before_emoji(text, len(short))]


def shorten_words(text: str, limit: int) -> str:
    """Do as `shorten`, but cut at the end of a word if words have spaces between them."""
    return _whole(text, shorten(text, limit))


def _whole(text: str, short: str) -> str:
    """The beginning of a text without what is left of a word at its end."""
    return short if text[len(short) :][:1].strip() == "" else _LAST_WORD.sub("", short)


def tail(text: str, most: int) -> str:
    """Return at most so many of a text's last characters, from a whole word on if words have spaces between them."""
    return text if len(text) <= most else _FIRST_WORD.sub("", text[-most:])


def clipped(text: str, limit: int) -> str:
    """Cut a text to fit and escape it. Cut after escaping, it could end within an escape."""
    return plain(shorten(text, limit))


def code(typed: object, limit: int = 40) -> str:
    """The beginning of what somebody typed, in code style: shown as it is, in one line."""
    text = " ".join(str(typed).split()).replace("`", "'")
    return f"`{text[:limit]}{'…' if len(text) > limit else ''}`" if text else "nothing"


def as_typed(prefix: str, command: str, *fields: str) -> str:
    """A command as it can be typed: `!generate the sea --model alice`, or `/generate seed:the sea model:alice`.

    `fields`: those of the slash command, each followed by its value; an option's name begins with `--`.
    """
    parts = [f"{prefix}{command}"]
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if prefix == SLASH:
            parts.append(f"{name.removeprefix('--')}:{value}")
        else:
            parts.append(f"{name} {value}" if name.startswith("--") else value)
    return " ".join(parts)


def typed_prefix(prefix: str, me: discord.ClientUser | None) -> str:
    """Return what typed commands begin with: the prefix or, if messages can't be read, a mention."""
    return f"@{me.name} " if prefix == SLASH and me is not None else prefix


def label(text: str) -> str:
    """A name as Discord takes it for a choice or an option: one line, not empty, up to `LABEL_LIMIT` characters."""
    line = " ".join(text.split())
    return (line if len(line) <= LABEL_LIMIT else f"{line[: LABEL_LIMIT - 1].rstrip()}…") or "-"


@dataclass(frozen=True)
class Estimate:
    """An expected span; `sure`: from a measured pace, otherwise only what a time limit allows."""

    seconds: float
    sure: bool


def some(names: Sequence[str], most: int = 10) -> str:
    """Join names, as in `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def listed(lines: Sequence[str], more: str, most_chars: int = DESCRIPTION_LIMIT, most: int | None = None) -> str:
    """Join as many lines as fit, at most `most`, and say how many are left out, as in `and {} more`."""
    shown, room = list(lines[:most]), most_chars - len(more) - 8  # of its number
    while sum(len(line) + 1 for line in shown) > room:
        shown.pop()
    rest = len(lines) - len(shown)
    return "\n".join([*shown, more.format(rest)] if rest else shown)


def mentions(channel_ids: Iterable[int]) -> str:
    """Show the channels' names, each only to those who see the channel."""
    return some([f"<#{channel_id}>" for channel_id in channel_ids])


def size(amount: int) -> str:
    """Return bytes in words: `7 kB`, `3.2 MB`, `78 GB`."""
    for unit, above in (("GB", 1e9), ("MB", 1e6)):
        if amount >= above:
            return f"{amount / above:.1f} {unit}" if amount < 10 * above else f"{amount / above:,.0f} {unit}"
    return f"{max(1, round(amount / 1e3))} kB"


def bar(share: float) -> str:
    full = round(BAR_CELLS * min(1.0, max(0.0, share)))
    return "█" * full + "░" * (BAR_CELLS - full)


def about(seconds: float) -> str:
    """Say a time roughly: `under a minute`, `about 12 min`, `about 3 h`."""
    return "under a minute" if seconds < 60 else f"about {_coarse(round(seconds / 60))}"


def in_line(place: int, waiting: int, begins: Estimate | None) -> str:
    """Say a place in line (from 0): `2nd of 5 waiting, begins in about 12 min`."""
    number = place + 1
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    where = f"{number}{ending} of {waiting} waiting" if place else "next in line"
    if begins is None:
        return where
    return f"{where}, begins in {'a moment' if begins.seconds < 1 else span(begins)}"


def span(estimate: Estimate) -> str:
    """Say an estimate: `about 12 min`, or `at most 12 min` if it is only a limit."""
    if estimate.sure:
        return about(estimate.seconds)
    return "at most a minute" if estimate.seconds <= 60 else f"at most {_coarse(math.ceil(estimate.seconds / 60))}"


def in_minutes(number: float) -> str:
    """Say minutes: `1 minute`, `1.5 minutes`."""
    return f"{number:g} minute" + ("" if number == 1 else "s")


def _coarse(minutes: int) -> str:
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f}".removesuffix(".0") + " h"


def bits(nats: float | None) -> str:
    """Write a loss in bits, `…` if it is not known yet."""
    return "…" if nats is None else units.bits(nats)


def quote(text: str) -> str:
    """A sample as a block quote that fits an embed field."""
    text = text.strip()
    short = _whole(text, text[: before_emoji(text, SAMPLE_CHARS)]).rstrip()
    lines = [plain(line) for line in short.splitlines() if line.strip()] or ["…"]
    return "\n".join(f"> {line}" for line in lines)[:FIELD_LIMIT]


def figure(value: float) -> str:
    """Write a number as one would type it as an option: whole numbers with all digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def percent(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def add_fields(embed: discord.Embed, fields: Mapping[str, str], *, inline: bool = True) -> None:
    """Add the fields that are not empty."""
    for name, value in fields.items():
        if value:
            embed.add_field(name=name, value=value, inline=inline)


def short_title(job: TrainJob) -> str:
    return clipped(job.corpus.title[:100], TITLE_LIMIT - 30)
