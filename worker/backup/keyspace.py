"""Which of Redis' keys a backup has: what must be known after a restore, nothing transient."""

from __future__ import annotations

import re
from enum import Enum

from shared import keys

KEPT = frozenset(
    {
        keys.OUTBOX,
        keys.ACTIVE,
        keys.SERVED,
        keys.HISTORY,
        keys.DELETING,
        keys.STALE,
        keys.WITHDRAWALS,
        keys.TRANSCRIPTS,
        keys.READINGS_ENDED,
    }
)
KEPT_BEGIN = (keys.job(""), keys.corpus(""), keys.transcript(""), keys.model(""), "guild:", "channel:")
# After a restore nobody waits to be notified, and trainings that ran wait again. The list of commands is sent again, as
# Discord may have a newer one; so are the messages that remove models' files.
_PASSING = frozenset({keys.NOTIFICATIONS, keys.PROBE})
_PASSING_BEGIN = ("cooldown:", "workers:", "bot:", keys.staged(""))
_LEASE = re.compile(r"job:[^:]+:lease")
# These messages are of earlier attempts: the bot sends what waits.
_CELERY = re.compile(r"(train|generate)(\x06\x16\d+)?|unacked.*|_kombu\..*|.*\.pidbox|celery.*", re.DOTALL)


class Kind(Enum):
    KEPT = "kept"
    PASSING = "passing"
    FOREIGN = "foreign"


def kind_of(key: bytes) -> Kind:
    """`PASSING`: transient, so in no backup; `FOREIGN`: not Galvanic's."""
    name = key.decode("utf-8", errors="replace")
    if name in _PASSING or name.startswith(_PASSING_BEGIN) or _LEASE.fullmatch(name) or _CELERY.fullmatch(name):
        return Kind.PASSING
    if name in KEPT or name.startswith(KEPT_BEGIN):
        return Kind.KEPT
    return Kind.FOREIGN


def is_large(key: bytes) -> bool:
    """Whether it is a text or a file: it may have many megabytes, and is never changed."""
    return key.startswith(keys.corpus("").encode()) or re.match(rb"job:[^:]+:file:", key) is not None
