"""Recognising texts that are made for programs, by what is in them: a model would learn their syntax."""

from __future__ import annotations

import re

from shared.errors import UserError

HEAD = 60_000
"""Characters at the beginning of a text that are looked at."""
# All of it must be JSON's words. So "[Illustration]" and "{The lamp burns.}" are none, and JSON lines are.
_JSON = re.compile(
    r'\s*+(?=[\[{]\s*+["\[{\]}\d])(?:[\s\[\]{},:]++|"(?:[^"\\\n]|\\.)*+(?:"|\\?\Z)|-?\d[\d.eE+-]*+|[a-z]{1,5}\Z'
    r"|true\b|false\b|null\b)++\Z"
)
# Atomic: a page of comments could be divided into them in countless ways.
HTML = re.compile(r"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype|html|head|body|\?xml)\b", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(
    r"</?(?:a|b|blockquote|body|br|center|code|div|em|font|h[1-6]|head|hr|html|i|img|li|link|meta|ol|p|pre|script|span"
    r"|strong|style|table|td|th|tr|u|ul)\b[^<>]{0,500}>",
    re.IGNORECASE,
)
_LEAST_TAGS = 20
_LEAST_PARAGRAPHS = 10
_EMPTY = re.compile(r"\n[ \t]{0,40}\n\s{0,40}")
# DiscordChatExporter's text and tables, and the tables of the data that Discord sends to its members.
_DISCORD = re.compile(
    r"\s*+(?:=+\nGuild: .*\nChannel: |\"?AuthorID\"?,\"?Author\"?,\"?Date\"?,\"?Content\b"
    r"|\"?ID\"?,\"?Timestamp\"?,\"?Contents\"?,)"
)
_CHANNELS = "A channel's messages are learned with `train #CHANNEL`, of the members who agreed."
_LATER = "can't be read yet: copy its text into a .txt file and send that."


def refuse_formats(text: str, name: str) -> None:
    """Raises `UserError` for JSON, web pages and exports of Discord's messages, by the first `HEAD` characters."""
    head = text[:HEAD]
    if _DISCORD.match(head):
        raise UserError(f"`{name}` looks like messages that were exported from Discord.", _CHANNELS)
    if _JSON.match(head):
        raise UserError(f"`{name}` looks like data (JSON), not like a text.", f"JSON {_LATER} {_CHANNELS}")
    if HTML.match(head) or _is_tagged(head):
        raise UserError(
            f"`{name}` looks like a web page (HTML), not like a text.",
            f'HTML {_LATER} Project Gutenberg offers its books as "Plain Text", too.',
        )


def _is_tagged(text: str) -> bool:
    """Whether most lines (or paragraphs, where lines were broken for a width) have tags, as in a part of a web page.

    A play with some words in italics is none, nor is Markdown with some tags, nor a chat of somebody called `<b>`.
    """
    if sum(tag.startswith("</") for tag in _TAG.findall(text)) < _LEAST_TAGS:
        return False
    lines, paragraphs = ([part for part in parts if part.strip()] for parts in (text.split("\n"), _EMPTY.split(text)))
    return any(
        2 * sum(_TAG.search(part) is not None for part in parts) > len(parts)
        for parts in (lines, paragraphs if len(paragraphs) >= _LEAST_PARAGRAPHS else lines)
    )
