"""Boundaries that `make lint` can't check: what an import brings along, and which parts take the whole bot."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"tensorflow", "keras", "nltk"}


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


def test_the_core_alone_takes_the_whole_bot() -> None:
    """Cogs do, too, and what starts the bot; other parts take the services that they need."""
    starts = ("app.py", "__main__.py")
    files = [path for path in (ROOT / "bot").rglob("*.py") if "cog" not in path.stem and path.name not in starts]
    assert [path.name for path in files if takes_bot(path)] == ["core.py"]


def takes_bot(path: Path) -> bool:
    """Whether a function of the file has a parameter `bot`."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return any(isinstance(node, ast.arg) and node.arg == "bot" for node in nodes)
