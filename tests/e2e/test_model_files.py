"""Models are taken elsewhere as files, and what comes as a file is not trusted."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from shared import keys
from tests.driver.client import text_of
from tests.e2e.acts import ask, exported, press, start_bot, stop_bot, undelivered, user
from tests.e2e.system import ANSWER_S, QUICKEST, System, field_of, started
from tests.worker.hostile import model_file, sealed
from tests.worker.small import biased, network

pytestmark = pytest.mark.usefixtures("without_models")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One of this module's own: it takes only small files."""
    yield from started(tmp_path_factory.mktemp("models"), QUICKEST, IMPORT_MAX_MB="1")


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


def test_an_import_takes_a_name_and_makes_no_model_the_current_one(system: System) -> None:
    system.add_model("original")
    data = exported(system, "original")
    card = system.ask("!model import Copy", files={"any name.safetensors": data})
    assert "Imported copy" in text_of(card)
    assert "▶️ **`original`**" in ask(system, "!models")
    press(system, card, "Use here", "made `copy` this channel's model")
    system.client.slash("model import", {"name": "third"}, files={"file": ("x.safetensors", data)})
    system.client.wait_for_message(lambda answer: "Imported third" in text_of(answer))


@pytest.mark.whole
def test_a_file_is_answered_for_after_a_restart(system: System) -> None:
    system.add_model("patient")
    data = exported(system, "patient")
    worker = system.part("serve", "generate")
    for process in worker:
        process.suspend()
    try:
        asked = [
            system.client.send("!model import belated", files={"x.safetensors": data}),
            system.client.send("!model export patient"),
        ]
        waiting = {f"i-{asked[0]['id']}", f"x-{asked[1]['id']}"}
        system.client.wait_for(lambda: waiting <= undelivered(system), ANSWER_S, "both jobs to wait")
        stop_bot(system)
    finally:
        for process in worker:
            process.resume()
    start_bot(system)
    for words in ("Imported belated", "`patient` as a file"):
        found = system.client.wait_for_message(
            lambda answer, words=words: words in text_of(answer),  # type: ignore[misc]
            after=asked[1]["id"],
        )
        assert found
    system.client.wait_for(lambda: not undelivered(system) & waiting, ANSWER_S, "both jobs to be done with")


def test_only_the_owner_or_an_admin_exports(system: System) -> None:
    system.add_model("guarded", scope="channel", owner_id=user(system, "ben"))
    assert exported(system, "guarded")  # Ada runs the server
    system.add_model("adas", current=False)
    assert "isn't your model" in ask(system, "!model export adas", person="ben")


def test_hostile_files_are_refused_and_leave_nothing(system: System) -> None:
    def files() -> set[str]:
        return {path.name for path in (system.data / "models").iterdir()}

    honest = system.add_model("honest")
    good = exported(system, "honest")
    bombs = {
        "text.safetensors": b"not a model at all",
        "pickle.safetensors": pickle.dumps({"weights": [1, 2, 3]}),
        "noise.safetensors": bytes(range(256)) * 400,
        "cut.safetensors": good[: len(good) // 2],
        "bent.safetensors": good[:200] + bytes(100) + good[300:],
        "empty.safetensors": sealed({}, {}),
        "deep.safetensors": (100_000).to_bytes(8, "little") + b"[" * 100_000,
    }
    stored = files()
    for name, data in bombs.items():
        said = ask(system, "!model import", files={name: data})
        assert "❌" in said, name
        assert f"`{name}`" in said, said
        assert "Traceback" not in said
    assert f"{honest.model_id}.safetensors" in files() <= stored  # what an earlier test deleted goes some seconds later
    assert "1 model ·" in ask(system, "!models")


def test_what_cannot_be_imported(system: System) -> None:
    assert "There is no file to import" in ask(system, "!model import")
    assert "isn't a valid model name" in ask(system, "!model import ../x", files={"x.safetensors": b"x"})
    said = ask(system, "!model import", files={"x.safetensors": bytes(1_234_567)})
    assert "is 1.2 MB; I take model files up to 1 MB" in said
    system.add_model("honest")
    system.add_model("whale", file_bytes=1_999_999_999)
    said = ask(system, "!model import", files={"x.safetensors": exported(system, "honest")})
    assert "of 2,000 MB already" in said
    assert "`/model delete`" in said


def test_a_model_whose_files_are_gone_says_so(system: System) -> None:
    model = system.add_model("hollow")
    (system.data / "models" / f"{model.model_id}.safetensors").unlink()
    assert "files are gone" in ask(system, "!model export hollow")
    card = system.ask("!model info hollow")
    assert "files are gone" in field_of(card, "No picture")


def test_a_small_file_fills_neither_redis_nor_bot_nor_worker(system: System) -> None:
    """Files of what no training makes; and one with as much as may be."""
    system.add_model("honest")
    letters = [*map(chr, range(32, 127))]
    huge = network(len(letters))
    overflowing = {name: np.full(shape, 3e38, np.float32) for name, shape in huge.shapes().items()}
    files = {
        "symbol.safetensors": model_file((*letters, "x" * 100_000), "word"),
        "window.safetensors": model_file(letters, windows_=np.zeros((1, 200_000), np.uint8)),
        "huge.safetensors": model_file(letters, weights=overflowing),
    }
    for name, data in files.items():
        said = ask(system, f"!model import {name.removesuffix('.safetensors')}", files={name: data})
        assert "❌" in said, name
        assert "Something went wrong" not in said
    assert "1 model ·" in ask(system, "!models")

    symbols = (*letters, *(f"{number:02d}" * 500 for number in range(30)))
    config = network(len(symbols))
    longest = biased(config, np.where(np.arange(len(symbols)) < len(letters), -50.0, 0.0))
    window = np.full((1, 100), len(symbols) - 1, np.uint8)
    data = model_file(symbols, "word", config, longest, window)
    assert "Imported most" in ask(system, "!model import most", files={"most.safetensors": data})
    for asked in ("!generate --model most --from-corpus", "!generate --model most", "!generate the sea --model most"):
        system.ask(f"{asked} --length 200")
    with system.redis as client:
        kept = [client.memory_usage(key) or 0 for key in client.scan_iter(keys.job_events("*"))]
    assert len(kept) >= 3
    assert max(kept) < 20_000
