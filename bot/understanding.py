"""Reads events that a worker of another version may have written."""

from __future__ import annotations

import functools

import structlog
from pydantic import ValidationError

from shared.events import Event, parse_event

log = structlog.get_logger()


def understood(job_id: str, data: bytes) -> Event | None:
    """An event from its JSON; None for one that this version does not know: the job's others count all the same."""
    try:
        return parse_event(data)
    except ValidationError as error:
        _tell_once(job_id, error.error_count())
        return None


@functools.lru_cache(maxsize=1_000)
def _tell_once(job_id: str, fields: int) -> None:
    """Log it for each job once: its stream is read again and again."""
    log.warning("event_not_understood", job_id=job_id, fields=fields)
