"""Each line of docs/reliability.md about what is kept names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text("utf-8")
NOTHING_TO_SHOW = "a command while the bot is away"


def test_each_line_names_the_tests_that_show_it() -> None:
    table = RELIABILITY.partition("## What is kept where")[2].partition("\n\nThe tests")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 8
    without = [row[1].strip() for row in rows if not re.findall(r"`(?:bot/)?test_\w+(?:\.py)?`", row[4])]
    assert without == [NOTHING_TO_SHOW]
    named = {name for row in rows for name in re.findall(r"`(?:bot/)?(test_\w+)(?:\.py)?`", row[4])}
    folders = ("faults", "e2e", "bot")
    there = {path.stem for folder in folders for path in (ROOT / "tests" / folder).glob("test_*.py")}
    assert named <= there


def test_each_fault_of_the_matrix_has_its_row() -> None:
    """The table is filled by `python -m tests.faults.table`: it must not be of an older set of tests."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "faults").glob("test_*.py"))
    table = RELIABILITY.partition("<!-- faults: begin -->")[2].partition("<!-- faults: end -->")[0]
    faults = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")} - {"fault"}
    recorded = set(re.findall(r'record\("([^"]+)"', sources)) | set(re.findall(r'(?<!")"(kill -9 of [^"]+)"', sources))
    assert recorded
    assert recorded <= faults
