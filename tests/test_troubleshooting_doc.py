"""docs/troubleshooting.md and docs/gpu.md quote what people see: each quotation stands in the sources."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from shared.settings import Settings

ROOT = Path(__file__).parent.parent
TROUBLE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
GPU = (ROOT / "docs" / "gpu.md").read_text("utf-8")


@cache
def messages() -> tuple[str, ...]:
    """Every string of the sources that is no documentation, in one line each; what is put into it is left open."""
    found = []
    for part in ("galvanic", "bot", "worker", "shared", "launcher", "playground"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    pieces = [str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values]
                    found.append("".join(pieces))
    return tuple(found)


def quotations(page: str) -> list[str]:
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [" ".join(quoted.split()) for quoted in re.findall(r'"([^"]+)"', prose)]


def is_said(quoted: str) -> bool:
    """Whether a message has these words; a number or name that was put in stands for what is put in there."""
    if any(quoted in message for message in messages()):
        return True
    return any(re.search(_pattern(message), quoted) for message in messages() if "\0" in message and len(message) > 20)


def _pattern(message: str) -> str:
    return ".+".join(re.escape(piece) for piece in message.split("\0"))


@pytest.mark.parametrize("quoted", quotations(TROUBLE) + quotations(GPU))
def test_what_is_quoted_is_what_people_see(quoted: str) -> None:
    assert is_said(quoted)


def test_a_quotation_that_nobody_says_would_be_found() -> None:
    assert len(quotations(TROUBLE)) > 30
    assert not is_said("The bot is on holiday.")
    assert not is_said("Port 8765 is taken by nobody.")
    assert is_said("Port 8765 is taken by another program, or may not be used without privileges.")


def test_the_settings_that_are_named_exist() -> None:
    known = {name.upper() for name in Settings.model_fields} | {
        "PORT",
        "CUDA_VISIBLE_DEVICES",
        "WORKER",
        "USER",
        "NAME",
    }
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)", TROUBLE + GPU))
    assert named <= known
