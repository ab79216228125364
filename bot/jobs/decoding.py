"""Decodes what another version of the bot or of a worker may have written into Redis."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from galvanic.errors import UserError
from shared import keys
from shared.events import MOST_EVENT_BYTES, TERMINAL, Event, Failed, kind_of, parse_event
from shared.jobs import Job
from shared.lifecycle import Script, script_text

R = TypeVar("R", bound=BaseModel)
log = structlog.get_logger()
_job: TypeAdapter[Job] = TypeAdapter(Job, config=ConfigDict(hide_input_in_errors=True))
_MOST = 2**64
_MOST_ENTRIES = 100_000
_MOST_BYTES = 4 * MOST_EVENT_BYTES
_REMEDY = "Ask the bot's operator to bring the bot and its workers to the same version."


class NotUnderstood(UserError):
    """A job that this version cannot read (`fields`); another may, so it stays where it is."""

    def __init__(self, *fields: str) -> None:
        super().__init__("I can't read this job: another version of me wrote it.", _REMEDY)
        self.fields = fields


def read(kind: type[R], data: bytes, event: str, /, **where: Any) -> R | None:
    """A record from its JSON; None: another version wrote it. That is logged as `event`, with `where`."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        log.error(event, **where, fields=error.error_count())
        return None


def job_from(job_id: str, data: bytes) -> Job:
    """Read a job. Raises NotUnderstood if another version wrote it, or it is another job."""
    try:
        job = _job.validate_json(data)
    except ValidationError as error:
        raise NotUnderstood(*(".".join(map(str, detail["loc"])) for detail in error.errors())) from error
    if job.job_id != job_id:
        raise NotUnderstood("job_id")
    return job


def events_of(job_id: str, after: str = "0", count: int = _MOST_ENTRIES, *, newest: bool = False) -> Script:
    """A script whose answer `entries` reads: a job's events after the entry `after` ("0": all), `count` at most.

    `newest`: the last ones, newest first.
    """
    span = ("XREVRANGE", "+", "-") if newest else ("XRANGE", f"({after}" if after != "0" else "-", "+")
    limits = map(str, (count, MOST_EVENT_BYTES, _MOST_BYTES))
    return Script(script_text("events"), (keys.job_events(job_id),), (*span, *limits))


def entries(job_id: str, answer: list[tuple[bytes, list[bytes]]]) -> list[tuple[str, Event]]:
    """Events with their ids in the stream, without those that this version does not know."""
    found = [(entry, understood(job_id, dict(zip(parts[::2], parts[1::2], strict=True)))) for entry, parts in answer]
    return [(entry.decode(), event) for entry, event in found if event is not None]


def understood(job_id: str, fields: Mapping[bytes, bytes]) -> Event | None:
    """An event from its entry in the stream; None for one that this version does not know.

    The job's others count all the same. But the last one is its end, whatever it says: nobody is to wait for another.
    """
    data = fields.get(b"event", b"")
    try:
        event = parse_event(data)
        if _is_sane(event.model_dump()):
            return event
        _tell_once(job_id, 1)
    except ValidationError as error:
        _tell_once(job_id, error.error_count())
    if b"last" not in fields and kind_of(data) not in TERMINAL:
        return None
    return Failed(problem="This has ended, but I can't read how: my worker is of another version.", remedy=_REMEDY)


def _is_sane(value: object) -> bool:
    """Whether all numbers can be shown and reckoned with; a worker of this version sends no others."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return all(map(_is_sane, value))
    return not isinstance(value, int | float) or abs(value) < _MOST  # which is not so of NaN


def card_of(value: bytes | None) -> tuple[int, int] | None:
    """Channel and message from the hash of a job or a transcript; None: none, or not readable."""
    found = re.fullmatch(rb"(\d{1,19}):(\d{1,19})", value or b"")
    return (int(found[1]), int(found[2])) if found else None


@functools.lru_cache(maxsize=1_000)
def _tell_once(job_id: str, fields: int) -> None:
    """Once for each job: its stream is read again and again."""
    log.warning("event_not_understood", job_id=job_id, fields=fields)
