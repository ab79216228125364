"""A Redis that `deploy/redis/start.sh` starts, as containers do: with users, and over TLS if it has a certificate."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from launcher.redis_server import find_redis_server
from tests.s3 import free_port

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "redis"
START = FOLDER / "start.sh"
USERS = ("bot", "worker", "admin")
READY_S = 20
ONCE = Retry(NoBackoff(), 0)
"""For a client that answers or fails at once."""


def candidates() -> list[str]:
    """The programs of a server that this machine has."""
    found = [find_redis_server(), *(shutil.which(name) for name in ("valkey-server", "redis-server"))]
    return [program for program in dict.fromkeys(found) if program is not None]


def speaks_tls(program: str) -> bool:
    """Whether this build of the server got as far as to miss the certificate."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [program, "--port", "0", "--tls-port", "1", "--dir", folder, "--save", ""],
            capture_output=True,
            text=True,
            timeout=120,
        )
    return "Failed to configure TLS" in done.stdout + done.stderr


class Server:
    """One server in a folder of its own; use as a context manager.

    Attributes:
        secrets: the folder of passwords and certificates.
        passwords: by user.
        port: without TLS; 0: none.
        tls_port: with TLS; 0: none.
    """

    def __init__(self, *, program: str | None = None, certificates: dict[str, bytes] | None = None, **env: str) -> None:
        # pytest's own folders are too deep for a socket's path.
        self.folder = Path(tempfile.mkdtemp(prefix="galvanic-redis-"))
        self.secrets, self.data, self.run = (self.folder / name for name in ("secrets", "data", "run"))
        for folder in (self.secrets, self.data, self.run):
            folder.mkdir()
        # As anybody's: what has a meaning in a URL, in a shell and in Redis' configuration.
        self.passwords = {user: f"{secrets.token_hex(8)}-{user}/@:%'\"$#&" for user in USERS}
        for user, password in self.passwords.items():
            (self.secrets / f"redis_{user}_password").write_text(f"{password}\n", "utf-8")
        for name, data in (certificates or {}).items():
            (self.secrets / f"redis_tls_{name}").write_bytes(data)
        self.port = free_port()
        self.tls_port = free_port() if certificates else 0
        self.environment = os.environ | {
            "SECRETS_DIR": str(self.secrets),
            "REDIS_DATA_DIR": str(self.data),
            "REDIS_RUN_DIR": str(self.run),
            "REDIS_BIND": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_TLS_PORT": str(self.tls_port),
            "REDIS_SERVER": program or find_redis_server(),
            **env,
        }
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes commands."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["sh", str(START)], env=self.environment, stdout=log, stderr=log)
        client = self.client("admin")
        deadline = time.monotonic() + READY_S
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert self.process.poll() is None, self.log.read_text("utf-8")
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        client.close()

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(READY_S)

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def client(self, user: str, **options: Any) -> redis.Redis:
        """A client that answers or fails at once, on the socket for whoever runs the server."""
        socket = str(self.run / "redis.sock")
        return redis.Redis(
            unix_socket_path=socket,
            username=user,
            password=self.passwords[user],
            retry=ONCE,
            socket_timeout=5,
            **options,
        )

    def settings(self, user: str, *, tls: bool = False) -> dict[str, str]:
        """What one of our programs is told, to come as this user."""
        address = f"rediss://{user}@localhost:{self.tls_port}/0" if tls else f"redis://{user}@127.0.0.1:{self.port}/0"
        return {"REDIS_URL": address, "REDIS_PASSWORD": self.passwords[user]}

    def secrets_as_written(self) -> list[str]:
        """The passwords, as they are and as in a URL."""
        return [*self.passwords.values(), *(quote(password, safe="") for password in self.passwords.values())]

    def refusals(self) -> list[str]:
        """What users were refused so far, in words."""
        with self.client("admin") as client:
            found = client.execute_command("ACL LOG", 128)
        entries = [{_words(name): _words(value) for name, value in entry.items()} for entry in found]
        return [f"{one['username']}: {one['reason']} {one['object']} ({one['context']})" for one in entries]


def _words(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
