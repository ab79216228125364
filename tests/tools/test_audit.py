"""The audit of what Galvanic is installed with: what it makes of what pip-audit, pip and pip-licenses say."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tools import audit
from tools.audit import Package, Report

ROOT = Path(__file__).resolve().parents[2]
# As pip-audit 2.10 writes them: of one that was looked up, of one with a hole, and of one that it could not look up.
CLEAN = {"name": "flask-cors", "version": "6.0.5", "vulns": []}
HOLE: dict[str, Any] = {"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": [], "description": "..."}
HARMED = {"name": "flask", "version": "0.5", "vulns": [HOLE]}
SKIPPED = {
    "name": "absl-py",
    "skip_reason": "Dependency not found on PyPI and could not be audited: absl-py (2.5.1)",
}


def advisories(*entries: dict[str, Any], expected: tuple[str, ...]) -> Report:
    report = Report()
    audit.check_advisories({"dependencies": list(entries), "fixes": []}, "", expected, report)
    return report


def test_what_was_looked_up_and_is_well_is_well() -> None:
    report = advisories(CLEAN, expected=("flask-cors",))
    assert (report.wrong, report.unknown) == ([], [])


def test_a_known_hole_is_told_with_the_way_out() -> None:
    report = advisories(HARMED, expected=("flask",))
    assert report.wrong == ["flask 0.5 has a known hole, PYSEC-2019-179; mended in 1.0"]


@pytest.mark.parametrize("entries", [(CLEAN, SKIPPED), (CLEAN,)], ids=["skipped", "left out"])
def test_what_was_not_looked_up_is_no_good_news(entries: tuple[dict[str, Any], ...]) -> None:
    report = advisories(*entries, expected=("flask-cors", "absl-py"))
    assert report.wrong == []
    assert "1 of 2 packages were NOT AUDITED" in report.unknown[0]
    assert "absl-py" in report.unknown[0]


def test_nor_is_an_audit_that_failed() -> None:
    report = Report()
    audit.check_advisories(None, "no such host", ("flask",), report)
    assert "nothing was looked up, because pip-audit failed: no such host" in report.unknown[0]
    audit.check_yanked(None, "no such host", report)
    assert len(report.unknown) == 2


def test_only_leave_makes_the_unknown_pass_and_it_is_still_said() -> None:
    report = Report(unknown=["known holes: 2 of 2 packages were NOT AUDITED"])
    strict, lenient = (list(audit.said(report, offline_is_fine=fine)) for fine in (False, True))
    assert strict[0].startswith("FAILED")
    assert "AUDIT_OFFLINE=ok" in strict[-1]
    assert lenient == ["UNKNOWN   known holes: 2 of 2 packages were NOT AUDITED"]


def test_a_withdrawn_version_is_told() -> None:
    report = Report()
    entry = {"metadata": {"name": "a", "version": "1"}, "is_yanked": True}
    audit.check_yanked({"install": [entry, entry | {"is_yanked": False}]}, "", report)
    assert report.wrong == ["a 1 was withdrawn by its author"]


@pytest.mark.parametrize(
    ("entry", "licence"),
    [
        ({"License-Expression": "Apache-2.0 AND MIT"}, "Apache-2.0 AND MIT"),
        ({"License-Classifier": "Apache Software License; BSD License"}, "Apache-2.0 OR BSD"),
        ({"License-Metadata": "Apache License, Version 2.0"}, "Apache-2.0"),
        ({"License-Metadata": "Do what you like\nand more"}, "Do what you like"),
        ({}, "UNKNOWN"),
        ({"Name": "namex"}, "Apache-2.0"),
    ],
)
def test_the_licence_is_found_in_what_authors_write(entry: dict[str, str], licence: str) -> None:
    nothing = {
        "Name": "a",
        "License-Expression": "UNKNOWN",
        "License-Classifier": "UNKNOWN",
        "License-Metadata": "UNKNOWN",
    }
    assert audit.licence_of(nothing | entry) == licence


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 OR BSD-3-Clause", "MPL-2.0 AND MIT", "(MIT OR ISC) AND Zlib"])
def test_what_asks_for_little_is_allowed(licence: str) -> None:
    assert audit.is_allowed(licence)


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND LGPL-2.1", "UNKNOWN", "Mine", "MIT OR GPL-2.0"]
)
def test_all_else_fails_until_somebody_looks(licence: str) -> None:
    report = Report()
    audit.check_licences([Package("a", "1", licence)], report)
    assert licence in report.wrong[0]


def test_versions_are_those_that_were_tried() -> None:
    report = Report()
    packages = [Package("A.b", "1", "MIT"), Package("c", "2", "MIT"), Package("d", "3", "MIT")]
    audit.check_pins(packages, audit.pins("# x\na-b==1\nc==1 ; python_version >= '3.11'\n"), report)
    assert report.wrong == ["c is 2 here and 1 in constraints.txt", "d 3 is not in constraints.txt"]


def test_the_page_is_compared_with_what_is_installed() -> None:
    packages = [Package("a", "1", "MIT"), Package("b", "2", "BSD")]
    page = audit.table(packages)
    assert list(audit.rows(page).values()) == packages

    def wrong(installed: list[Package], pinned: dict[str, str]) -> list[str]:
        report = Report()
        audit.check_table(page, installed, pinned, report)
        return report.wrong

    assert wrong(packages, {"a": "1", "b": "2"}) == []
    assert wrong(packages[:1], {"a": "1", "b": "2"}) == [], "another platform needs less"
    assert "lacks c" in wrong([*packages, Package("c", "1", "MIT")], {"a": "1", "b": "2"})[0]
    assert "something else of b" in wrong([Package("b", "2", "MIT")], {"a": "1", "b": "2"})[0]
    assert "not pinned any more" in wrong(packages, {"a": "1", "b": "3"})[0]


def test_the_page_in_the_repository_has_what_is_pinned() -> None:
    pinned = audit.pins(audit.CONSTRAINTS.read_text("utf-8"))
    report = Report()
    audit.check_table(audit.TABLE.read_text("utf-8"), [], pinned, report)
    audit.check_licences(audit.rows(audit.TABLE.read_text("utf-8")).values(), report)
    assert report.wrong == []


def test_only_what_the_product_needs_is_looked_through() -> None:
    metadata: dict[str, list[str]] = {}
    for found in importlib.metadata.distributions():
        metadata[canonicalize_name(found.metadata["Name"])] = list(found.requires or ())
    needed = audit.closure(metadata, audit.PRODUCT, audit.EXTRAS, {})
    assert {"discord-py", "celery", "vine", "supervisor", "safetensors", "botocore", "markupsafe"} & needed >= {
        "discord-py",
        "celery",
        "vine",
        "supervisor",
        "safetensors",
        "botocore",
    }
    assert not {"pytest", "moto", "flask", "mypy", "galvanic"} & needed
