"""A machine is lost, and all that it had goes on from a backup on an empty one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.servers.settings import GuildSettings
from shared import keys
from shared.events import parse_event
from tests.driver.client import Message, text_of
from tests.e2e.acts import TINY, lasting, training_of
from tests.e2e.system import TRAIN_S, System, prepared, started

pytestmark = pytest.mark.whole


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[System]:
    """A machine on which nothing was ever started."""
    with prepared(tmp_path / "empty") as system:
        yield system


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[System]:
    """A machine that will be lost."""
    yield from started(tmp_path / "lost")


@pytest.mark.faults
def test_everything_goes_on_on_another_machine(lost: System, empty: System, tmp_path: Path) -> None:
    lost.add_model("keeper")
    guild_id = int(lost.client.world().guild_id)
    runs = lost.ask(f"!train harbour {lasting(0.6)} --name sleeper")
    waits = lost.ask(f"!train harbour {TINY} --name waiter")
    lost.wait_for_card(runs, "Sample after epoch")
    lost.wait_for_card(waits, "training t-")
    lost.client.wait_for(lambda: list((lost.data / "checkpoints").glob("*/*/checkpoint.safetensors")), 60)
    with lost.redis as client:  # which the bot of now has read already
        client.set(keys.guild_settings(guild_id), GuildSettings(prefix="?").model_dump_json(exclude_defaults=True))

    backup = tmp_path / "galvanic.zip"
    made = lost.launcher("backup", str(backup))
    assert made.returncode == 0, made.stderr
    refused = lost.launcher("restore", str(backup))
    assert refused.returncode == 2
    assert "already running" in refused.stderr
    lost.stop()

    done = empty.launcher("restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert "1 model." in done.stdout
    assert empty.processes() == []
    empty.start()
    assert "keeper" in text_of(empty.ask("?models"))
    assert "**the fog**" in text_of(empty.ask("?generate the fog --length 40 --model keeper"))
    for card, name in ((runs, "sleeper"), (waits, "waiter")):
        words = (training_of(card), f"`{name}`", "is now this channel's model")

        def shown(words: tuple[str, ...] = words) -> list[Message]:  # the new machine has a Discord of its own
            texts = [(message, text_of(message)) for message in empty.client.messages()]
            return [message for message, text in texts if all(word in text for word in words)]

        assert len(empty.client.wait_for(shown, TRAIN_S)) == 1
    with empty.redis as client:
        events = [parse_event(fields[b"event"]) for _, fields in client.xrange(keys.job_events(training_of(runs)))]
        starts = [event.resumed for event in events if event.kind == "started"]
        assert starts == [False, True]
        assert [event.kind for event in events].count("finished") == 1
        assert sorted(client.hkeys(keys.guild_models(guild_id))) == [b"keeper", b"sleeper", b"waiter"]
        assert client.hlen(keys.ACTIVE) == 0
