"""What a training does while the disk is full: it tells, waits, and loses nothing meanwhile."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import safetensors
import structlog

from galvanic.results import Difficulty, Hooks, TrainingCancelled, TrainingInterrupted

T = TypeVar("T")
AGAIN_S = 5.0
_ASK_EVERY_S = 0.5
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CODE = re.compile(r"\(os error (\d+)\)")

log = structlog.get_logger()


def is_full(error: OSError) -> bool:
    """Whether a file could not be written because the disk, or what this user may have of it, is full."""
    return error.errno in _FULL


def disk_full(error: OSError) -> Difficulty | None:
    """What can be waited out in an error; None: it will be no other the next time."""
    return "disk full" if is_full(error) else None


@contextmanager
def told_by_system() -> Iterator[None]:
    """Let an error of the system that safetensors has put into words be an OSError again.

    Raises:
        OSError: with its number.
    """
    try:
        yield
    except safetensors.SafetensorError as error:
        found = _CODE.search(str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), str(error)) from error


def when_there_is_room(
    write: Callable[[], T], hooks: Hooks, difficulty: Callable[[OSError], Difficulty | None] = disk_full
) -> T:
    """Write something without which a training cannot go on, and wait while there is no room.

    As long as it takes: to give up would help nobody, since the training that comes next finds the same disk,
    and what this one has learned before would be lost. Who does not want to wait can cancel it.

    Args:
        write: writes it, and can be called again.
        hooks: are told, and may end it.
        difficulty: what can be waited out.

    Raises:
        TrainingCancelled: a person cancelled it.
        TrainingInterrupted: it is to pause.
        OSError: something else is wrong.
    """
    told: Difficulty | None = None
    while True:
        try:
            written = write()
        except OSError as error:
            what = difficulty(error)
            if what is None:
                raise
            if told != what:
                log.error(what.replace(" ", "_"), error=str(error))
                hooks.trouble(what)
                told = what
            _wait(hooks)
        else:
            if told:
                hooks.trouble(None)
            return written


def _wait(hooks: Hooks) -> None:
    until = time.monotonic() + AGAIN_S
    while time.monotonic() < until:
        match hooks.control():
            case "cancel":
                raise TrainingCancelled
            case "interrupt":
                raise TrainingInterrupted
        time.sleep(_ASK_EVERY_S)
