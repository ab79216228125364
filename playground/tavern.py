"""The messages that #tavern has at each start, so that there is a channel to learn from.

They are a plain text, `tavern.txt`. Nobody would write so many by hand to try `!train #tavern`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from playground.places import USER_IDS

_FILE = Path(__file__).with_name("tavern.txt")
_APART = timedelta(hours=2)


class OldMessage(NamedTuple):
    author_id: int
    content: str
    moment: datetime


def old_messages(month: datetime | None = None) -> list[OldMessage]:
    """Read the messages, the oldest first. They fill the weeks before the first day of this month.

    A start in the same month gives them the same ids: to the bot a message whose id is gone was deleted, and a model
    that learned it is made again. Much older ones would be too old for models that learn on (`LEARN_DAYS`).
    """
    lines = [line.partition(": ") for line in _FILE.read_text("utf-8").splitlines()]
    spoken = [(USER_IDS[name], content) for name, _, content in lines if name in USER_IDS]
    end = (month or datetime.now(UTC)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = end - len(spoken) * _APART
    return [OldMessage(*message, begin + number * _APART) for number, message in enumerate(spoken)]
