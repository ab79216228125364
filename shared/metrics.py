"""What every process shows of itself: `/metrics` for Prometheus and `/health` for whoever restarts what is ill.

Names and labels are in docs/monitoring.md. No label has anything of a person or a server: no id, no name, no word.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.client
import importlib.metadata
import json
import math
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import redis
import structlog
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_wsgi_server,
)

from shared import presence
from shared.connect import connect, explain
from shared.settings import Settings

UNKNOWN = "unknown"
PATIENCE_S = 2.0
"""Within this a page says what Redis knows, or that it does not answer: whoever scrapes waits for it."""
_WITHIN_S = 12.0
"""Docker gives the health command 15 seconds, and the service finds out within a few how Redis is."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to ask where these are served

log = structlog.get_logger()


def version_of(package: str) -> str:
    """Found without importing the package; `unknown` where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def new_registry(service: str, data: Path, **libraries: str) -> CollectorRegistry:
    """What the pages of all processes begin with: who it is, and what the operating system knows of it.

    `service`: `bot`, `train` or `generate`. `data`: the folder whose disk is shown. `libraries`: versions by label.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("galvanic_build", "What this process is made of.", registry=registry)
    who = {"service": service, "version": version_of("galvanic"), "python": platform.python_version()}
    build.info(who | libraries)
    for number, name, said in ((0, "free", "Room left on"), (1, "size", "Size of")):
        shown = Gauge(
            f"galvanic_disk_{name}_bytes", f"{said} the disk of this process's data folder.", registry=registry
        )
        shown.set_function(functools.partial(_of_disk, data, number))
    return registry


def _of_disk(data: Path, number: int) -> float:
    return (disk(data) or (math.nan, math.nan))[number]


def disk(data: Path) -> tuple[int, int] | None:
    """Free and all bytes of the disk on which a folder lies, or will lie; None: nobody can say."""
    for folder in (data, *data.parents):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(folder)
            return usage.free, usage.total
    return None


@dataclasses.dataclass(frozen=True)
class Health:
    """`service`: `bot`, `train` or `generate`. `problems`: sentences. `state`: what it does now, in a word or two."""

    service: str
    problems: tuple[str, ...] = ()
    state: str = ""

    @property
    def ok(self) -> bool:
        return not self.problems


@contextlib.contextmanager
def served(settings: Settings, registry: CollectorRegistry, health: Callable[[], Health]) -> Iterator[int | None]:
    """Serve `/metrics` and `/health` by threads, so that a bot whose event loop hangs, or a busy worker, still says so.

    Yields the port; None: METRICS_PORT is not set, or cannot be had, which is logged and keeps nothing from running.
    `health` is called in those threads.
    """
    if settings.metrics_port is None:
        yield None
        return
    address = f"{settings.metrics_host}:{settings.metrics_port}"
    try:
        server, _ = start_wsgi_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        problem = f"{address} cannot be had ({error.strerror}), so there are no metrics. Choose another METRICS_PORT."
        log.warning("metrics_not_served", problem=problem)
        yield None
        return
    metrics = server.get_app()
    assert metrics is not None
    server.set_app(_with_health(metrics, health))
    log.info("metrics_served", address=f"http://{address}/metrics")
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _with_health(metrics: WSGIApplication, health: Callable[[], Health]) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"There are /metrics and /health.\n"
        if environ["PATH_INFO"] == "/health":
            found = health()
            status = HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE
            told = {"ok": found.ok, **dataclasses.asdict(found)}
            kind, body = "application/json", json.dumps(told).encode() + b"\n"
        start_response(f"{status} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return app


def health_command(settings: Settings, service: str, name_has: str = "") -> int:
    """The health check of a container: print what is wrong with the service beside it; return 0 when it is well, or 1.

    Without METRICS_PORT, Redis must answer and know of such a process with `name_has` in its name.
    """
    if (told := ask_health(settings, service)) is not None:
        well, problems = told
        for problem in problems:
            print(problem, file=sys.stderr)
        return 0 if well else 1
    try:
        return 0 if any(name_has in name for name in presence.alive(connect(settings), service)) else 1
    except redis.RedisError as error:
        print(explain(error, settings), file=sys.stderr)
        return 1


def ask_health(settings: Settings, service: str) -> tuple[bool, list[str]] | None:
    """Whether it is well, and what is wrong; None: it serves no `/health`, or another service does on this port."""
    if settings.metrics_port is None:
        return None
    host = _ANYWHERE.get(settings.metrics_host, settings.metrics_host)
    connection = http.client.HTTPConnection(host, settings.metrics_port, timeout=_WITHIN_S)
    try:
        connection.request("GET", "/health")
        told = json.loads(connection.getresponse().read(100_000))
        return (told["ok"], told["problems"]) if told["service"] == service else None
    except TimeoutError:
        return False, [f"It does not say how it is within {_WITHIN_S:g} seconds."]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None  # whatever answers there is no service of ours
    finally:
        connection.close()
