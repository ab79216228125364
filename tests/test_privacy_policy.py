"""The privacy policy names a test for each thing that is kept, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
POLICY = (ROOT / "docs" / "privacy.md").read_text("utf-8")
_NAMED = re.compile(r"`((?:bot|worker|launcher|e2e)/(?:\w+/)?test_\w+\.py)::(test_\w+)`")


def test_every_test_that_the_policy_names_is_there() -> None:
    named = _NAMED.findall(POLICY)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / file).read_text("utf-8"), re.M)
    ]
    assert not missing


def test_every_row_of_what_is_kept_names_one() -> None:
    table = POLICY.partition("## The table")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    # What stands on Discord is held by nobody here.
    without = [row.split("|")[1].strip() for row in rows if not _NAMED.search(row)]
    assert without == ["cards of readings and trainings"]
