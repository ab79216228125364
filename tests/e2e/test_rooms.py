"""An attacker's view of models that learned from channels' messages: what nobody outside may hear of them.

`whispers` learned from #cellar, which Ada, who runs the server, and Ben see.
"""

from collections.abc import Iterator

import pytest

from tests.driver.client import text_of
from tests.e2e.acts import (
    forget_models,
    press,
    rest,
)
from tests.e2e.cellar import (
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
