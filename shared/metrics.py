"""The numbers that a process shows to Prometheus, by prometheus_client's own server; docs/monitoring.md lists them.

No label has anything of a person or a server: no id, no name, no word.
"""

import contextlib
import logging
import math
import shutil
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, disable_created_metrics, start_http_server
from prometheus_client.registry import Collector

from shared.settings import Settings

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
JOBS = Counter("galvanic_jobs", "Jobs that ended, by kind and outcome.", ("kind", "outcome"))
ERRORS = Counter("galvanic_errors", "Errors in the process's log.")
DISK_FREE = Gauge("galvanic_disk_free_bytes", "Free bytes on the disk of the data folder.")

log = structlog.get_logger()


class _ErrorCount(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        ERRORS.inc()


def serve(settings: Settings, *collectors: Collector) -> WSGIServer | None:
    """Serve this process's numbers, and those of `collectors`, in a thread that ends with the process.

    None: METRICS_PORT is not set, or cannot be had. That is logged, and keeps nothing from running.
    """
    if settings.metrics_port is None:
        return None
    address = f"{settings.metrics_host}:{settings.metrics_port}"
    try:
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        problem = f"{address} cannot be had ({error.strerror}), so there are no metrics. Choose another METRICS_PORT."
        log.warning("metrics_not_served", problem=problem)
        return None
    for collector in collectors:
        REGISTRY.register(collector)
    DISK_FREE.set_function(lambda: (disk(settings.data_dir) or (math.nan,))[0])
    logging.getLogger().addHandler(_ErrorCount(logging.ERROR))
    log.info("metrics_served", address=f"http://{address}/metrics")
    return server


def disk(data: Path) -> tuple[int, int] | None:
    """Return free and all bytes of the disk on which a folder lies, or will lie; None if that cannot be read."""
    for folder in (data, *data.parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            return usage.free, usage.total
    return None
