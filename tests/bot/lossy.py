"""A Redis whose replies get lost, and which is away, when a test says so: a proxy in front of the real one."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class LossyRedis:
    """Takes connections on a Unix socket and hands on what is said.

    Args:
        server: the real one's socket.
        path: of the proxy's own.
    """

    def __init__(self, server: str, path: Path) -> None:
        self._server = server
        self._lost: list[tuple[bytes, bool]] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self.url = f"unix://{path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_reply(self, words: str, times: int = 1) -> None:
        """Carry out the next request that has these words, and hang up instead of answering."""
        self._lost += [(words.encode(), True)] * times

    def lose_request(self, words: str, times: int = 1) -> None:
        """Hang up at the next request that has these words."""
        self._lost += [(words.encode(), False)] * times

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                silent = threading.Event()
                threading.Thread(target=self._requests, args=(near, far, silent), daemon=True).start()
                threading.Thread(target=self._replies, args=(near, far, silent), daemon=True).start()

    def _requests(self, near: socket.socket, far: socket.socket, silent: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 20):
                carried_out = self._verdict(data)
                if carried_out is not None:
                    silent.set()
                if carried_out is not False:
                    far.sendall(data)
                    continue
                break
        _hang_up(near, far)

    def _verdict(self, data: bytes) -> bool | None:
        """Whether a request whose reply is to be lost is carried out; None: it is to be answered."""
        with self._lock:
            for number, (words, carried_out) in enumerate(self._lost):
                if words in data:
                    del self._lost[number]
                    return carried_out
        return None

    def _replies(self, near: socket.socket, far: socket.socket, silent: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 20):
                if silent.is_set():
                    break
                near.sendall(data)
        _hang_up(near, far)


def _hang_up(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
