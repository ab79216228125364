"""What `make scaling` makes of what it measured."""

from __future__ import annotations

import pytest

from benchmarks.scaling import babble, table

pytestmark = pytest.mark.slow


def test_ratios_are_taken_within_a_round() -> None:
    found = {"trainings": {1: [2.0, 4.0, 3.0], 2: [4.0, 6.0, 6.0], 4: [4.0, 8.0, 3.0]}, "texts": {1: [50.0] * 3}}
    lines = table(found, {"cores": 2, "cpu": "a processor", "load": [0.1, 0.2, 0.3]}).splitlines()
    assert lines[0].startswith("2 cores of a processor")
    assert lines[4:] == [
        "| 1, trainings | 3 | 1.00 |",
        "| 2, trainings | 6 | 2.00 (1.50 to 2.00) |",
        "| 4, trainings | 4 | 2.00 (1.00 to 2.00) |",
        "| 1, texts | 50 | 1.00 |",
    ]


def test_the_text_is_the_same_each_time() -> None:
    assert babble(5_000) == babble(5_000)
    assert len(babble()) == 40_000
