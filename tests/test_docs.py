"""Links, anchors, pictures and names of modules in the documentation lead somewhere.

Sphinx checks what is between the pages of docs/ (`make docs`). Here is what it does not see: the pages outside of it,
as GitHub and GitLab show them, and whether all that is there is used.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from shared.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
IMAGES = DOCS / "images"
MODULES = re.compile(r"`((?:galvanic|bot|worker|shared|launcher|playground|benchmarks|tests|deploy|docs)/[\w./-]*)`")
VARIABLES = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)\b")
OTHERS = {
    "DATA_VERSION",
    "CUDA_VISIBLE_DEVICES",
    "ONEDNN_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
    "SECRETS_DIR",
    "COMPOSE_FILE",
    "GALVANIC_API_KEY",
}
"""A constant of the code, and variables of CUDA, oneDNN, TensorFlow, systemd, Docker Compose and `galvanic serve`."""
MARKDOWN = MarkdownIt("commonmark").enable("table")


def tokens(page: Path) -> Iterator[Token]:
    for token in MARKDOWN.parse(page.read_text("utf-8")):
        yield token
        yield from token.children or ()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: a second heading of the same words gets a number."""
    found: list[str] = []
    parsed = MARKDOWN.parse(page.read_text("utf-8"))
    for opening, content in pairwise(parsed):
        if opening.type == "heading_open":
            text = "".join(child.content for child in content.children or ())
            found.append(re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-"))
    return {f"{anchor}-{count}" if (count := found[:at].count(anchor)) else anchor for at, anchor in enumerate(found)}


def links(page: Path) -> list[str]:
    found = [str(token.attrGet("href") or token.attrGet("src") or "") for token in tokens(page)]
    return [link for link in found if link and not re.match(r"[a-z]+:", link)]


def broken(page: Path) -> list[str]:
    """A page's links to files or headings that are not there."""
    wrong = []
    for link in links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    wrong = broken(page)
    assert not wrong, ", ".join(wrong)


def test_every_picture_is_used() -> None:
    shown = {(page.parent / unquote(link)).resolve() for page in PAGES for link in links(page)}
    unused = [path.name for path in sorted(IMAGES.iterdir()) if path.resolve() not in shown]
    assert not unused, ", ".join(unused)


def test_every_picture_can_be_made_anew() -> None:
    """By `make pictures`, or another program in the repository that names each which it keeps."""
    sources = "".join(
        path.read_text("utf-8") for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    )
    lost = [p.stem for p in sorted(IMAGES.glob("*.png")) if not re.search(rf'"{p.stem}"|\b{p.stem}\.png', sources)]
    assert not lost, ", ".join(lost)


def test_modules_that_are_named_are_there() -> None:
    """In the pages; a decision tells of the time when it was made."""
    pages = [page for page in PAGES if page.parent != DOCS / "decisions"]
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        for name in MODULES.findall(page.read_text("utf-8"))
        # The privacy policy and the operations page name tests by their place in tests/.
        if not (ROOT / name).exists() and not (ROOT / "tests" / name).exists() and "KIND" not in name
    ]
    assert not missing, ", ".join(missing)


def test_commands_that_are_named_are_there() -> None:
    """What `make` is asked for in the pages is one of its targets."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    named = {
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"(?:^|`|&& )make ([a-z][a-z-]*)", page.read_text("utf-8"), re.M)
    }
    assert len(named) > 20
    unknown = sorted(f"{page}: make {target}" for page, target in named if target not in targets)
    assert not unknown, ", ".join(unknown)


def test_variables_that_are_named_are_there() -> None:
    """A setting, or a variable of the deployment's files and of make."""
    files = [*ROOT.glob("*.yml"), ROOT / "Makefile", *(ROOT / "deploy").rglob("*")]
    sources = "".join(path.read_text("utf-8", "replace") for path in files if path.is_file())
    there = {name.upper() for name in Settings.model_fields} | set(re.findall(r"[A-Z_]+", sources)) | OTHERS
    pages = [page for page in PAGES if page.parent != DOCS / "decisions" and page.name != "CHANGELOG.md"]
    named = {(page.name, name) for page in pages for name in VARIABLES.findall(page.read_text("utf-8"))}
    assert len(named) > 50
    assert sorted((page, name) for page, name in named if name not in there) == []


@pytest.mark.process
def test_backups_of_each_night_are_kept_as_long_as_the_policy_says(tmp_path: Path) -> None:
    """A killed backup, whose name begins with a dot, too."""
    (days,) = re.findall(r"copies for up to `\[(\d+)\]` days", (DOCS / "privacy.md").read_text("utf-8"))
    (command,) = re.findall(r"find backups .*-delete", (DOCS / "operations.md").read_text("utf-8"))
    for name, age_s in (("galvanic-1.zip", 60), (".galvanic-1.zip.ab.partial", 60), ("galvanic-2.zip", 172_800)):
        (file := tmp_path / "backups" / name).parent.mkdir(exist_ok=True)
        file.touch()
        written = time.time() - int(days) * 86_400 + age_s
        os.utime(file, (written, written))
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.glob("backups/*")] == ["galvanic-2.zip"]


@pytest.mark.process
def test_the_hook_is_a_program() -> None:
    """Git passes over a hook that may not be executed."""
    listed = subprocess.run(["git", "ls-files", "--stage", ".githooks"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("this is no git clone")
    assert all(line.startswith("100755") for line in listed.stdout.splitlines()), listed.stdout


# ---------------------------------------------------------------------- docs/reliability.md names tests that are there

RELIABILITY = (DOCS / "reliability.md").read_text("utf-8")
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
