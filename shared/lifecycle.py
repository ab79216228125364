"""The life of a job in Redis: `waiting` -> `sent` -> `begun` -> `over`, each step one script (`shared/scripts`).

A job's record has its state, its newest attempt's number, and that attempt's nonce. A Celery message is one attempt
at one job: it begins once, and only while it is the newest. One that is sent and not begun in time, or whose worker is
gone, waits again under a new number, and whatever the old one still tells is refused.
"""

from __future__ import annotations

import functools
import secrets
from importlib.resources import files
from typing import Literal, NamedTuple

from shared import keys
from shared.events import Cancelled, Finished, Imported, Interrupted, Queued
from shared.jobs import TRAIN_QUEUE, DeleteJob, Job, TrainJob

FIRST_EVENT = "0-1"
"""Id of a job's first event: any attempt's are larger."""
FIRST_SEQ = 2
"""Of an attempt's own events; what is told before it begins, that the one before was interrupted, has 1."""
LEASE_S = 60
"""A training whose worker was not heard of for so long is lost; so is one that was sent and has not begun by then."""
NOTIFICATIONS = 10_000
"""Entries of `keys.NOTIFICATIONS`."""


class Script(NamedTuple):
    """A Lua script with what it is to be run with: `client.eval(text, len(keys), *keys, *arguments)`."""

    text: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def call(self) -> tuple[str, int, tuple[str, ...]]:
        """The script, the number of its keys, and keys and arguments in one."""
        return self.text, len(self.keys), (*self.keys, *self.arguments)


@functools.cache
def _text(name: str) -> str:
    folder = files("shared") / "scripts"
    return "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("job", name))


def _script(name: str, job_id: str, arguments: tuple[object, ...], more_keys: tuple[str, ...] = ()) -> Script:
    names = (
        keys.job(job_id),
        keys.job_events(job_id),
        keys.job_lease(job_id),
        keys.job_control(job_id),
        keys.NOTIFICATIONS,
        keys.ACTIVE,
    )
    common = (job_id, keys.JOB_TTL_S, NOTIFICATIONS)
    return Script(_text(name), (*names, *more_keys), tuple(map(str, (*common, *arguments))))


def new_nonce() -> str:
    """Of one attempt."""
    return secrets.token_hex(8)


def enter(job: Job, entry: str, nonce: str = "", card: tuple[int, int] | None = None, arrived: int = 0) -> Script:
    """Take a job in: a training waits, anything else is sent at once, as attempt 1.

    Args:
        job: the job.
        entry: random; the same call made again is told so.
        nonce: of attempt 1, of a job that is sent at once.
        card: channel and message that show it, None when there is none yet.
        arrived: of a training: the virtual time (`bot.jobs.fairness`).

    Returns:
        A script that answers `entered`, or `known` when another call has entered this job.
    """
    owner = ""
    fields: tuple[str, ...] = ("state", "sent", "attempt", "1", "nonce", nonce)
    if isinstance(job, TrainJob):
        owner = f"{job.place.guild_id}:{job.place.user_id}"
        fields = ("state", "waiting", "attempt", "1", "arrived", str(arrived))
    if card is not None:
        fields += ("card", f"{card[0]}:{card[1]}")
    shown = int(not isinstance(job, DeleteJob))
    arguments = (job.model_dump_json(), entry, FIRST_EVENT, Queued().model_dump_json(), shown, owner, *fields)
    return _script("enter", job.job_id, arguments, (keys.UNDELIVERED,))


def roll_back(job_id: str, entry: str = "", *, cancel: bool) -> Script:
    """Take a job back of which nobody was told.

    Args:
        job_id: the job.
        entry: of the call that entered it; empty: whichever.
        cancel: ask the worker that has begun the training to cancel it, and show nobody how it ends.

    Returns:
        A script that answers `undone`; `begun`, if it is a training that a worker has; or `not there`.
    """
    return _script("roll_back", job_id, (entry, int(cancel)), (keys.UNDELIVERED,))


