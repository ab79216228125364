"""The product in one process beside Redis: the real bot, the real playground, the worker's handlers in threads, and a
train worker that only acts as if it learned (`tests.e2e.fake_worker`). For tests, which start it a hundred times.

As with `controlled.py`, a part is away while a file `run/NAME.hold` is there, and `run/NAME.held` tells that it ended.
"""

import asyncio
import base64
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.driver import BOT_TOKEN

STOP_FILE_VARIABLE = "GALVANIC_STOP_FILE"
PARTS = ("redis", "bot", "train", "generate")
_LOOK_S = 0.1


class Worker:
    """One of the two workers: takes messages off its queue, and says that it is there."""

    def __init__(self, queue: str, threads: int, run: Callable[[str, dict[str, Any], str | None], object]) -> None:
        self._queue = queue
        self._threads = threads
        self._run = run
        self._running = 0

    def start(self) -> None:
        from shared import presence
        from shared.connect import connect
        from shared.settings import get_settings
        from worker.store import DELETE_EVERY_S, ModelStore, delete_files
        from worker.threads import Heartbeat, PeriodicThread

        settings = get_settings()
        stop_file = Path(os.environ[STOP_FILE_VARIABLE])
        if self._queue == "train":
            stop_file.unlink(missing_ok=True)
        self._ending = threading.Event()
        self._beside = contextlib.ExitStack()
        self._beside.enter_context(Heartbeat(settings, self._queue, presence.own_name()))
        if self._queue == "generate":
            delete = functools.partial(delete_files, connect(settings), ModelStore(settings))
            self._beside.enter_context(PeriodicThread(delete, DELETE_EVERY_S, "models_not_deleted"))
        self._pool = ThreadPoolExecutor(self._threads)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def stop(self) -> None:
        if self._queue == "train":
            Path(os.environ[STOP_FILE_VARIABLE]).touch()
        self._ending.set()
        self._listening.join()
        self._pool.shutdown()
        self._beside.close()

    def _listen(self) -> None:
        import redis

        from shared.connect import connect
        from shared.queues import lists_of
        from shared.settings import get_settings

        client = connect(get_settings())
        while not self._ending.is_set():
            if self._threads == 1 and self._running:
                time.sleep(0.02)
                continue
            try:
                found: Any = client.brpop(lists_of(self._queue), timeout=0.2)
            except redis.RedisError:
                time.sleep(_LOOK_S)
                continue
            if found is not None:
                self._running += 1
                self._pool.submit(self._take, json.loads(found[1]))

    def _take(self, message: dict[str, Any]) -> None:
        try:
            body = json.loads(base64.b64decode(message["body"]))
            self._run(message["headers"]["task"], body[1], message["headers"].get("expires"))
        except Exception:
            import structlog

            structlog.get_logger().exception("a_worker_of_tests_failed")
        finally:
            self._running -= 1


def _write(task: str, job: dict[str, Any], expires: str | None) -> None:
    from worker.handlers import HANDLERS

    HANDLERS[task.rpartition(".")[2]].run(**job, expires=datetime.fromisoformat(expires) if expires else None)


def _train(_task: str, job: dict[str, Any], _expires: str | None) -> None:
    from worker.training import run_train

    run_train(**job)


