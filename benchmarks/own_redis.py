"""Start a Redis for a measurement, with the settings of the product's."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from launcher.redis_server import redis_command

_START_S = 60.0
_LOOK_EVERY_S = 0.02


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a Redis on a socket of its own within the block; give its URL."""
    socket = folder / "redis.sock"
    with subprocess.Popen(redis_command(socket, folder), stdout=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + _START_S
            while not socket.exists() and time.monotonic() < until:
                time.sleep(_LOOK_EVERY_S)
            yield f"unix://{socket}"
        finally:
            server.terminate()
