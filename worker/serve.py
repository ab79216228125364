"""One worker service: what is set up around Celery's worker.

Celery's own command starts it, `celery -A worker.app worker -Q train -c 1` or `-Q generate`, with nothing but the
settings; `python -m worker serve QUEUE` is the same.
"""

import atexit
import contextlib
import functools
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn, cast, get_args

import redis
import structlog
from billiard import util
from celery import signals
from celery.exceptions import WorkerLostError
from celery.worker.request import Request

from galvanic.errors import UserError
from shared import hardware, keys, presence
from shared.connect import connect
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Asked, is_id
from shared.logging import configure_logging
from shared.metrics import JOBS, serve
from shared.settings import Settings, for_children, get_settings
from shared.version import OtherVersion, require_version

_LEFTOVERS_EVERY_S = 600.0
_ANNOUNCE_EVERY_S = 30.0
GENERATE_THREADS = 256
"""Requests that may wait together; each thread only waits. While all are taken, Celery looks for more only now and
then: when many ask at once, that costs them up to half a second each time."""
_POOLS = {TRAIN_QUEUE: "prefork", GENERATE_QUEUE: "threads"}

log = structlog.get_logger()


def set_up(worker: Any) -> None:
    """Turn the worker that Celery is about to start into one of ours: pool, name, log, metrics and heartbeat.

    `train`: one process, replaced after each job (the dependable way to give a GPU's memory back), spawned because
    TensorFlow does not survive a fork. `generate`: threads around warm models, whose texts are written together.

    `worker`: Celery's `WorkController`, before its pool is made. Exits with a sentence on standard error when its
    options do not go with its queue.
    """
    queue = _queue(worker)
    settings = get_settings()
    folder = Path(tempfile.mkdtemp(prefix="galvanic-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    from worker.threads import STOP_FILE_VARIABLE

    stop_file = folder / "stop"
    configure_logging(queue, settings)
    os.environ.update(for_children())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # GPUs have the numbers that nvidia-smi shows
    if queue != TRAIN_QUEUE:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # texts are written by the CPU
    os.environ[STOP_FILE_VARIABLE] = str(stop_file)
    # TensorFlow leaves generated sources in the temporary folder of a process that does not end by itself.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    worker.pool_cls = _POOLS[queue]
    worker.concurrency = GENERATE_THREADS if queue == GENERATE_QUEUE else 1
    worker.max_tasks_per_child = 1 if queue == TRAIN_QUEUE else None
    worker.options |= {"without_gossip": True, "without_mingle": True, "autoscale": None}  # workers need not agree
    worker.quiet = True
    if worker.hostname.startswith("celery@"):  # nobody gave it another name
        # Unique, even on a host of the same name.
        worker.hostname = f"{queue}-{settings.worker_name or secrets.token_hex(4)}@{socket.gethostname()}"
    # A container's host name and process id are the same again after a restart.
    name = os.environ[presence.NAME_VARIABLE] = f"{worker.hostname}:{os.getpid()}.{secrets.token_hex(3)}"
    _connect_signals(settings, queue, name, stop_file)


def _queue(worker: Any) -> str:
    """Return the one queue that a worker serves; refuse what would not work."""
    queues = sorted(worker.app.amqp.queues.consume_from)
    if len(queues) != 1 or queues[0] not in _POOLS:
        _refuse(f"A worker serves one queue; these are {', '.join(queues)}. Start one with -Q train, or -Q generate.")
    queue = str(queues[0])
    pool = getattr(worker.pool_cls, "__module__", worker.pool_cls)
    if not pool.endswith(("prefork", _POOLS[queue].removesuffix("s"))):
        _refuse(f"A worker for {queue} works with --pool {_POOLS[queue]} alone, its default. Leave --pool out.")
    if queue == TRAIN_QUEUE and worker.concurrency not in ("auto", 1):
        _refuse(
            "A train worker trains one model at a time: say -c 1, or leave it out. "
            "For several GPUs start a worker for each (docs/gpu.md)."
        )
    return queue


def _refuse(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(os.EX_CONFIG)  # a restart cannot help


def _connect_signals(settings: Settings, queue: str, name: str, stop_file: Path) -> None:
    """Start and end the worker's threads with Celery's worker."""
    from worker import warm
    from worker.checkpoints import remove_leftovers
    from worker.store import DELETE_EVERY_S, ModelStore, delete_files
    from worker.threads import Heartbeat, PeriodicThread

    try:
        store = ModelStore(settings)
    except UserError as error:
        _refuse(str(error))
    generates = queue == GENERATE_QUEUE
    if generates:
        _require_handlers()  # which imports them, so that the first message need not wait for it
        _compile()

    models = warm.warm_models() if generates else None
    heartbeat = Heartbeat(settings, queue, name)
    threads = ExitStack()
    serve(settings)

    def ready(**_: Any) -> None:
        _require_version(settings)
        threads.enter_context(heartbeat)
        if not generates:
            _log_unused_gpu()
        announce = functools.partial(_announce, connect(settings), queue, name, hardware.describe())
        threads.enter_context(PeriodicThread(announce, _ANNOUNCE_EVERY_S, "hardware_not_announced"))
        log.info("worker_ready", queue=queue)
        # Systems delete what lies untouched in /tmp for some days.
        touch = functools.partial(os.utime, stop_file.parent)
        threads.enter_context(PeriodicThread(touch, _LEFTOVERS_EVERY_S, "folder_not_touched"))
        # What an earlier run was writing when it was killed.
        threads.enter_context(PeriodicThread(store.tidy, _LEFTOVERS_EVERY_S, "store_not_tidied"))
        if models:
            forget = functools.partial(models.forget_deleted, connect(settings))
            threads.enter_context(PeriodicThread(forget, DELETE_EVERY_S, "not_looked_for_deleted_models"))
            threads.enter_context(PeriodicThread(warm.trim, warm.TRIM_EVERY_S, "memory_not_returned"))
            # In a thread of its own: the store may hang.
            delete = functools.partial(delete_files, connect(settings), models.store)
            threads.enter_context(PeriodicThread(delete, DELETE_EVERY_S, "models_not_deleted"))
        else:
            # What is left here of trainings that are over, maybe elsewhere, may have members' words in it.
            leftovers = functools.partial(remove_leftovers, settings, connect(settings))
            threads.enter_context(PeriodicThread(leftovers, _LEFTOVERS_EVERY_S, "leftovers_not_looked_for"))
            take_over(settings)

    def failed(exception: BaseException, kwargs: dict[str, Any], **_: Any) -> None:
        if isinstance(exception, WorkerLostError) and is_id(kwargs.get("job_id")):
            from worker.training import wait_after_death

            JOBS.labels(queue, "killed").inc()
            threading.Thread(target=wait_after_death, kwargs=kwargs, name="death", daemon=True).start()

    signals.celeryd_after_setup.connect(_log_pool_errors, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.task_failure.connect(failed, weak=False)
    signals.worker_shutting_down.connect(lambda **_: stop_file.touch(), weak=False)
    signals.worker_shutdown.connect(lambda **_: threads.close(), weak=False)


class TrainingRequest(Request):  # type: ignore[misc]
    """Celery's request for a training, in the worker's parent process: counts how it ended, as its child says."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Count a training's outcome: Celery reports a success by this event alone, with the `repr` of the result."""
        if type == "task-succeeded" and (outcome := fields["result"].strip("'")) != "None":
            JOBS.labels(TRAIN_QUEUE, outcome).inc()
        super().send_event(type, **fields)


def _require_handlers() -> None:
    """Exit with a sentence on standard error if nothing does a kind of job that can come here."""
    from worker.handlers import HANDLERS

    kinds = [str(kind.model_fields["kind"].default) for kind in get_args(Asked)]
    if missing := [kind for kind in kinds if kind not in HANDLERS]:
        _refuse(f"Nothing does jobs of the kind {', '.join(missing)}. Add a handler in worker/handlers.py.")


@contextlib.contextmanager
def _reaching_redis(settings: Settings, trouble: str) -> Iterator[redis.Redis]:
    """Give a client for work that can be left undone; if Redis is away, log that as `trouble`."""
    with connect(settings) as client:
        try:
            yield client
        except redis.RedisError as error:
            log.warning(trouble, error=type(error).__name__)


def _require_version(settings: Settings) -> None:
    """Exit with a sentence on standard error if Redis holds data of another version."""
    try:
        with _reaching_redis(settings, "version_not_checked") as client:
            require_version(cast(bytes | None, client.get(keys.VERSION)))
    except OtherVersion as error:
        _refuse(str(error))


def _log_unused_gpu() -> None:
    cause = hardware.why_unused()
    if cause is not None:
        log.warning("gpu_not_used", why=cause.problem, more="python -m worker doctor")


def _announce(client: redis.Redis, queue: str, worker: str, runs_on: str) -> None:
    """Say what this worker runs on, and forget workers that are gone. Raises redis.RedisError."""
    key = keys.worker_info(queue)
    announced = cast(list[bytes], client.hkeys(key))  # before who is alive is asked
    if gone := {name.decode(errors="replace") for name in announced} - set(presence.alive(client, queue)):
        client.hdel(key, *gone)
    client.hset(key, worker, runs_on)


def take_over(settings: Settings) -> None:
    """Requeue trainings that a killed worker of this host had begun, before this one takes others."""
    from worker.training import wait_after_death

    begun: list[tuple[str, tuple[str, int, str]]] = []  # worker, and what `wait_after_death` takes
    gone: list[tuple[str, int, str]] = []
    host = f"@{socket.gethostname()}:"
    with _reaching_redis(settings, "redis_unreachable") as client:
        active = [name.decode(errors="replace") for name in cast(list[bytes], client.hkeys(keys.ACTIVE))]
        for job_id in filter(is_id, active):
            try:
                fields = cast(list[bytes | None], client.hmget(keys.job(job_id), "state", "worker", "attempt", "nonce"))
                state, worker, attempt, nonce = ((value or b"").decode() for value in fields)
                if state == "begun" and host in worker:
                    begun.append((worker, (job_id, int(attempt), nonce)))
            except (ValueError, redis.ResponseError) as error:  # a damaged record
                log.error("job_not_understood", job_id=job_id, error=type(error).__name__)
        if begun:
            time.sleep(presence.EXPIRY_S)  # whichever of them is alive says so meanwhile
            alive = presence.alive(client, TRAIN_QUEUE)
            gone = [message for worker, message in begun if worker not in alive]
    for message in gone:
        wait_after_death(*message)


def _log_pool_errors(**_: Any) -> None:
    """Give errors of Celery's process pool the form of all other lines. Its logger has a handler of its own."""
    logger = util.get_logger()
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(max(logging.WARNING, logging.getLogger().level))  # below that, it tells of each child's start


def start_child() -> None:
    """Prepare a pool child: its own logging, and what a training needs for its first sample, so that none waits for
    it."""
    from worker.threads import STOP_FILE_VARIABLE

    configure_logging(TRAIN_QUEUE, get_settings())
    _log_pool_errors()
    for source in Path(os.environ[STOP_FILE_VARIABLE]).parent.rglob("__autograph_generated_file*"):
        source.unlink(missing_ok=True)  # the child before has ended: TensorFlow left some of each training
    # Beside it, for Celery kills a child that has not begun within a minute.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()


def _warm_up() -> None:
    # First what a message imports first, too: so the two threads never wait for each other.
    import worker.training  # noqa: F401
    from galvanic import training  # noqa: F401

    _compile()


def _compile() -> None:
    """Compile what writes texts, so that the first person to ask need not wait seconds for it."""
    from galvanic.streams import compile_loop

    compile_loop()