class OneProcess:
    """All parts; `hold` and `release` are called in threads, but for the bot."""

    def __init__(self, data: Path, sockets: str) -> None:
        self._run = data / "run"
        self._redis_data = data / "redis"
        self._socket = f"{sockets}/redis.sock"
        for folder in (self._run, self._redis_data, data / "logs"):
            folder.mkdir(parents=True, exist_ok=True)
        self._bot: asyncio.Task[None] | None = None
        self._workers = {"train": Worker("train", 1, _train), "generate": Worker("generate", 16, _write)}

    def start_redis(self) -> None:
        import redis

        from launcher.redis_server import redis_command

        command = redis_command(Path(self._socket), self._redis_data)
        self._redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(f"unix://{self._socket}")
        for _ in range(200):
            with contextlib.suppress(redis.RedisError):
                client.ping()
                break
            time.sleep(0.05)
        (self._run / "redis.url").write_text(f"unix://{self._socket}", "utf-8")

    def stop_redis(self) -> None:
        self._redis.terminate()
        self._redis.wait(20)

    async def serve(self) -> None:
        from playground.server import Playground, open_port
        from shared.settings import get_settings
        from tests.driver.control import extend

        settings = get_settings()
        port = open_port(settings.playground_port)
        playground = Playground(port, bot_token=BOT_TOKEN)
        extend(playground)
        self._ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._ended.set)
        served = asyncio.create_task(playground.serve(self._ended))
        await self._start_bot()
        for worker in self._workers.values():
            await asyncio.to_thread(worker.start)
        print(f"playground: {playground.address}", flush=True)
        watching = asyncio.create_task(self._watch())
        await self._ended.wait()
        watching.cancel()
        await self._stop_bot()
        for name, worker in self._workers.items():
            if not (self._run / f"{name}.held").exists():
                await asyncio.to_thread(worker.stop)
        await served

    async def _watch(self) -> None:
        held: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK_S)
            if os.getppid() == 1:  # the tests ended, however they did
                self._ended.set()
            for name in PARTS:
                hold = (self._run / f"{name}.hold").exists()
                if hold and name not in held:
                    await self._stop(name)
                    held.add(name)
                    (self._run / f"{name}.held").touch()
                elif not hold and name in held:
                    (self._run / f"{name}.held").unlink(missing_ok=True)
                    await self._start(name)
                    held.remove(name)

    async def _stop(self, name: str) -> None:
        if name == "bot":
            await self._stop_bot()
        elif name == "redis":
            self._redis.terminate()
            await asyncio.to_thread(self._redis.wait)
        else:
            await asyncio.to_thread(self._workers[name].stop)

    async def _start(self, name: str) -> None:
        if name == "bot":
            await self._start_bot()
        elif name == "redis":
            await asyncio.to_thread(self.start_redis)
        else:
            await asyncio.to_thread(self._workers[name].start)

    async def _start_bot(self) -> None:
        from bot.__main__ import _serve
        from bot.app import Galvanic
        from shared.settings import get_settings

        async def run() -> None:
            async with Galvanic(get_settings()) as bot:
                bot._connection.guild_ready_timeout = 0.05
                await _serve(bot, BOT_TOKEN)

        self._bot = asyncio.create_task(run())

    async def _stop_bot(self) -> None:
        if self._bot is not None:
            self._bot.cancel()
            await asyncio.wait({self._bot})
            self._bot = None


def main() -> int:
    data = Path(os.environ["DATA_DIR"])
    with tempfile.TemporaryDirectory(prefix="galvanic-one-") as sockets:
        os.environ |= {
            "REDIS_URL": f"unix://{sockets}/redis.sock",
            "GALVANIC_WORKER_NAME": "one-process",
            STOP_FILE_VARIABLE: f"{sockets}/stop",
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        import discord.gateway
        import discord.http
        import yarl

        from shared.logging import configure_logging
        from shared.settings import get_settings

        port = get_settings().playground_port
        discord.http.Route.BASE = f"http://127.0.0.1:{port}/api/v10"
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://127.0.0.1:{port}/gateway")
        product = OneProcess(data, sockets)
        product.start_redis()
        with (data / "logs" / "all.log").open("a") as log:
            os.dup2(log.fileno(), 2)
        configure_logging("bot", get_settings())

        import galvanic.model_file
        import galvanic.training
        from tests.e2e import fake_worker

        galvanic.training.train = fake_worker.train
        galvanic.model_file.STARTER_FILE = fake_worker.FIXTURES / "char.safetensors"
        try:
            asyncio.run(product.serve())
        finally:
            product.stop_redis()
    return 0


if __name__ == "__main__":
    sys.exit(main())
