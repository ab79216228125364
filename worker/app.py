"""The Celery application of both worker services: `celery -A worker.app worker -Q train -c 1`, or `-Q generate`.

It is light, because Celery's tools (`celery -A worker.app inspect active`) import it, too. Only a worker imports
`worker.tasks`, which sets up what a worker needs.
"""

from typing import Any

from celery import Celery, signals

from shared.jobs import TRAIN_QUEUE
from shared.lifecycle import LEASE_S
from shared.queues import TRANSPORT
from shared.settings import get_settings

app = Celery("galvanic", broker=get_settings().broker_url, include=["worker.tasks"])
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    # Results travel as events in Redis streams: replayable, in order, and readable without Celery.
    task_ignore_result=True,
    task_default_queue=TRAIN_QUEUE,
    # Acknowledged as it is begun: what becomes of an attempt is in the job's record (`shared.lifecycle`).
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # True would drop the running job when Redis restarts.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_use_ssl=get_settings().redis_tls,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        **TRANSPORT,
        "socket_keepalive": True,
        # What a worker had taken when it was killed, and not yet acknowledged, goes back to its queue after so long.
        # The bot waits for that before it counts a message as lost (`bot.jobs.sweep`).
        "visibility_timeout": LEASE_S,
        "unacked_restore_throttle": 1,  # it is looked for every 10 s, not only each tenth time
    },
    # TensorFlow does not survive a fork.
    worker_pool_start_method="spawn",
    worker_proc_alive_timeout=60,
    worker_concurrency="auto",  # until `worker.serve.set_up` says how many; a number is what somebody asked for
    worker_send_task_events=True,  # for Flower
)


@signals.setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Do nothing: that it is connected keeps Celery, in the pool's child too, from setting up logging its own way."""
