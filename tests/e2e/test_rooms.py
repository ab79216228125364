"""An attacker's view of models that learned from channels' messages: what nobody outside may hear of them.

`whispers` learned from #cellar, which Ada, who runs the server, and Ben see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from shared import keys
from tests.driver.client import text_of
from tests.e2e.acts import (
    ask,
    forget_models,
    press,
    rest,
    written,
)
from tests.e2e.cellar import (
    NOT_THERE,
    TITLE,
    exported,
    heard,
    in_cellar,
    writes,
)
from tests.e2e.system import QUICKEST, System, started


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One of this module's own: it has learning from channels switched on."""
    yield from started(tmp_path_factory.mktemp("rooms"), QUICKEST, CHANNEL_TRAINING="opt-in")


@pytest.fixture(autouse=True)
def _tidy(system: System) -> Iterator[None]:
    forget_models(system)
    rest(system)
    yield
    forget_models(system)


def test_outside_no_command_knows_it(system: System) -> None:
    heard(system)
    system.add_model("public")
    for typed in (
        "!generate the sea --model whispers",
        "!train harbour --from whispers",
        "!model export whispers",
    ):
        for person in ("dora", "ada"):  # not even for who could read it: others read along
            said = ask(system, typed, person=person)
            assert NOT_THERE in said, typed
            assert TITLE not in said
    said = ask(system, "!generate the sea --mix public,whispers", person="dora")
    assert "❌" in said
    assert TITLE not in said
    for typed in ("!models", "!model", "!model info whisper", "!model whispers"):
        said = ask(system, typed, person="ada")
        assert "`whispers`" not in said or typed == "!model whispers", typed
        assert TITLE not in said


def test_it_writes_only_where_all_could_have_read_its_channel(system: System) -> None:
    heard(system)
    client = system.client
    inside = client.create_thread("racks", person="ada", channel="cellar")
    aside = client.create_thread("aside", private=True, person="ada", channel="cellar")
    outside = client.create_thread("corner", private=True, person="ada", channel="lab")
    den = client.create_channel("den", only=["ben"])
    hall = client.create_channel("hall", only=["ben", "dora"])
    for channel in ("cellar", "lab"):  # the bot reads private threads that nobody called it into
        client.set_permissions("bot", allow=["manage_threads"], channel=channel)
    try:
        for channel in ("cellar", inside, aside, den):
            assert writes(system, channel, "ada"), channel
        for channel in ("lab", "tavern", outside, hall):
            assert not writes(system, channel, "ada"), channel
        heard(system, aside)  # a private thread is heard only in itself
        assert writes(system, aside, "ada")
        for channel in ("cellar", inside, den):
            assert not writes(system, channel, "ada"), channel
        heard(system, "cellar", "tavern")  # what all can read takes nothing away
        assert writes(system, "cellar")
    finally:
        for channel in (inside, aside, outside, den, hall):
            client.delete_channel(channel)
        for channel in ("cellar", "lab"):
            client.set_permissions("bot", channel=channel)


def test_a_demoted_admin_exports_nothing_more(system: System) -> None:
    heard(system)
    assert "Only members with Manage Server" in text_of(in_cellar(system, "!model export whispers"))  # its owner
    system.client.set_role("ben", "Stewards", held=True)
    try:
        card = in_cellar(system, "!model info whispers")
        assert exported(system, "ben")
    finally:
        system.client.set_role("ben", "Stewards", held=False)
    assert "Only members with Manage Server" in text_of(in_cellar(system, "!model export whispers"))
    press(system, card, "Export", "Only members with Manage Server", person="ben", channel="cellar")


def test_a_foreign_file_is_refused(system: System) -> None:
    model = heard(system)
    files = {"x.safetensors": exported(system)}
    said = ask(system, "!model import stolen", person="ben", channel="atrium", files=files)
    assert "that I know nothing of" in said
    said = ask(system, "!model import stolen", person="dora", files=files)
    assert "didn't keep it" in said
    assert TITLE not in said
    answer = system.ask("!model import again", person="ben", channel="cellar", files=files)
    assert "Imported again" in text_of(answer)
    assert written(in_cellar(system, "!generate the sea --model again"))
    assert NOT_THERE in ask(system, "!generate the sea --model again", person="dora")
    assert "nobody can share it" in text_of(in_cellar(system, "!model share again server"))
    with system.redis as client:
        client.hset(keys.reading(model.readings[0].reading_id), "withdrawn_at", str(time.time()))
    said = ask(system, "!model import later", person="ben", channel="cellar", files=files)
    assert "were withdrawn after it was exported" in said
    with system.redis as client:
        names = client.hkeys(keys.guild_models(model.guild_id))
        annex = int(system.client.world().guilds["annex"].id)
        assert sorted(names) == [b"again", b"whispers"]
        assert not client.exists(keys.guild_models(annex))
    assert "were withdrawn" in text_of(in_cellar(system, "!model export whispers", "ada"))


# ---------------------------------------------------------------------- renamed and deleted channels
