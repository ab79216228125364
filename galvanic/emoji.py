"""Discord's custom emoji as messages have them: `<:name:id>`, or `<a:name:id>` if animated."""

import re
from collections.abc import Container

# No id follows, with which the `:name:` that is written in its place could become another emoji.
EMOJI = re.compile(r"(<a?:[A-Za-z0-9_]{1,32}:[0-9]{17,20}>)(?![0-9]{17,20}>)")
_LONGEST = 57


def named(text: str, kept: Container[str] = ()) -> str:
    """Write each custom emoji as `:name:`, except those that are `kept`."""
    return EMOJI.sub(lambda match: match[0] if match[0] in kept else f":{match[0].split(':')[1]}:", text)


def before_emoji(text: str, place: int) -> int:
    """Return `place`, or the beginning of the custom emoji that lies across it."""
    start = text.rfind("<", max(0, place - _LONGEST), max(0, place))
    match = EMOJI.match(text, start) if start >= 0 else None
    return start if match is not None and match.end() > place else place
