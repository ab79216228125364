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
    """How a process is.

    Attributes:
        service: `bot`, `train` or `generate`.
        problems: what is wrong, each a sentence; none: all is well.
        state: what it does now, in a word or two.
    """

    service: str
    problems: tuple[str, ...] = field(default=())
    state: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """As `/health` shows it."""
        return {"ok": self.ok, "service": self.service, "state": self.state, "problems": list(self.problems)}


class MetricsServer:
    """Serves one process's pages until `stop`: prometheus-client's own server, with `/health` besides.

    Args:
        registry: what `/metrics` shows.
        health: makes what `/health` shows; called in the server's threads.
    """

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health
        self._server: WSGIServer | None = None

    @property
    def port(self) -> int | None:
        """Where it listens; None: it does not."""
        return self._server.server_port if self._server is not None else None

    def start(self, settings: Settings) -> bool:
        """Listen on METRICS_HOST and METRICS_PORT, if that is set.

        Returns:
            Whether it listens. A port that cannot be had is said in the log and keeps nothing from running.
        """
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
        """Stop listening."""
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
