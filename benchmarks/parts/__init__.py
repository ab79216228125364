"""The parts of the benchmark; each module's functions take a `Context` and fill its record."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from benchmarks.record import Context

_WHERE = {
    "sample": "writing:sample",
    "generate": "writing:generate",
    "bot": "bot:bot",
    "history": "reading:reading",
    "train": "steps:train",
    "race": "race:race",
    "first-sample": "text:first_sample",
    "classic": "steps:classic",
    "text": "text:text",
    "clean": "history:clean",
    "memory": "text:memory",
    "ppmd": "text:ppmd",
    "two-nats": "quality:two_nats",
    "frankenstein-30s": "quality:frankenstein_30s",
    "frankenstein-2min": "quality:frankenstein_2min",
    "frankenstein": "quality:frankenstein",
    "word-2min": "quality:word_2min",
    "settings": "recipes:settings",
    "short-text": "recipes:short_text",
}


def find(part: str) -> Callable[[Context], None]:
    """The function of a part. Importing it may import TensorFlow."""
    module, name = _WHERE[part].split(":")
    function: Callable[[Context], None] = getattr(importlib.import_module(f"benchmarks.parts.{module}"), name)
    return function
