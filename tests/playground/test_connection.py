"""Bots that come, go, and are sent away; a playground that is stopped and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from playground.server import open_port
from tests.driver import BOT_TOKEN
from tests.driver.client import PlaygroundClient, pictures_of
from tests.playground.processes import Bot, Server
from tests.playground.tiny_bot import PIXEL

pytestmark = pytest.mark.process


@contextmanager
def started_bot(server: Server, log: Path) -> Iterator[Bot]:
    bot = Bot(server.url, log)
    try:
        yield bot
    finally:
        bot.kill()


def test_messages_survive_a_kill_and_the_bot_finds_its_way_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server(data)
    second = None
    with started_bot(server, tmp_path / "log"):
        try:
            client = server.client
            client.wait_for_bot()
            said = client.send("!card", files={"note.txt": b"kept"})
            card = client.wait_for_message(lambda m: m["content"] == "edited", after=said["id"])
            saved = data / "playground" / "world.json"
            client.wait_for(lambda: saved.exists() and '"edited"' in saved.read_text(), what="the messages to be saved")
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()

            second = Server(data)
            client = second.client
            again = client.message(card["id"])
            assert again is not None
            assert again["embeds"][0]["description"] == "epoch 2 of 3"
            assert client.fetch(pictures_of(again)[0]) == PIXEL + b"2", "the address has the new port"
            first = client.message(said["id"])
            assert first is not None
            assert client.fetch(first["attachments"][0]["url"]) == b"kept"
            slash = ["fickle", "here", "learn", "pick", "slow", "survey", "whisper"]
            assert client.world().commands == ["Count letters", *slash]
            # A button of the old message works with a bot that has just come.
            with started_bot(second, tmp_path / "log2"):
                client.wait_for_bot()
                client.click(card["id"], "press")
                client.wait_for(lambda: (client.message(card["id"]) or card)["content"] == "pressed by Ada")
        finally:
            server.stop()
            if second is not None:
                assert second.stop() == 0


def test_tavern_stays_as_it_was_left(tmp_path: Path) -> None:
    server = Server(tmp_path)
    client = PlaygroundClient(server.client.address, channel="tavern")
    before = client.messages()
    mine = next(message for message in before[10:] if message["author"]["username"] == "ben")
    client.delete(before[3]["id"])
    client.edit(mine["id"], "on second thought", person="ben")
    client.send("good evening")
    client.send("in private", channel="dm")
    client.send("over here", channel="atrium")
    assert server.stop() == 0
    kept = json.loads((tmp_path / "playground" / "world.json").read_text())
    assert len(kept["messages"]) == 4, "the past is not stored, but for what was changed"

    again = Server(tmp_path)
    client = PlaygroundClient(again.client.address, channel="tavern")
    try:
        after = client.messages()
        assert [message["id"] for message in after[:-1]] == [m["id"] for m in before if m["id"] != before[3]["id"]]
        texts = {message["id"]: message["content"] for message in after}
        assert texts[mine["id"]] == "on second thought"
        assert after[-1]["content"] == "good evening"
        assert [message["content"] for message in client.messages(channel="dm")] == ["in private"]
        assert [message["content"] for message in client.messages(channel="atrium")] == ["over here"]
    finally:
        again.stop()


def test_broken_file_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "playground"
    folder.mkdir()
    (folder / "world.json").write_text('{"messages": [{"id": 1}]}')
    server = Server(tmp_path)
    try:
        assert server.client.messages() == []
        assert len(server.client.messages(channel="tavern")) > 400
    finally:
        server.stop()
    assert (folder / "world.broken.json").exists()


def test_taken_port_is_named(server: Server, tmp_path: Path) -> None:
    taken = server.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "playground", "--port", taken, "--forget"]
    env = os.environ | {"DISCORD_TOKEN": BOT_TOKEN}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert (
        done.stderr.strip() == f"Port {taken} on 127.0.0.1 is taken or not allowed. Set PORT to a free one above 1023."
    )


def test_usual_port_gives_way() -> None:
    with open_port(0, insist=True) as taken:
        port = taken.getsockname()[1]
        with open_port(port, insist=False) as other:
            assert other.getsockname()[1] != port
