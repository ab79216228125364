"""Start a Redis for a measurement."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from launcher.redis_server import find_redis_server

_START_S = 60.0
_LOOK_EVERY_S = 0.02


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a Redis on a socket of its own within the block."""
    socket = folder / "redis.sock"
    command = [find_redis_server(), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + _START_S
            while not socket.exists() and time.monotonic() < until:
                time.sleep(_LOOK_EVERY_S)
            yield f"unix://{socket}"
        finally:
            server.terminate()
