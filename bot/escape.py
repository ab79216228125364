"""Discord's limits, the colours, and making anybody's text harmless. Pure functions."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import discord
from discord.utils import escape_mentions

_D = TypeVar("_D")
MOST = 25
"""Discord's limit on autocomplete choices, on a menu's options, and on what is chosen of them."""
LABEL_LIMIT = 100
"""Characters of a choice, of an option's label and of its description."""
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
"""For every edit: unlike a `send`, an edit of embeds alone ignores the client's `allowed_mentions`."""
# Marks anywhere; the bracket of a link; what makes a link or an emoji of a name.
_MARK = re.compile(r"[\\*_~|`<]|(?<=\])\(|:(?=//|[\w+-]{1,64}:)")
# At a line's beginning: headings, quotes, lists, small print.
_LINE_MARK = re.compile(r"(?<![^\n\r])([^\S\n\r]*)([#>]|[-+](?=[\s#]))")
_NUMBER = re.compile(r"(?<![^\n\r])([^\S\n\r]*\d+)([.)])(?=\s)")


def plain(text: str) -> str:
    """Escape text so that Discord shows it as it is: no formatting, mention, link or emoji. In linear time.

    Escapes only what would be read as a mark where it stands, so that prose stays short. Not for code (`code`), where
    Discord shows backslashes.
    """
    return escape_mentions(_NUMBER.sub(r"\1\\\2", _LINE_MARK.sub(r"\1\\\2", _MARK.sub(r"\\\g<0>", text))))


def fit(text: str, limit: int) -> str:
    """As much of a text as takes up to `limit` characters once escaped by `plain`."""
    short = text[: max(0, limit)]
    while short and len(plain(short)) > limit:
        short = short[: -max(1, (len(plain(short)) - limit) // 2)]
    return short


def clipped(text: str, limit: int) -> str:
    """As much of a text as fits, escaped: cut after escaping, it could end within an escape."""
    return plain(fit(text, limit))


def code(typed: object, limit: int = 40) -> str:
    """The beginning of what somebody typed, in code style: shown as it is, in one line."""
    text = " ".join(str(typed).split()).replace("`", "'")
    return f"`{text[:limit]}{'…' if len(text) > limit else ''}`" if text else "nothing"


def label(text: str) -> str:
    """A name as Discord takes it for a choice or an option: one line, not empty, up to `LABEL_LIMIT` characters."""
    line = " ".join(text.split())
    return (line if len(line) <= LABEL_LIMIT else f"{line[: LABEL_LIMIT - 1].rstrip()}…") or "-"


def replace_surrogates(data: _D) -> _D:
    """Replace lone surrogates with U+FFFD in all texts of the data: JSON lets them through, UTF-8 does not."""
    made: Any = data
    match data:
        case str() if not data.isascii():
            made = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            made = {name: replace_surrogates(value) for name, value in data.items()}
        case list():
            made = [replace_surrogates(value) for value in data]
    return made  # type: ignore[no-any-return]
