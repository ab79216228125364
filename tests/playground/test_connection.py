"""A playground that is stopped and started again, and the port that it takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.driver import BOT_TOKEN
from tests.playground.processes import Server

pytestmark = pytest.mark.process


def test_each_start_is_a_fresh_discord(tmp_path: Path) -> None:
    server = Server(tmp_path)
    old_messages = server.client.messages(channel="tavern")
    server.client.send("good evening", files={"note.txt": b"of yesterday"})
    server.client.delete(old_messages[3]["id"])
    world = server.client.world()
    assert server.stop() == 0

    server = Server(tmp_path)
    try:
        assert server.client.messages() == []
        assert [m["content"] for m in server.client.messages(channel="tavern")] == [m["content"] for m in old_messages]
        again = server.client.world()
        assert (again.channels, again.users) == (world.channels, world.users), "the bot's models belong to these"
    finally:
        server.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_taken_port_is_named(server: Server, tmp_path: Path) -> None:
    taken = server.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "playground", "--port", taken]
    env = os.environ | {"DISCORD_TOKEN": BOT_TOKEN}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert (
        done.stderr.strip() == f"Port {taken} on 127.0.0.1 is taken or not allowed. Set PORT to a free one above 1023."
    )
