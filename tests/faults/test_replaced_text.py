"""Words are withdrawn while a training learns them: it begins anew without them."""

import hashlib
import time
from collections.abc import Callable
from typing import Any, cast

import celery
import pytest

from galvanic.model_file import describe
from shared import keys, lifecycle
from shared.corpora.corpus import pack, unpack
from shared.events import Finished, parse_event
from shared.jobs import TrainJob
from shared.queues import RESUMED, TRANSPORT, send
from tests.e2e.system import System
from tests.faults import harm
from tests.faults.cells import record
from tests.faults.moments import Training


def replace_text(system: System, job_id: str) -> TrainJob:
    """Give a training its text without capital letters, and send it again, as the bot does; return the new job."""
    nonce = lifecycle.new_nonce()
    with system.redis as client:
        job = TrainJob.model_validate_json(cast(bytes, client.get(keys.asked(job_id))))
        text = unpack(cast(bytes, client.get(keys.job_text(job_id)))).lower()
        digest = hashlib.sha256(text.encode()).hexdigest()
        corpus = job.corpus.model_copy(update={"sha256": digest, "chars": len(text)})
        job = job.model_copy(update={"corpus": corpus})
        attempt = int(client.eval(*lifecycle.replace_text(job, pack(text), b"", nonce)))
    with celery.Celery(broker=harm.broker(system)) as app:
        app.conf.broker_transport_options = TRANSPORT
        send(app, job, attempt, nonce, priority=RESUMED)
    return job


@pytest.mark.parametrize(
    ("fault", "hurt"),
    [
        ("words are withdrawn", lambda _: time.monotonic()),
        ("a resume after the text changed", lambda system: harm.kill_worker(system, "train")),
    ],
)
def test_a_training_begins_anew_without_them(fault: str, hurt: Callable[[System], float], system: System) -> None:
    with Training(system, "without") as training:
        training.trains()
        before = training.attempt
        since = hurt(system)
        job = replace_text(system, training.job_id)
        told = training.next_attempt(before)
        assert not cast(Any, told.event).resumed
        training.learned()
        (end,) = training.events(Finished)
        assert end.model.corpus == job.corpus
        with system.redis as client:
            entries = cast(Any, client.xrange(keys.job_events(job.job_id)))
            assert not client.exists(keys.job_text(job.job_id))
        samples = [
            event for event in (parse_event(fields[b"event"]) for _, fields in entries) if event.kind == "sample"
        ]
        assert samples
        assert not any(map(str.isupper, "".join(sample.text for sample in samples)))
        symbols = describe(system.view / "models" / f"{end.model.model_id}.safetensors").symbols
        assert not any(map(str.isupper, symbols))
    record(fault, "training", "began anew, finished", since=since, until=told.at)
