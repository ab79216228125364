"""The life of a job in Redis: `reading` -> `waiting` -> `begun` -> `over`, each step one script (`shared/scripts`).

A training on a channel is `reading` until its text is there; every other job waits at once, in Celery's queue.

A job's record has its state, its newest attempt's number, and that attempt's nonce. A Celery message is one attempt at
one job: it begins once, and only while it is the newest. A job whose message or worker is gone waits again under a new
number. Redis refuses all that an older attempt still tells.
"""

import functools
import secrets
import time
from importlib.resources import files
from typing import Literal

from shared import keys
from shared.events import Cancelled, Finished, Imported, Interrupted, Queued
from shared.jobs import ImportJob, Job, TrainJob, people_of, without_people
from shared.models import Ownership

FIRST_SEQ = 2  # of an attempt's own events; 1 says, before it begins, that the one before was interrupted
LEASE_S = 60  # a training that was not heard of for so long has lost its worker
MOST_NOTIFICATIONS = 10_000  # entries of `keys.NOTIFICATIONS`
Script = tuple[str, int, *tuple[str | bytes, ...]]
"""A Lua script, to be run with `client.eval(*script)`: its text, the number of its keys, the keys, its arguments."""


@functools.cache
def script_text(*names: str) -> str:
    folder = files("shared") / "scripts"
    return "".join((folder / f"{name}.lua").read_text("utf-8") for name in names)


def _script(name: str, job_id: str, arguments: tuple[object, ...], more_keys: tuple[str, ...] = ()) -> Script:
    own = (key(job_id) for key in (keys.job, keys.job_events, keys.job_lease, keys.job_control))
    names = (*own, keys.NOTIFICATIONS, keys.ACTIVE, *more_keys)
    texts = (keys.job_text(job_id), keys.job_authors(job_id))
    values = (job_id, keys.JOB_TTL_S, MOST_NOTIFICATIONS, *texts, *arguments)
    sent = (value if isinstance(value, bytes) else str(value) for value in values)
    keys_and_values: tuple[str | bytes, ...] = (*names, *sent)
    return script_text("job", name), len(names), *keys_and_values


def new_nonce() -> str:
    return secrets.token_hex(8)


def enter(job: Job, nonce: str, text: bytes = b"") -> Script:
    """Enter a job.

    `nonce`: of its attempt 1. `text`: of a training, packed; empty if a channel is to be read first. Answers `entered`,
    or `known` when another call, with another nonce, has entered this job.
    """
    guild, model_id, ownership, state = "", "", "", "waiting"
    if isinstance(job, TrainJob):
        guild, state = str(job.place.guild_id), "reading" if job.is_unread else "waiting"
    if isinstance(job, TrainJob | ImportJob):
        model_id, ownership = secrets.token_hex(12), Ownership.of(job).model_dump_json()
    first_event = Queued().model_dump_json()
    arguments = (*_stored(job, text), nonce, state, first_event, time.time(), guild, model_id, ownership)
    people = map(keys.requests, sorted(people_of(job)))
    more = (keys.asked(job.job_id), keys.OUTBOX, keys.ownership(model_id), *people)
    return _script("enter", job.job_id, arguments, more)


def _stored(job: Job, text: bytes, authors: bytes = b"") -> tuple[object, ...]:
    """Return the arguments of `store` in `job.lua`: the job as workers and as the bot know it, and its text."""
    return _json(without_people(job)), _json(job), text, authors


def _json(job: Job) -> str:
    """Return a job's JSON. Workers of 1.0.0 refuse `owner_id`, so it is left out where it says nothing."""
    return job.model_dump_json(exclude=None if getattr(job, "owner_id", 0) else {"owner_id"})


def text_read(job: TrainJob, text: bytes, authors: bytes) -> Script:
    """Queue a training: its channel has been read.

    `job`: with what is known of its text. `text`: packed. `authors`: a number of `AUTHOR_BYTES` for each line. Answers
    the nonce of its attempt 1, which is to be sent, or nothing: it was ended, or a worker has it.
    """
    return _script("text_read", job.job_id, _stored(job, text, authors), (keys.asked(job.job_id),))


