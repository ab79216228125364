"""The messages that #tavern has at each start, so that there is a channel to learn from.

They are a plain text, `tavern.txt`. Nobody would write so many by hand to try `!train #tavern`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from playground.places import SINCE, USER_IDS

_FILE = Path(__file__).with_name("tavern.txt")
_BEGIN = datetime.fromisoformat(SINCE) + timedelta(days=1)
_APART = timedelta(hours=2)


class OldMessage(NamedTuple):
    author_id: int
    content: str
    moment: datetime


def old_messages() -> list[OldMessage]:
    """Read the messages, the oldest first.

    Their moments are fixed, so each start gives them the same ids: to the bot a message whose id is gone was deleted,
    and a model that learned it is made again.
    """
    lines = [line.partition(": ") for line in _FILE.read_text("utf-8").splitlines()]
    spoken = [(USER_IDS[name], content) for name, _, content in lines if name in USER_IDS]
    return [OldMessage(*message, _BEGIN + number * _APART) for number, message in enumerate(spoken)]
