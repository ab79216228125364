"""The parts of the benchmark; each module's functions take a `Context` and fill its record."""

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks.record import Context

# All parts that are not here are trainings of `quality`.
_WHERE = {
    "sample": "writing:sample",
    "generate": "writing:generate",
    "bot": "bot:bot",
    "speaking": "speaking:speaking",
    "history": "reading:reading",
    "train": "steps:train",
    "race": "race:race",
    "first-sample": "text:first_sample",
    "classic": "steps:classic",
    "text": "text:text",
    "clean": "history:clean",
    "read": "chats:read",
    "memory": "text:memory",
    "ppmd": "text:ppmd",
    "two-nats": "quality:two_nats",
    "frankenstein-starter": "quality:frankenstein_starter",
    "voice": "voice:from_scratch",
    "voice-starter": "voice:from_starter",
    "settings": "recipes:settings",
    "short-text": "recipes:short_text",
}


def find(part: str) -> Callable[[Context], None]:
    """Return the function of a part; importing it may import TensorFlow.

    Raises:
        KeyError: there is no such part.
    """
    module, name = _WHERE.get(part, "quality:").split(":")
    imported: Any = importlib.import_module(f"benchmarks.parts.{module}")
    function: Callable[[Context], None] = getattr(imported, name) if name else imported.training(part)
    return function
