"""Reads what Redis holds of jobs: whoever has a worker's password can write it, so it may be damaged or forged."""

import functools
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shared import keys
from shared.events import MOST_EVENT_BYTES, Event, Failed, parse_event
from shared.jobs import Job
from shared.lifecycle import Script, script_text

R = TypeVar("R", bound=BaseModel)
log = structlog.get_logger()
_job: TypeAdapter[Job] = TypeAdapter(Job, config=ConfigDict(hide_input_in_errors=True))
_MOST = 2**64
_MOST_ENTRIES = 100_000
_MOST_BYTES = 4 * MOST_EVENT_BYTES


def read(kind: type[R], data: bytes, event: str, /, **where: Any) -> R | None:
    """Read a record from its JSON. If it is damaged, log that as `event`, with `where`, and return None."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        log.error(event, **where, fields=error.error_count())
        return None


def job_from(job_id: str, data: bytes | None) -> Job | None:
    """Read a job; None: there is none. If it is damaged, or another job, log that and return None, too."""
    if data is None:
        return None
    try:
        job, wrong = _job.validate_json(data), 1
    except ValidationError as error:
        job, wrong = None, error.error_count()
    if job is not None and job.job_id == job_id:
        return job
    log.error("job_not_understood", job_id=job_id, fields=wrong)
    return None


def events_of(job_id: str, after: str = "0", count: int = _MOST_ENTRIES, *, newest: bool = False) -> Script:
    """Return a script that answers a job's events, for `entries` to read.

    They come after the entry `after` ("0": all), `count` at most. `newest`: the last ones, newest first.
    """
    span = ("XREVRANGE", "+", "-") if newest else ("XRANGE", f"({after}" if after != "0" else "-", "+")
    limits = (str(count), str(MOST_EVENT_BYTES), str(_MOST_BYTES))
    return script_text("events"), 1, *(keys.job_events(job_id), *span, *limits)


def entries(job_id: str, answer: list[tuple[bytes, list[bytes]]]) -> list[tuple[str, Event]]:
    """Return events with their ids in the stream, without those that can't be read."""
    pairs = [(entry, event_from(job_id, dict(zip(parts[::2], parts[1::2], strict=True)))) for entry, parts in answer]
    return [(entry.decode(), event) for entry, event in pairs if event is not None]


def event_from(job_id: str, fields: Mapping[bytes, bytes]) -> Event | None:
    """Read an event from its entry in the stream; None if it is damaged.

    A damaged last event is still the job's end, so that nobody waits for another.
    """
    try:
        event = parse_event(fields.get(b"event", b""))
        if _is_sane(event.model_dump()):
            return event
        _tell_once(job_id, 1)
    except ValidationError as error:
        _tell_once(job_id, error.error_count())
    if b"last" not in fields:
        return None
    return Failed(
        problem="This has ended, but I can't read how.",
        remedy="Run the command again. If it stays so, the bot's operator should look at the worker.",
    )


def _is_sane(value: object) -> bool:
    """Return whether all numbers can be shown and reckoned with; a worker sends no others."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return all(map(_is_sane, value))
    return not isinstance(value, int | float) or abs(value) < _MOST  # which is not so of NaN


def card_of(value: bytes | None) -> tuple[int, int] | None:
    """Read the channel and the message of a card from the hash of a job; None: there is no card."""
    ids = re.fullmatch(rb"(\d{1,19}):(\d{1,19})", value or b"")
    return (int(ids[1]), int(ids[2])) if ids else None


def number_of(value: bytes | None) -> float:
    """Read a number from the hash of a job; 0: there is none, or it is damaged."""
    return float(value) if value and re.fullmatch(rb"\d{1,19}(\.\d{1,19})?", value) else 0.0


@functools.lru_cache(maxsize=1_000)
def _tell_once(job_id: str, fields: int) -> None:
    """Log once for each job: its stream is read again and again."""
    log.warning("event_not_understood", job_id=job_id, fields=fields)
