"""Which of Redis' keys a backup has: what is to be known after a restore, and nothing that only lives."""

from __future__ import annotations

import re
from enum import Enum

from shared import keys

KEPT = frozenset(
    {
        keys.UNDELIVERED,
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
# Nobody is there to be notified, and no attempt of before has a training: one that ran waits again. What was sent to
# Discord as the list of commands may be newer there by now, so it is sent again; so is what removes models' files.
_PASSING = frozenset({keys.NOTIFICATIONS, keys.DELETION_SENT, keys.PROBE})
_PASSING_BEGIN = ("cooldown:", "workers:", "bot:", keys.staged(""))
_LEASE = re.compile(r"job:[^:]+:lease")
# Messages are of attempts of before: the bot sends what waits.
_CELERY = re.compile(r"(train|generate)(\x06\x16\d+)?|unacked.*|_kombu\..*|.*\.pidbox|celery.*", re.DOTALL)


class Kind(Enum):
    """What a key is, to a backup."""

    KEPT = "kept"
    PASSING = "passing"
    FOREIGN = "foreign"


def kind_of(key: bytes) -> Kind:
    """What a key is: `KEPT` in a backup; `PASSING`, because it only lives; or not ours."""
    name = key.decode("utf-8", errors="replace")
    if name in _PASSING or name.startswith(_PASSING_BEGIN) or _LEASE.fullmatch(name) or _CELERY.fullmatch(name):
        return Kind.PASSING
    if name in KEPT or name.startswith(KEPT_BEGIN):
        return Kind.KEPT
    return Kind.FOREIGN


def job_of(key: bytes) -> str | None:
    """The id of the job that a key belongs to, if any."""
    match = re.match(rb"job:([^:]+)", key)
    return match[1].decode("utf-8", errors="replace") if match else None


def is_large(key: bytes) -> bool:
    """Whether it is a text or a file: it may have many megabytes, and is never changed."""
    return key.startswith(keys.corpus("").encode()) or re.match(rb"job:[^:]+:file:", key) is not None
