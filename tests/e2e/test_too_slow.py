"""A text that cannot be done in time is given up by the worker too, and others get theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.acts import ask
from tests.e2e.system import System, started

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One of this module's own: nobody waits long there, and texts may be longer than anybody's patience."""
    yield from started(tmp_path_factory.mktemp("slow"), GENERATE_TIMEOUT_S="12", GENERATE_MAX_LENGTH="1000000")


def test_what_takes_longer_than_anybody_waits_is_told_and_dropped(system: System) -> None:
    system.add_model("patient")
    assert "patient" in ask(system, "!model use patient")
    ask(system, "!generate the tide --length 20")  # the network is compiled
    said = ask(system, "!generate the tide --length 1000000")
    assert "wasn't done in time" in said  # the worker says so, not the bot
    assert "shorter text" in said
    assert "❌" not in ask(system, "!generate the tide --length 20")
