"""Who may import whom (docs/architecture.md): read from the sources, and seen in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tools import house

ROOT = Path(__file__).parent.parent
PARTS = {"galvanic", "bot", "worker", "shared", "playground", "launcher"}
MAY_IMPORT: dict[str, set[str]] = {
    "galvanic": set(),
    "bot": {"shared", "galvanic"},
    "worker": {"galvanic", "shared"},
    "shared": {"galvanic"},
    "playground": {"shared", "galvanic"},
    "launcher": {"shared", "galvanic"},
}
HEAVY = {"tensorflow", "keras", "nltk"}
FORBIDDEN = {
    "galvanic": {"celery", "redis", "discord", "simcord"},
    "bot": HEAVY | {"simcord"},
    "shared": HEAVY | {"discord", "simcord", "numpy"},
    "worker": HEAVY | {"discord", "simcord"},
    "playground": HEAVY,
    "launcher": HEAVY | {"discord", "simcord"},
}


def imports(path: Path) -> set[str]:
    """Top-level names of every module that a file imports, at any depth of its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("part", sorted(PARTS))
def test_parts_import_only_what_they_may(part: str) -> None:
    files = list((ROOT / part).rglob("*.py"))
    assert files
    for path in files:
        names = imports(path)
        assert names & PARTS <= MAY_IMPORT[part] | {part}, path
        assert not names & FORBIDDEN[part], path


@pytest.mark.parametrize("module", ["bot.app", "worker.__main__", "worker.tasks", "galvanic.cli", "launcher.run"])
@pytest.mark.process
def test_importing_is_light(module: str) -> None:
    assert not HEAVY & imported(f"import {module}")


@pytest.mark.process
def test_nltk_is_imported_for_the_recipes_that_use_it() -> None:
    text = "'The red boat came home. ' * 40"
    assert "nltk" not in imported(f"from galvanic.text import *; prepare({text})")
    for recipe in ("classic", "word"):
        assert "nltk" in imported(f"from galvanic.text import *; prepare({text}, '{recipe}')")


def imported(code: str) -> set[str]:
    """What is imported in an interpreter that has run the code."""
    code = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["galvanic", "shared.jobs", "shared.corpora"])
@pytest.mark.process
def test_what_the_bot_imports_of_the_engine_brings_no_arrays(module: str) -> None:
    assert "numpy" not in imported(f"import {module}")


BOT = (
    "types", "words", "background", "errors", "lock", "gateway", "intents", "servers", "responder",
    "components", "options", "help", "jobs", "models", "channels", "train", "write", "admin", "talk", "play", "app",
    "doctor", "__main__",
)  # fmt: skip
"""Folders and modules of the bot: each imports, be it for types alone, only what stands before it."""


def test_the_bots_arrows_run_one_way() -> None:
    place = {name: number for number, name in enumerate(BOT)}
    graph = house.imports(house.trees(parts=["bot"]))
    arrows = {(name, target.split(".")[1]) for name, targets in graph.items() for target in targets - {"bot"}}
    known = {(name, target) for name, target in arrows if name.split(".")[1] in place and target in place}
    back = {f"{name} -> {target}" for name, target in known if place[name.split(".")[1]] < place[target]}
    assert back == set()


@pytest.mark.slow
def test_no_circle_is_made_and_the_bot_is_not_passed_around() -> None:
    figures = house.measured()
    assert {name: figures[name] for name, most in house.MOST.items() if figures[name] > most} == {}