def replace_text(job: TrainJob, text: bytes, authors: bytes, next_nonce: str) -> Script:
    """Give a training another text, packed, because words of the first were withdrawn.

    `job`: with what is known of the new text. Samples of the first text go, and no worker that has begun with it can
    tell or register anything any more. Answers `waiting`: no worker has begun it, and one that does reads the new text;
    the next attempt's number: it was begun, and is to be sent again with that and `next_nonce` (the answer is the same
    if this very call is repeated); `cancelled`: it was begun, and that was asked for; or `over`: it has ended, or its
    channel is still to be read.
    """
    events = (Interrupted(text_changed=True).model_dump_json(), Cancelled().model_dump_json())
    arguments = (*_stored(job, text, authors), next_nonce, *events)
    return _script("replace_text", job.job_id, arguments, (keys.asked(job.job_id),))


def begin(job_id: str, attempt: int, nonce: str, *, holder: str, worker: str, training: bool) -> Script:
    """Begin the attempt that a message names.

    `holder`: random; whoever asks again with the same one, because the reply got lost, gets the same answer. `worker`:
    its name in `presence`. `training`: it gets a lease of `LEASE_S`. Answers the job (JSON), or nothing: the message is
    out of date.
    """
    return _script("begin", job_id, (attempt, nonce, holder, worker, LEASE_S * 1_000 if training else 0))


def renew(job_id: str, holder: str) -> Script:
    """Keep a training's lease for `LEASE_S` more. Answers 1, or 0 when another attempt or process has the training.

    Two processes can hold one attempt after Redis lost the last second of its append-only file.
    """
    return _script("renew", job_id, (holder, LEASE_S * 1_000))


def forget_deaths(job_id: str, attempt: int, nonce: str) -> Script:
    """Begin a new row of a training's attempts that end in trouble; not for an attempt that isn't the newest."""
    return _script("forget_deaths", job_id, (attempt, nonce))


def requeue(
    job_id: str, attempt: int, nonce: str, how: Literal["stopped", "died", "lapsed", "lost"], next_nonce: str
) -> Script:
    """Requeue a job that lost its worker or its message. The caller sends the next message.

    `stopped`: its worker is told to stop, which counts as no death; `died`: its process is gone; `lapsed`: its lease
    has lapsed, and if it has not, nothing is done; `lost`: it waits, and its message is in no queue. Answers the next
    attempt's number, again if this very call is repeated; `cancelled`, if that was asked for: it is over; or nothing:
    not the newest attempt.
    """
    events = (Interrupted().model_dump_json(), Cancelled().model_dump_json())
    return _script("requeue", job_id, (attempt, nonce, how, next_nonce, *events))


def cancel(job_id: str) -> Script:
    """End a training that waits, or ask its worker to. Answers `cancelled`, `asked` or `over`; also in a full Redis."""
    return _script("cancel", job_id, (Cancelled().model_dump_json(),))


def give_up(job_id: str, event: str, nonce: str = "") -> Script:
    """End a job with this event (JSON), if the call with this nonce entered it (empty: any call).

    Answers `given up`, `over` when it had ended, or `not there`.
    """
    return _script("give_up", job_id, (event, nonce))


def tell(job_id: str, entry: str, event: str, *, last: bool, progress: bool) -> Script:
    """Append an event (JSON) to a job's stream, and notify; Redis refuses an id (`entry`) that is not the newest.

    `last`: it ends the job. `progress`: it replaces the last event that was progress.
    """
    return _script("tell", job_id, (entry, event, int(last), int(progress)))


def register(job_id: str, entry: str, event: Finished | Imported, guild_id: int) -> Script:
    """End a job with an event under the id `entry`, and enter its model into a server's registry under its name.

    Answers `entered`, `taken` (the name is another model's), `cancelled` (that was asked for: the end is still to be
    told) or `refused` (the job is over, or unknown), and fails as `tell` does.
    """
    model = event.model
    more = (keys.guild_models(guild_id), keys.model(model.model_id))
    facts = (model.model_id, model.entry, model.model_dump_json())
    return _script("register", job_id, (entry, event.model_dump_json(), *facts), more)
