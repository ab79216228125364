"""Discord will not have the bot: it says why, in one line that helps, and with a status that nobody restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from shared import keys
from shared.version import DATA_VERSION
from tests.driver import BOT_TOKEN
from tests.driver.client import Message, PlaygroundClient, text_of
from tests.e2e.acts import EPHEMERAL
from tests.playground.processes import Server

EX_CONFIG = 78


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Discord where the application has no privileged intents."""
    server = Server(tmp_path_factory.mktemp("strict"))
    server.client.privileged_intents(False)
    yield server
    server.stop()


def run_bot(folder: Path, discord: str | None, **settings: str) -> tuple[int, str]:
    """The bot's exit status and the last line it wrote."""
    environment = os.environ | {"DATA_DIR": str(folder), "REDIS_URL": "redis://127.0.0.1:1/0"} | settings
    if discord is not None:
        environment["DISCORD_API_URL"] = f"{discord}/api/v10"
        environment["DISCORD_GATEWAY_URL"] = f"{discord.replace('http', 'ws')}/gateway"
    done = subprocess.run(
        [sys.executable, "-m", "bot"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_bad_token(server: Server, tmp_path: Path) -> None:
    status, last = run_bot(tmp_path, server.url, DISCORD_TOKEN="bad-token")
    assert status == EX_CONFIG
    assert "refused the DISCORD_TOKEN" in last
    assert "Reset Token" in last
    assert "bad-token" not in last


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "No DISCORD_TOKEN is set"), ({"DISCORD_TOKEN": "any-token", "TRAIN_MINUTES": "soon"}, "TRAIN_MINUTES")],
)
def test_a_setting_that_is_missing_or_cannot_be_read(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    status, last = run_bot(tmp_path, None, **settings)
    assert status == EX_CONFIG
    assert words in last


@pytest.mark.parametrize("number", ["2", "x", ""])
def test_data_of_another_version(server: Server, tmp_path: Path, redis_url: str, number: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.VERSION, number)
        status, last = run_bot(tmp_path, server.url, DISCORD_TOKEN=BOT_TOKEN, REDIS_URL=redis_url)
        assert status == EX_CONFIG
        assert "data of another version" in last
        assert "the same version" in last
        assert client.get(keys.VERSION) == number.encode()


def test_an_empty_redis_gets_the_number(server: Server, tmp_path: Path, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(2):
            with started_bot(tmp_path, server, redis_url):
                assert client.get(keys.VERSION) == b"%d" % DATA_VERSION


@contextmanager
def started_bot(folder: Path, server: Server, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A bot that is connected; ended as a supervisor does, and with 0."""
    environment = os.environ | {"DATA_DIR": str(folder), "REDIS_URL": redis_url, "DISCORD_TOKEN": BOT_TOKEN}
    environment["DISCORD_API_URL"] = f"{server.url}/api/v10"
    environment["DISCORD_GATEWAY_URL"] = f"{server.url.replace('http', 'ws')}/gateway"
    with (folder / "bot.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "bot"], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        server.client.wait_for_bot(90)
        yield process
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_without_the_message_content_intent(strict: Server, tmp_path: Path, redis_url: str) -> None:
    client = strict.client
    with started_bot(tmp_path, strict, redis_url) as process:
        unread = client.send("!help")
        client.slash("help")
        shown = client.wait_for(lambda: find(client, "/train source:frankenstein", unread["id"]), 60, "help")
        assert shown["flags"] & EPHEMERAL
        bot = client.world().bot_user_id
        client.send(f"<@{bot}> help status")
        client.wait_for(lambda: find(client, "Show whether my workers", unread["id"]), 60, "an answer to the mention")
        told = [one for one in client.messages(after=unread["id"]) if one["author"]["id"] == bot]
        assert len(told) == 2, "nothing was said to the typed command"
        assert process.poll() is None
    assert (tmp_path / "bot.log").read_text().count("intents_not_granted") == 1
    client.privileged_intents(True)
    try:
        with started_bot(tmp_path, strict, redis_url):
            typed = client.send("!help")
            client.wait_for(lambda: find(client, "!train frankenstein", typed["id"]), 60, "an answer to the prefix")
    finally:
        client.privileged_intents(False)
    assert (tmp_path / "bot.log").read_text().count("intents_not_granted") == 1


def find(client: PlaygroundClient, words: str, after: str) -> Message | None:
    """A message after another one that shows these words."""
    return next((one for one in client.messages(after=after) if words in text_of(one)), None)


@pytest.mark.parametrize(
    ("code", "words"),
    [(4004, "refused the DISCORD_TOKEN"), (4011, "more than 2,500 servers"), (4013, "Discord's gateway refused")],
)
def test_a_gateway_that_will_not_have_it(server: Server, tmp_path: Path, code: int, words: str) -> None:
    server.client.drop_gateway(refuse_with=code)
    try:
        status, last = run_bot(tmp_path, server.url, DISCORD_TOKEN=BOT_TOKEN)
    finally:
        server.client.drop_gateway()
    assert status == EX_CONFIG
    assert words in last
