"""A small HTTP server in a thread of its own: `/metrics` and `/health`.

A thread, so that a bot whose event loop hangs, or a worker that computes, still says so.
"""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.settings import Settings

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
    """Serves one process's pages until `stop`.

    Args:
        registry: what `/metrics` shows.
        health: makes what `/health` shows; called in the server's threads.
    """

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int | None:
        """Where it listens; None: it does not."""
        return self._server.server_address[1] if self._server is not None else None

    def start(self, settings: Settings) -> bool:
        """Listen on METRICS_HOST and METRICS_PORT, if that is set.

        Returns:
            Whether it listens. A port that cannot be had is said in the log and keeps nothing from running.
        """
        if settings.metrics_port is None:
            return False
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._server = _Server((host, port), _handler(self._registry, self._health))
        except OSError as error:
            log.warning("metrics_not_served", host=host, port=port, problem=_in_words(error, host, port))
            return False
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
        log.info("metrics_served", address=f"http://{host}:{self.port}/metrics")
        return True

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base class has it
        """Whoever asked has gone, or a collector failed: neither concerns the service."""
        log.warning("metrics_page_failed", exc_info=True)


def _handler(registry: CollectorRegistry, health: Callable[[], Health]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    encode, kind = choose_encoder(self.headers.get("Accept", ""))
                    self._send(HTTPStatus.OK, kind, encode(registry))
                case "/health":
                    found = health()
                    status = HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE
                    self._send(status, "application/json", json.dumps(found.as_json()).encode() + b"\n")
                case _:
                    self._send(HTTPStatus.NOT_FOUND, "text/plain", b"There are /metrics and /health.\n")

        def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """A line for each scrape says nothing."""

    return Handler


def _in_words(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program, so there are no metrics. Choose another METRICS_PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used without privileges. Choose a METRICS_PORT above 1023."
    return f"{host} is no address of this machine, so there are no metrics. Correct METRICS_HOST ({error.strerror})."
