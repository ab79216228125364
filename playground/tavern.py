"""The messages that #tavern has at each start, so that there is a channel to learn from.

They are a plain text, `tavern.txt`. Nobody would write so many by hand to try `!train #tavern`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from playground.places import USER_IDS

_FILE = Path(__file__).with_name("tavern.txt")
_BEGIN, _APART = datetime(2026, 1, 5, tzinfo=UTC), timedelta(hours=2)


class OldMessage(NamedTuple):
    author_id: int
    content: str
    moment: datetime


def old_messages() -> list[OldMessage]:
    """Read the messages, the oldest first. At each start they have the same times, and so the same ids."""
    lines = [line.partition(": ") for line in _FILE.read_text("utf-8").splitlines()]
    spoken = [(USER_IDS[name], content) for name, _, content in lines if name in USER_IDS]
    return [OldMessage(*message, _BEGIN + number * _APART) for number, message in enumerate(spoken)]
