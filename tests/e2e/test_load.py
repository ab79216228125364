"""Many people at once, small: every request has one end, and who finds no room is told so."""

from pathlib import Path

import pytest

from benchmarks.load.ledger import ledger, refusals
from benchmarks.load.run import Load, run
from tests.e2e.system import FIXTURES

TEXTS, TRAININGS = 60, 2


@pytest.mark.faults
def test_everybody_gets_one_answer(tmp_path: Path) -> None:
    load = Load(3, 0.05, 3, TRAININGS, TEXTS, limit_minutes=4, quiet_s=0, warm_training=False)
    few = {"GENERATE_JOBS": "1", "GENERATE_COOLDOWN_S": "0", "TRAIN_COOLDOWN_S": "0"}
    outcome = run(load, tmp_path / "load", model=FIXTURES / "char.safetensors", environment=few)
    assert outcome.problems() == []
    trained, written = ledger(outcome.trainings), ledger(outcome.generates)
    assert trained["finished"] == TRAININGS
    assert (written["asked"], written["finished"] + written["refused"]) == (TEXTS, TEXTS)
    assert written["finished"] > 0
    full = [words for words in refusals(outcome.generates) if "asking for" in words]
    assert full
    assert all("texts than I can serve: … text in line. Try again in … s." in words for words in full)
    assert sum(map(len, outcome.turns.begun().values())) == TRAININGS
