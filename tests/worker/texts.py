"""Made-up texts, and what a training on them is told and asked."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from galvanic.options import CorpusInfo
from galvanic.results import Control, Difficulty, Hooks, Progress, Sample, TrainResult

SENTENCE = "A small red boat left the harbour at dawn. "
EPOCHS = 20
"""Of the sentence, learned by heart."""


def corpus(text: str, **fields: Any) -> CorpusInfo:
    """The description of a text made in a test."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    facts = {"title": "Made up", "source": "file", "language": "en", **fields}
    return CorpusInfo(name="made-up", chars=len(text), sha256=digest, **facts)


def babble(characters: int, seed: int = 0) -> str:
    """Sentences drawn from a few words: text that can be learned but not known by heart."""
    draw = random.Random(seed)
    words = [
        *("boat", "harbour", "red", "small", "wind", "storm", "sailor", "sings"),
        *("waits", "rows", "turns", "quickly", "slowly", "north", "home"),
    ]
    text = ""
    while len(text) < characters:
        text += " ".join(draw.choices(words, k=draw.randint(3, 8))).capitalize() + ". "
    return text[:characters]


def _go_on(_asked: int) -> None:
    return None


class Recorder(Hooks):
    """Hooks that keep what they were told; `stop(calls)` says what to answer when asked the nth time."""

    def __init__(self, stop: Callable[[int], Control | None] = _go_on) -> None:
        self.progressed: list[Progress] = []
        self.samples: list[Sample] = []
        self.troubles: list[Difficulty | None] = []
        self.saves = 0
        self.asked = 0
        self._stop = stop

    def progress(self, event: Progress) -> None:
        self.progressed.append(event)

    def sample(self, event: Sample) -> None:
        self.samples.append(event)

    def trouble(self, what: Difficulty | None) -> None:
        self.troubles.append(what)

    def saved(self) -> None:
        self.saves += 1

    def control(self) -> Control | None:
        self.asked += 1
        return self._stop(self.asked)


Memorised = tuple[Path, TrainResult, Recorder]
"""A model's file, the result of its training, and what its hooks heard."""
