"""What a generate job does: read the message, have the text written, tell the person. No Celery here."""

from __future__ import annotations

import threading
from typing import Any

from shared.connect import connect
from shared.events import Generated
from shared.jobs import GenerateJob
from shared.settings import get_settings
from worker.answer import answer_errors, in_context, unpack_message
from worker.joblog import JobLog
from worker.warm import WarmModels

_warm: WarmModels | None = None
_warm_lock = threading.Lock()


def run_generate(message: dict[str, Any]) -> None:
    """Write the text that a GenerateJob asks for, and publish it. Many threads may do so at once."""
    client = connect(get_settings())
    job = unpack_message(client, GenerateJob, message)
    if job is None:
        return
    with in_context(job):
        joblog = JobLog(client, job.job_id)
        if joblog.is_over():
            return
        joblog.begin()
        answer_errors(joblog, lambda: _generate(job, joblog))
        joblog.end()


def _generate(job: GenerateJob, joblog: JobLog) -> None:
    from worker.model.request import WriteRequest

    request = WriteRequest(
        job.seed,
        job.length,
        temperature=job.temperature,
        random_seed=job.random_seed,
        from_corpus=job.from_corpus,
        top_k=job.top_k,
        top_p=job.top_p,
        min_p=job.min_p,
        guard=job.guard,
        stop=job.stop,
    )
    models = _warm_models()
    written = models.write_mixed(job.mix, request) if job.mix else models.write(job.model_id, request)
    joblog.publish(
        Generated(
            seed=written.seed,
            text=written.text,
            temperature=written.temperature,
            random_seed=written.random_seed,
            notes=written.notes,
            seconds=written.seconds,
        )
    )


def _warm_models() -> WarmModels:
    global _warm
    with _warm_lock:
        _warm = _warm or WarmModels(get_settings())
        return _warm
