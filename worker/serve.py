"""Runs one worker service: Celery with the options that its queue needs."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

import redis
import structlog
from celery import signals

from shared import keys, presence
from shared.connect import connect, explain
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.logging import configure_logging
from shared.metrics.asking import ask_health
from shared.settings import Settings, get_settings
from worker import hardware
from worker.doctor.gpu import why_unused
from worker.doctor.gpu_facts import gather
from worker.forgetting import Forgetter
from worker.heap import Trimmer
from worker.jobs.job_files import remove_leftovers
from worker.metrics.served import Watched
from worker.pool_log import join_our_log
from worker.serving.warm import warm_models
from worker.stderr import die_with
from worker.stopping import STOP_FILE_VARIABLE
from worker.store import ModelStore
from worker.training.copies import remove_left_copies

PARENT_VARIABLE = "GALVANIC_SERVICE_PID"
GENERATE_THREADS = 256
"""Requests that may wait together; each thread only waits. While all are taken, Celery looks for more only now and
then, which costs a crowd that asks at once up to half a second each time."""

log = structlog.get_logger()


def serve(queue: str, folder: Path, cores: int | None = None) -> int:
    """Serve `queue` until SIGTERM; then finish or hand back what is running, and return the exit status.

    Args:
        queue: `train` or `generate`.
        folder: for temporary files; whoever started this removes it when this process and its children are gone.
        cores: that it may compute on; None: all.

    `train`: one process, replaced after each job (the dependable way to give a GPU's memory back), spawned because
    TensorFlow does not survive a fork. `generate`: threads around warm models.
    """
    settings = get_settings()
    configure_logging(queue, settings)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if cores is not None:
        hardware.limit_cores(cores)
    if queue != TRAIN_QUEUE and "CUDA_VISIBLE_DEVICES" not in os.environ and not settings.generate_on_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # at batch 1 the CPU is faster, and the training keeps the GPU
    os.environ[STOP_FILE_VARIABLE] = str(folder / "stop")
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    # TensorFlow leaves generated sources in the temporary folder of a process that does not end by itself.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    from worker.app import app

    name = node_name(settings, queue)
    os.environ[presence.NAME_VARIABLE] = f"{name}:{os.getpid()}"
    watched = Watched(settings, queue, f"{name}:{os.getpid()}", folder)
    _connect_signals(settings, queue, name, watched)
    arguments = ["--quiet", "worker", "-Q", queue, "-n", name, "--without-gossip", "--without-mingle"]
    if queue == TRAIN_QUEUE:
        arguments += ["--pool", "prefork", "--concurrency", "1", "--max-tasks-per-child", "1"]
    else:
        arguments += ["--pool", "threads", "--concurrency", str(GENERATE_THREADS)]
    arguments += ["--loglevel", settings.log_level]
    try:
        with watched:
            app.start(argv=arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def health(queue: str) -> int:
    """0 when the worker of this host that serves `queue` is well, else 1 (for container health checks).

    With METRICS_PORT it says itself how it is; otherwise Redis must answer and know of such a worker: with
    `Settings.worker_name`, the one of that name.
    """
    settings = get_settings()
    if (told := ask_health(settings, queue)) is not None:
        well, problems = told
        print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
        return 0 if well else 1
    try:
        names = presence.alive(connect(settings), queue)
    except redis.RedisError as error:
        print(explain(error, settings), file=sys.stderr)
        return 1
    here = f"@{socket.gethostname()}:"
    if settings.worker_name:
        here = f"{queue}-{settings.worker_name}{here}"
    return 0 if any(here in name for name in names) else 1


def node_name(settings: Settings, queue: str) -> str:
    """What Celery calls this worker: no other one is called so, on this host or on another of the same name."""
    return f"{queue}-{settings.worker_name or secrets.token_hex(4)}@{socket.gethostname()}"


def _connect_signals(settings: Settings, queue: str, name: str, watched: Watched) -> None:
    heartbeat = presence.Heartbeat(settings, queue, f"{name}:{os.getpid()}")
    trimmer = Trimmer()
    forgetter = Forgetter(settings, warm_models() if queue == GENERATE_QUEUE else None)

    def keep_logging(**_: Any) -> None:
        """Connecting this signal keeps Celery from setting up logging its own way."""

    def ready(**_: Any) -> None:
        heartbeat.start()
        forgetter.start()
        _announce(settings, queue, f"{name}:{os.getpid()}")
        _tidy(settings)
        if queue == TRAIN_QUEUE:
            _clean_up(settings)
        log.info("worker_ready", queue=queue)
        if queue == GENERATE_QUEUE:
            threading.Thread(target=_import_tensorflow, args=(watched,), name="warm-up", daemon=True).start()
            trimmer.start()  # a train worker's child ends after each job

    def worked(**_: Any) -> None:
        trimmer.worked()

    def stopping(**_: Any) -> None:
        Path(os.environ[STOP_FILE_VARIABLE]).touch()

    def stopped(**_: Any) -> None:
        forgetter.stop()
        if heartbeat.is_alive():
            heartbeat.stop()

    signals.setup_logging.connect(keep_logging, weak=False)
    signals.celeryd_after_setup.connect(join_our_log, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.task_postrun.connect(worked, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    signals.worker_shutdown.connect(stopped, weak=False)


def _announce(settings: Settings, queue: str, worker: str) -> None:
    """Say what this worker runs on, and forget those that are gone."""
    client = connect(settings)
    key = keys.worker_info(queue)
    try:
        gone = {name.decode() for name in cast(list[bytes], client.hkeys(key))} - set(presence.alive(client, queue))
        if gone:
            client.hdel(key, *gone)
        client.hset(key, worker, _runs_on(queue))
    except redis.RedisError as error:
        log.warning("redis_unreachable", queue=queue, error=type(error).__name__)
    finally:
        client.close()


def _runs_on(queue: str) -> str:
    """What this worker runs on. Of a train worker that leaves a card alone the log says why, in one line."""
    facts = gather()
    cause = why_unused(facts) if queue == TRAIN_QUEUE else None
    if cause is not None:
        log.warning("gpu_not_used", why=cause.problem, more="python -m worker doctor")
    return hardware.describe(facts)


def _clean_up(settings: Settings) -> None:
    """What an earlier run left of trainings that are over must not lie about: it may have members' words in it."""
    client = connect(settings)
    try:
        remove_leftovers(settings, client)
        remove_left_copies(settings, client)
    except redis.RedisError as error:
        log.warning("leftovers_not_looked_for", error=type(error).__name__)  # the next training looks again
    finally:
        client.close()


def _tidy(settings: Settings) -> None:
    """What an earlier run was writing into the model store when it was killed must not take room for ever."""
    try:
        ModelStore(settings).tidy()
    except Exception as error:  # each kind of store has errors of its own; jobs meet them again
        log.warning("store_not_tidied", error=type(error).__name__)


def start_child() -> None:
    """Prepare a pool child: its own logging, and on Linux an end when its parent is killed."""
    settings = get_settings()
    configure_logging(TRAIN_QUEUE, settings)
    join_our_log()
    die_with(int(os.environ[PARENT_VARIABLE]))


def _import_tensorflow(watched: Watched) -> None:
    """Five seconds that the first person to ask need not wait."""
    with watched.health.loading():
        import galvanic.generate  # noqa: F401
