"""Whatever comes to a worker as a job is done, or refused in words; its task never fails, and no path leads astray.

The message is one of this version, a mutated one, or anything at all. What lies in Redis beside it is hostile, too.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
import redis
from hypothesis import given, strategies as st
from structlog.testing import capture_logs

import worker.tasks  # noqa: F401  # which makes the tasks
from shared import keys
from shared.events import TERMINAL, Failed
from shared.jobs import is_id, task_name
from shared.settings import Settings
from tests import lives
from tests.factories import corpus, record, train_job
from tests.fuzz import words
from tests.fuzz.budget import Cost, fuzz, guarded
from tests.fuzz.mutation import mutated, values
from tests.fuzz.saved import because, content, saved
from tests.registered import put
from tests.worker.conftest import client, one_and_two  # noqa: F401
from tests.worker.jobs import (
    PLACE,
    compare_job,
    delete_job,
    export_job,
    generate_job,
    import_job,
    picture_job,
    surprise_job,
)
from worker.app import app
from worker.handlers import HANDLERS

pytestmark = pytest.mark.usefixtures("one_and_two")

TRAIN = "train"
VARIANTS = [{"model_id": name, "name": name, "temperature": hot} for name, hot in (("one", 0.2), ("two", None))]
PARTS = [{"model_id": name, "name": name, "weight": 1.0} for name in ("one", "two")]
MESSAGES: dict[str, dict[str, Any]] = {
    job.kind: job.model_dump(mode="json")
    for job in (
        generate_job(blocked=("sea*", "the*wind"), temperature=0.5, stop="line"),
        compare_job(variants=VARIANTS),
        surprise_job("the sea"),
        picture_job(),
        export_job(),
        import_job(),
        delete_job("two"),
        train_job(place=PLACE, corpus=corpus(sha256="0" * 64)),
    )
}
MESSAGES["mix"] = generate_job(mix=PARTS).model_dump(mode="json")

files = st.one_of(
    st.none(),
    st.builds(lambda text: {"text": text}, words.text()),
    st.builds(lambda data: {"hex": data.hex()}, st.binary(max_size=60)),
    st.just({"packed": {"text": "x", "times": 70_000_000}}),
    st.builds(lambda text: {"packed": {"text": text}}, words.text(3).filter(lambda text: text >= "\ud800")),
)
hashes = st.dictionaries(
    st.sampled_from(("job", "model_id", "holder", "worker", "card", "start_tag", "entry")),
    st.sampled_from(("x", "-1", "{}", "null", "[]", "1e9", "../../x", "9" * 30)) | values.map(json.dumps),
    max_size=2,
)
"""But for the counters, which only Redis itself ever changes."""
events = st.lists(
    st.sampled_from(
        (
            *('{"kind": "from the future"}', '{"kind": "failed", "version": 2}', "{", "", "null", "[]", '"x"', "\\xff"),
            *(
                '{"kind": "queued"}',
                '{"kind": "started", "worker": "w"}',
                '{"kind": "sample", "epoch": 1, "text": "x"}',
            ),
        )
    )
    | values.map(json.dumps),
    max_size=3,
)


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """A message for a task, most often the one of its kind, and what lies around it."""
    name = draw(st.sampled_from(sorted(MESSAGES)))
    message = draw(mutated(MESSAGES[name]))
    kind = MESSAGES[name]["kind"] if draw(st.integers(0, 9)) else draw(st.sampled_from([*HANDLERS, TRAIN]))
    case = {"task": kind, "message": message}
    for what, strategy in (("hash", hashes), ("events", events), ("file", files)):
        if not draw(st.integers(0, 2)) and (what != "file" or kind in ("import", TRAIN)):
            case[what] = draw(strategy)
    return case


def carry_out(client: redis.Redis, settings: Settings, case: dict[str, Any]) -> None:  # noqa: F811
    """Run a task on the message, and see what is told of it, and that nothing else in the folder has changed."""
    client.flushall()
    message = case["message"]
    job_id = message.get("job_id") if isinstance(message, dict) else None
    known = job_id if isinstance(job_id, str) else "t-1"
    for name in ("one", "two"):
        put(client, record(model_id=name, name=name, guild_id=PLACE.guild_id))
    client.delete(keys.model("two"))
    _prepare(client, known, case)
    outside = sorted(path.name for path in settings.data_dir.parent.iterdir())
    with guarded(), capture_logs() as logged:
        if case["task"] == TRAIN:
            client.hset(keys.ACTIVE, _sendable(known), "1")
        app.tasks[task_name(case["task"])](*lives.message(client, _sendable(known)))
        assert not is_id(known) or not client.exists(keys.ACTIVE), "the training is still counted"
    wrong = [line for line in logged if line["log_level"] in ("error", "critical") and line["event"] not in REFUSALS]
    assert not wrong, wrong
    assert sorted(path.name for path in settings.data_dir.parent.iterdir()) == outside
    if is_id(job_id):
        _judge(client, known)


REFUSALS = ("job_not_understood", "event_not_understood", "message_refused")
"""What is logged as an error, in one line, because the operator must mend it."""


def _prepare(client: redis.Redis, job_id: str, case: dict[str, Any]) -> None:  # noqa: F811
    job_id = _sendable(job_id)
    message = case["message"]
    fields = {"job": json.dumps(message), "state": "sent", "attempt": "1", "nonce": "n", "model_id": "m-new"}
    client.hset(keys.job(job_id), mapping=fields)  # type: ignore[arg-type]
    for name, value in case.get("hash", {}).items():
        client.hset(keys.job(job_id), name, value)
    for number, event in enumerate(case.get("events", ()), 1):
        client.xadd(keys.job_events(job_id), {"event": event.encode("utf-8", "surrogateescape")}, id=f"0-{number}")
    if (made := case.get("file")) is not None:
        data = _packed(made["packed"]) if "packed" in made else content(made)
        client.set(keys.artifact(job_id, "model.safetensors"), data)
        client.set(keys.corpus("0" * 64), data)


def _packed(made: dict[str, Any]) -> bytes:
    """A text as it lies in Redis; of one that is repeated millions of times, no more than that is made."""
    pressing = zlib.compressobj()
    unit = content({**made, "times": 1})
    parts = [pressing.compress(unit * 1_000_000) for _ in range(made.get("times", 1) // 1_000_000)] or [
        pressing.compress(unit * made.get("times", 1))
    ]
    return b"".join([*parts, pressing.flush()])


def _sendable(job_id: str) -> str:
    return job_id.encode("utf-8", "replace").decode()


def _judge(client: redis.Redis, job_id: str) -> None:  # noqa: F811
    """The last event is an end; one that failed says why and what to do, and not that something went wrong."""
    event = lives.newest(client, job_id)
    assert event.kind in TERMINAL, event.kind
    if isinstance(event, Failed):
        assert event.problem.strip(), event
        assert event.remedy.strip(), event
        assert "Something went wrong" not in event.problem, event
        assert "Traceback" not in event.problem + event.remedy, event


@pytest.fixture
def warm(client: redis.Redis, settings: Settings) -> redis.Redis:  # noqa: F811
    """Redis, and a worker that has done each kind of job: what is imported and compiled the first time is no case's."""
    for kind, message in MESSAGES.items():
        carry_out(client, settings, {"task": "generate" if kind == "mix" else kind, "message": message})
    return client


@pytest.mark.fuzz("jobs")
def test_saved_jobs(warm: redis.Redis, settings: Settings) -> None:
    for why, case in saved("jobs"):
        with because(why):
            carry_out(warm, settings, case)


@pytest.mark.fuzz("jobs")
@fuzz("jobs")
@given(case=cases())
def test_any_job(warm: redis.Redis, settings: Settings, cost: Cost, case: dict[str, Any]) -> None:
    with cost.measured(case):
        carry_out(warm, settings, case)