def send_training(job_id: str, nonce: str, start_tag: int, guild_id: int, served: str) -> Script:
    """Send the next attempt at a training that waits; `served`: what is kept of its server's turns from now on.

    Returns:
        A script that answers the attempt's number, or nothing: it does not wait any more.
    """
    return _script("send", job_id, (nonce, LEASE_S * 1_000, start_tag, guild_id, served), (keys.SERVED,))


def send_again(job_id: str, nonce: str) -> Script:
    """As `send_training`, of a job that is none: after `requeue`."""
    return _script("send", job_id, (nonce, 0), (keys.SERVED,))


def begin(job_id: str, attempt: int, nonce: str, *, holder: str, worker: str, training: bool) -> Script:
    """Begin an attempt.

    Args:
        job_id, attempt, nonce: as the message says.
        holder: random; whoever asks again with the same one, because the reply got lost, is answered again.
        worker: who begins it, as `presence` calls them.
        training: it gets a lease of `LEASE_S`, and the worker counts as busy.

    Returns:
        A script that answers the job (JSON), or nothing: the message is out of date.
    """
    lease_ms = LEASE_S * 1_000 if training else 0
    return _script("begin", job_id, (attempt, nonce, holder, worker, lease_ms), (keys.worker_states(TRAIN_QUEUE),))


def renew(job_id: str, attempt: int, nonce: str) -> Script:
    """Keep a training's lease for `LEASE_S` more. Answers 1, or 0 when somebody else has the training, or nobody."""
    return _script("renew", job_id, (attempt, nonce, LEASE_S * 1_000))


def requeue(job_id: str, attempt: int, nonce: str, how: Literal["stopped", "died", "lapsed"]) -> Script:
    """Let a job wait again that was sent or begun.

    Args:
        job_id, attempt, nonce: the attempt that is over.
        how: `stopped`: its worker is told to stop, which is no death; `died`: its process is gone; `lapsed`: its lease
            has lapsed, and if it has not, nothing is done.

    Returns:
        A script that answers `waiting`; `cancelled`, if that was asked for: it is over; or nothing: not the newest.
    """
    told = (Interrupted().model_dump_json(), Cancelled().model_dump_json())
    return _script("requeue", job_id, (attempt, nonce, how, *told))


def cancel(job_id: str) -> Script:
    """End a training that waits or is sent, or ask its worker to. Answers `cancelled`, `asked` or `over`."""
    return _script("cancel", job_id, (Cancelled().model_dump_json(),))


def give_up(job_id: str, event: str) -> Script:
    """End a job that took too long, with this event (JSON). Answers `given up`, or `over` when it had its end."""
    return _script("give_up", job_id, (event,))


def tell(job_id: str, entry: str, event: str, *, last: bool, progress: bool) -> Script:
    """Append an event to a job's stream under an id, and notify.

    Args:
        job_id: the job.
        entry: the id; Redis refuses one that is not the newest.
        event: JSON.
        last: it ends the job.
        progress: it replaces the last one that was progress.
    """
    return _script("tell", job_id, (entry, event, int(last), int(progress)))


def register(job_id: str, entry: str, event: Finished | Imported, *, current: bool) -> Script:
    """Tell a job's end and enter its model into the registry, under the name in its record.

    Args:
        job_id: the job.
        entry: the event's id in the job's stream.
        event: the job's end.
        current: make it the channel's current model.

    Returns:
        A script that answers `entered`, `taken` (the name is another model's) or `refused` (the job is over, or was
        taken back), and fails as `tell` does.
    """
    record = event.model
    more = (keys.guild_models(record.guild_id), keys.model(record.model_id), keys.channel(record.channel_id))
    model = (record.model_id, record.name, record.model_dump_json(), int(current))
    return _script("register", job_id, (entry, event.model_dump_json(), *model), more)
