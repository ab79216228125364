"""Discord will not have the bot: it says why, in one line that helps, and with a status that nobody restarts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from shared import keys
from shared.version import DATA_VERSION
from tests.driver import BOT_TOKEN
from tests.playground.processes import Server

EX_CONFIG = 78


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
    assert "into .env (with Docker Compose or systemd: secrets/discord_token)" in last
    assert "bad-token" not in last


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "into .env (with Docker Compose or systemd: secrets/discord_token)"),
        ({"DISCORD_TOKEN": "any-token", "TRAIN_MINUTES": "soon"}, "TRAIN_MINUTES"),
    ],
)
def test_a_setting_that_is_missing_or_cannot_be_read(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    status, last = run_bot(tmp_path, None, **settings)
    assert status == EX_CONFIG
    assert words in last


def test_a_wrong_list_of_books(tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").write_text('[{"name": "lamp", "title": "The Lamp", "author": "Nobody"}]')
    status, last = run_bot(tmp_path, None, DISCORD_TOKEN="any-token", CORPORA_DIR=str(tmp_path))
    assert status == EX_CONFIG
    assert "entry 1, `gutenberg_number`" in last


@pytest.mark.parametrize("number", [str(DATA_VERSION + 1), "x", ""])
def test_data_of_another_version(server: Server, tmp_path: Path, redis_url: str, number: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.VERSION, number)
        status, last = run_bot(tmp_path, server.url, DISCORD_TOKEN=BOT_TOKEN, REDIS_URL=redis_url)
        assert status == EX_CONFIG
        assert "data of another version" in last
        assert "the same version" in last
        assert client.get(keys.VERSION) == number.encode()


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


def test_an_intent_that_is_granted_no_longer(server: Server, tmp_path: Path) -> None:
    """What started the bot starts it again: it logs in without the intent."""
    server.client.drop_gateway(refuse_with=4014)
    try:
        status, last = run_bot(tmp_path, server.url, DISCORD_TOKEN=BOT_TOKEN)
    finally:
        server.client.drop_gateway()
    assert status == 1
    assert "no longer grants this bot an intent" in last
