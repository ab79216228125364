"""The whole product as on several hosts: each part a process of its own, and each with a Redis user of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis
import trustme

from shared import presence
from tests.e2e.system import START_S, System
from tests.playground.processes import printed_address
from tests.safety.server import Server, candidates, speaks_tls

# Built like a token, and belonging to nobody.
TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.guarded-system-0123456789-abcdefgh"
PARTS = {
    "playground": ("playground",),
    "bot": ("bot",),
    "generate": ("worker", "serve", "generate"),
    "train": ("worker", "serve", "train"),
}


class GuardedSystem(System):
    """Bot and workers that reach Redis only as the users of `deploy/redis/users.acl`; tests look as `admin`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, **environment)
        program = next(filter(speaks_tls, candidates()), None)
        self._ca = folder / "ca"
        certificates = None
        if program is not None:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(self._ca)
            own = authority.issue_cert("localhost")
            certificates = {"cert": own.cert_chain_pems[0].bytes(), "key": own.private_key_pem.bytes()}
        self.server = Server(program=program, certificates=certificates, DATA_DIR=str(self.data))
        self._parts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> float:
        """Start everything, and wait until all have come; returns the seconds that took."""
        began = time.monotonic()
        (self.data / "logs").mkdir(parents=True, exist_ok=True)
        self.start_redis()
        for name in PARTS:
            self.start_part(name)
        self.client.wait_for_bot(START_S)
        self.wait_for_greetings()
        for service in ("train", "generate"):
            self.wait_for_worker(service)
        return time.monotonic() - began

    def start_redis(self) -> None:
        """Start Redis; as long as it runs, everything is to be stopped in the end."""
        self.server.start()
        self.process = self.server.process  # type: ignore[assignment]

    def wait_for_worker(self, queue: str) -> None:
        """Wait until a worker of this kind is there."""
        with self.redis as client:
            self.client.wait_for(lambda: presence.alive(client, queue), START_S, f"a worker for {queue}")

    def settings_of(self, name: str) -> dict[str, str]:
        """What this part alone is told."""
        base = f"127.0.0.1:{self.port}"
        match name:
            case "playground":
                return {"DISCORD_TOKEN": TOKEN}
            case "bot":
                api = {"DISCORD_API_URL": f"http://{base}/api/v10", "DISCORD_GATEWAY_URL": f"ws://{base}/gateway"}
                return {"DISCORD_TOKEN": TOKEN} | api | self.server.settings("bot")
            case _ if self._ca.exists():  # as from another host
                return self.server.settings("worker", tls=True) | {"REDIS_CA_FILE": str(self._ca)}
            case _:
                return self.server.settings("worker")

    def start_part(self, name: str) -> None:
        """Start one part; the playground says when it is ready, the others are waited for by what they do."""
        log = self.data / "logs" / f"{name}.log"
        with log.open("ab") as output:
            self._parts[name] = self._popen(name, output)
        if name == "playground":
            self.client.open(printed_address(log))

    def run_part(self, name: str, **changes: str) -> subprocess.Popen[str]:
        """One more process of a part, with other settings; what it writes can be read."""
        return self._popen(name, subprocess.PIPE, text=True, **changes)

    def _popen(self, name: str, output: Any, *, text: bool = False, **changes: str) -> subprocess.Popen[Any]:
        return subprocess.Popen(
            [sys.executable, "-m", *PARTS[name]],
            cwd=self.folder,
            env=self.environment | {"PYTHONPATH": os.pathsep.join(sys.path)} | self.settings_of(name) | changes,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=text,
        )

    def command_lines(self) -> set[str]:
        """What everybody on this machine sees of our processes."""
        return {" ".join(process.cmdline()) for process in self.processes()}

    def stop_part(self, name: str) -> None:
        """Stop one part and wait for its end."""
        self._parts[name].terminate()
        self._parts[name].wait(60)

    def stop(self, number: int = 15) -> int:
        """Stop everything, Redis last."""
        for name in reversed(PARTS):
            if name in self._parts:
                self.stop_part(name)
        self.server.__exit__()
        return 0

    @property
    def redis(self) -> redis.Redis:
        """Redis, for tests: they may look at everything."""
        return self.server.client("admin")
