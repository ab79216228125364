"""Text that anybody may have written, made harmless for Discord. Pure functions."""

from __future__ import annotations

import re

import discord
from discord.utils import escape_mentions

NOBODY = discord.AllowedMentions.none()
"""For every edit: unlike a `send`, an edit of embeds alone does not take the client's own."""
# Marks anywhere; the bracket of a link; what makes a link or an emoji of a name.
_MARK = re.compile(r"[\\*_~|`<]|(?<=\])\(|:(?=//|[\w+-]{1,64}:)")
# At a line's beginning: headings, quotes, lists, small print.
_LINE_MARK = re.compile(r"(?<![^\n\r])([^\S\n\r]*)([#>]|[-+](?=[\s#]))")
_NUMBER = re.compile(r"(?<![^\n\r])([^\S\n\r]*\d+)([.)])(?=\s)")


def plain(text: str) -> str:
    """Hostile or generated text, so that Discord shows it as it is: no formatting, no mention, no link, no emoji.

    Escapes only what would be read as a mark where it stands, so that prose stays short; in linear time. Not for
    code (`code`), where Discord shows backslashes.
    """
    return escape_mentions(_NUMBER.sub(r"\1\\\2", _LINE_MARK.sub(r"\1\\\2", _MARK.sub(r"\\\g<0>", text))))


def fit(text: str, limit: int) -> str:
    """As much of a text as takes up to `limit` characters once it is escaped by `plain`."""
    short = text[: max(0, limit)]
    while short and len(plain(short)) > limit:
        short = short[: -max(1, (len(plain(short)) - limit) // 2)]
    return short


def clipped(text: str, limit: int) -> str:
    """As much of a text as fits, escaped: cut afterwards it could end within an escape."""
    return plain(fit(text, limit))


def code(typed: object, limit: int = 40) -> str:
    """What somebody typed, or the beginning of it, in code style: shown as it is, in one line."""
    text = " ".join(str(typed).split()).replace("`", "'")
    return f"`{text[:limit]}{'…' if len(text) > limit else ''}`" if text else "nothing"
