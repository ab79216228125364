"""Models are taken elsewhere as files, and what comes as a file is not trusted."""

from __future__ import annotations

import pytest

from tests.e2e.acts import ask, exported, user
from tests.e2e.system import System

pytestmark = pytest.mark.usefixtures("without_models")


def test_a_model_comes_back_from_its_file_and_writes_the_same(system: System) -> None:
    system.add_model("traveller", owner_id=user(system, "ben"))
    written = "!generate the tide --length 40 --random-seed 5 --model"
    before = system.ask(f"{written} traveller")["embeds"][0]["description"]
    data = exported(system, "traveller", person="ben")
    question = system.ask("!model delete traveller", person="ben")
    system.client.click_label(question, "Delete it", person="ben")
    system.wait_for_card(question, "was deleted by")

    card = system.ask("!model import", files={"traveller.safetensors": data}, person="ben")
    name = card["embeds"][0]["title"].removeprefix("Imported ")
    after = system.ask(f"{written} {name}")["embeds"][0]["description"]
    assert after == before
    assert "No model called" in ask(system, f"!model info {name}", channel="library")
    assert "who imported it" in ask(system, f"!model info {name}")


def test_a_model_goes_to_another_server_as_a_file(system: System) -> None:
    system.add_model("emigrant", scope="channel")
    assert "No model called `emigrant`" in ask(system, "!model info emigrant", channel="atrium")
    data = exported(system, "emigrant")
    said = ask(system, "!model import settler", files={"emigrant.safetensors": data}, person="cleo", channel="atrium")
    assert "Imported settler" in said
    assert "settler" in ask(system, "!model use settler", channel="atrium")
    assert ask(system, "!generate the tide --length 40", channel="atrium").startswith("**the tide**")
    assert "settler" not in ask(system, "!models")


def test_what_cannot_be_imported(system: System) -> None:
    assert "There is no file to import" in ask(system, "!model import")
    assert "isn't a valid model name" in ask(system, "!model import ../x", files={"x.safetensors": b"x"})
    system.add_model("honest")
    system.add_model("whale", file_bytes=1_999_999_999)
    said = ask(system, "!model import", files={"x.safetensors": exported(system, "honest")})
    assert "of 2,000 MB already" in said
    assert "`/model delete`" in said
