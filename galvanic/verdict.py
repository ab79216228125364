"""What to think of a model, from what its training measured. Pure functions, which need neither numpy nor TensorFlow.

The thresholds are those of decision 116.
"""

from __future__ import annotations

import math
from typing import Literal

from galvanic.results import Measured, TrainingRecord, best_point

Kind = Literal["begun", "words", "reads", "recites"]
Step = Literal["longer", "text", "epochs", "none"]
RECITES = 0.5  # share of what it wrote that is copied
_FEWER_WORDS, _MANY_FEWER_WORDS = 0.02, 0.08  # known words less than in the text itself
_BETTER_NATS, _MUCH_BETTER_NATS = 0.02, 0.1  # than the table of n-grams
_IMPROVING_NATS = 0.03  # in the second half of its epochs
_GAP_NATS = 0.5  # between the loss on its own text and on new text

_KINDS: dict[Kind, str] = {
    "begun": "It has hardly begun.",
    "words": "Its words are mostly right.",
    "reads": "It reads like its text.",
    "recites": "It mostly recites.",
}
_STEPS: dict[Step, str] = {
    "longer": "It was still getting better: longer training would help most.",
    "text": "More of the same would hardly make it better: a longer text would help most.",
    "epochs": "Fewer epochs would help most, or a longer text.",
    "none": "More training would hardly make it better.",
}


class Verdict(Measured):
    """`kind` and `step`, what would help most, are None where too little was measured."""

    kind: Kind | None = None
    step: Step | None = None

    @property
    def headline(self) -> str:
        """Empty where nothing can be said."""
        return f"{_KINDS[self.kind]} {_STEPS[self.step] if self.step else ''}".strip() if self.kind else ""

    @property
    def foresight(self) -> str:
        if self.heldout_loss is None:
            return f"{_bits(self.train_loss)} bits per character of its own text; nothing was held out"
        said = f"{_bits(self.heldout_loss)} bits per character of text that it had not seen"
        if self.ngrams_loss is not None:
            said += f"; counting alone (a Markov bot) {_bits(self.ngrams_loss)}"
        if self.starter_loss is not None:
            said += f"; my English before it read this {_bits(self.starter_loss)}"
        return said

    @property
    def written(self) -> str:
        """Of what it wrote; empty where nothing is known."""
        said = []
        if self.known_words is not None:
            usual = f" (of the text's own end {_percent(self.usual_known_words)})" if self.usual_known_words else ""
            said.append(f"{_percent(self.known_words)} of its words stand in the text{usual}")
        if self.copy_share is not None:
            said.append(f"{_percent(self.copy_share)} of what it wrote is copied word for word")
        return "; ".join(said)


def _bits(nats: float) -> str:
    return f"{nats / math.log(2):.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def verdict(training: TrainingRecord) -> Verdict:
    kind = _kind(training)
    measured = {name: getattr(training, name) for name in Measured.model_fields}
    return Verdict(**measured, kind=kind, step=_step(training, kind) if kind and training.curve else None)


def _kind(found: Measured) -> Kind | None:
    if found.copy_share is not None and found.copy_share >= RECITES:
        return "recites"
    fewer = better = None
    if found.known_words is not None and found.usual_known_words is not None:
        fewer = found.usual_known_words - found.known_words
    if found.heldout_loss is not None and found.ngrams_loss is not None:
        better = found.ngrams_loss - found.heldout_loss
    if (fewer or 0) > _MANY_FEWER_WORDS or (better is not None and better < _BETTER_NATS):
        return "begun"
    if (fewer or 0) <= _FEWER_WORDS and better is not None and better >= _MUCH_BETTER_NATS:
        return "reads"
    return None if fewer is None else "words"


def _step(training: TrainingRecord, kind: Kind) -> Step:
    curve = training.curve
    best, last = best_point(curve), curve[-1]
    if kind == "recites":
        return "epochs" if best is last else "text"
    half = [point for point in curve if 2 * point.epoch <= last.epoch]
    improving = best is last and (not half or half[-1].watched - last.watched >= _IMPROVING_NATS)
    apart = last.heldout_loss is not None and last.heldout_loss - last.train_loss > _GAP_NATS
    if improving and not apart:
        return "longer"
    return "none" if kind == "reads" else "text"
