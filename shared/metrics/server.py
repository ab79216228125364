"""A small HTTP server in a thread of its own: `/metrics` and `/health`.

A thread, so that a bot whose event loop hangs, or a worker that computes, still says so.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry, start_wsgi_server

from shared.settings import Settings

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()


@dataclass(frozen=True)
class Health:
    """`service`: `bot`, `train` or `generate`. `problems`: sentences. `state`: what it does now, in a word or two."""

    service: str
    problems: tuple[str, ...] = field(default=())
    state: str = ""

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "service": self.service, "state": self.state, "problems": list(self.problems)}


class MetricsServer:
    """prometheus-client's own server, with `/health` besides; `health` is called in the server's threads."""

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health
        self._server: WSGIServer | None = None

    @property
    def port(self) -> int | None:
        """None: it does not listen."""
        return self._server.server_port if self._server is not None else None

    def start(self, settings: Settings) -> bool:
        """False: METRICS_PORT is not set, or cannot be had, which is logged and keeps nothing from running."""
        if settings.metrics_port is None:
            return False
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._server, _ = start_wsgi_server(port, host, self._registry)
        except OSError as error:
            log.warning("metrics_not_served", host=host, port=port, problem=_in_words(error, host, port))
            return False
        metrics = self._server.get_app()
        assert metrics is not None
        self._server.set_app(self._app(metrics))
        log.info("metrics_served", address=f"http://{host}:{self.port}/metrics")
        return True

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _app(self, metrics: WSGIApplication) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            match environ["PATH_INFO"]:
                case "/metrics":
                    return metrics(environ, start_response)
                case "/health":
                    found = self._health()
                    status = HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE
                    kind, body = "application/json", json.dumps(found.as_json()).encode() + b"\n"
                case _:
                    status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"There are /metrics and /health.\n"
            start_response(f"{status} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
            return [body]

        return app


def _in_words(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program, so there are no metrics. Choose another METRICS_PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used without privileges. Choose a METRICS_PORT above 1023."
    return f"{host} is no address of this machine, so there are no metrics. Correct METRICS_HOST ({error.strerror})."
