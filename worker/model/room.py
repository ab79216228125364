"""What a training does while the disk is full: it tells, waits for room, and loses nothing meanwhile."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import safetensors
import structlog

from shared.errors import UserError
from worker.model.results import Hooks, TrainingCancelled, TrainingInterrupted

T = TypeVar("T")
PATIENCE_S = 30 * 60.0
"""How long a model that is made waits for room: somebody has to hear of it, and delete something."""
AGAIN_S = 5.0
_ASK_EVERY_S = 0.5
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CODE = re.compile(r"\(os error (\d+)\)")

log = structlog.get_logger()


def is_full(error: OSError) -> bool:
    """Whether a file could not be written because the disk, or what this user may have of it, is full."""
    return error.errno in _FULL


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


def when_there_is_room(write: Callable[[], T], hooks: Hooks) -> T:
    """Write something without which all was for nothing, and wait while the disk is full.

    Args:
        write: writes it, and can be called again.
        hooks: are told, and may end it.

    Raises:
        TrainingCancelled: a person cancelled it.
        TrainingInterrupted: it is to pause.
        UserError: nobody made room in time.
        OSError: something else is wrong.
    """
    told, until = False, time.monotonic() + PATIENCE_S
    while True:
        try:
            written = write()
        except OSError as error:
            if not is_full(error):
                raise
            if time.monotonic() >= until:
                raise UserError(
                    f"The worker's disk is full, and nobody made room for {PATIENCE_S / 60:.0f} minutes.",
                    "Ask the bot's operator to make room, then run the command again.",
                ) from error
            if not told:
                log.error("disk_full", waiting_s=PATIENCE_S)
                hooks.trouble("disk full")
                told = True
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
