"""What to think of a model, from what its training measured. Pure functions, which need neither numpy nor TensorFlow.

The thresholds are those of decision 116.
"""

from __future__ import annotations

import math
from typing import Literal

from galvanic.options import TrainOptions
from galvanic.results import Measured, TrainingRecord, best_point

Kind = Literal["begun", "words", "reads", "recites"]
Step = Literal["longer", "text", "epochs", "none"]
RECITES = 0.5  # share of what it wrote that is copied
_FEWER_WORDS, _MANY_FEWER_WORDS = 0.02, 0.08  # known words less than in the text itself
_BETTER_NATS, _MUCH_BETTER_NATS = 0.02, 0.1  # than the table of n-grams
_IMPROVING_NATS = 0.02  # in the second half of its epochs
_GAP_NATS = 0.5  # between the loss on its own text and on new text


class Verdict(Measured):
    """`kind` and `step`, what would help most, are None where too little was measured; `gained`: nats a character that
    the second half of its epochs brought, None where there was but one."""

    kind: Kind | None = None
    step: Step | None = None
    gained: float | None = None

    @property
    def headline(self) -> str:
        """Empty where nothing can be said."""
        if self.kind is None:
            return ""
        no_lead = (lead := _lead(self)) is not None and lead < _BETTER_NATS
        why = "it predicts new text no better than counting alone" if no_lead else "many of its words don't exist"
        said = {
            "begun": f"It has hardly begun: {why}.",
            "words": "Its words are mostly right.",
            "reads": "It reads like its text.",
            "recites": "It mostly recites its text.",
        }
        return f"{said[self.kind]} {self._next}".strip()

    @property
    def _next(self) -> str:
        brought = "" if self.gained is None else f"the second half of this training brought {_bits(self.gained)} bits"
        match self.step:
            case "longer":
                return f"Longer training would help most{brought and f': {brought}'}."
            case "text" if self.gained is not None and 0 <= self.gained < _IMPROVING_NATS:
                return f"A longer text would help most: {brought}."
            case "text":
                return "A longer text would help most."
            case "epochs":
                return "Fewer epochs would help most, or a longer text."
            case "none":
                return "More training would hardly make it better."
        return ""

    @property
    def foresight(self) -> str:
        if self.heldout_loss is None:
            return f"{_bits(self.train_loss)} bits per character of its own text; no part was kept to test it on"
        said = f"{_bits(self.heldout_loss)} bits per character of new text (lower is better)"
        if self.ngrams_loss is not None:
            said += f"; counting alone which letters follow which: {_bits(self.ngrams_loss)}"
        if self.starter_loss is not None:
            said += f"; my English before this training: {_bits(self.starter_loss)}"
        return said

    @property
    def written(self) -> str:
        """Of what it wrote; empty where nothing is known."""
        said = []
        if self.known_words is not None and self.usual_known_words is not None:
            usual = _percent(self.usual_known_words)
            said.append(
                f"{_percent(self.known_words)} of its words occur in the text (of the text's own last words: {usual})"
            )
        if self.copy_share is not None:
            said.append(f"{_percent(self.copy_share)} of what it wrote is copied word for word")
        return "; ".join(said)


def _bits(nats: float) -> str:
    return f"{nats / math.log(2):.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def verdict(training: TrainingRecord, options: TrainOptions | None) -> Verdict:
    """`options`: that it was trained with, where they are known."""
    measured = {name: getattr(training, name) for name in Measured.model_fields}
    kind, curve = kind_of(training), training.curve
    if kind is None or not curve:
        return Verdict(**measured, kind=kind)
    last = curve[-1]
    losses = {point.epoch: point.train_loss if last.behind else point.watched for point in curve}
    middle = [loss for epoch, loss in losses.items() if 0 < last.epoch <= 2 * epoch < 2 * last.epoch]
    gained = middle[0] - losses[last.epoch] if middle else None
    # Its plan had no more epochs, as it would only learn such a text by heart.
    over = training.stopped == "done" and options is not None and not options.by_epochs
    apart = last.heldout_loss is not None and last.heldout_loss - last.train_loss > _GAP_NATS
    enough = gained is None or gained >= (0 if kind == "begun" else _IMPROVING_NATS)
    improving = enough and min(losses.values()) == losses[last.epoch] and not over and not apart
    step: Step = "longer" if improving else "none" if kind == "reads" else "text"
    if kind == "recites":
        step = "epochs" if best_point(curve) is last and last.epoch > 1 else "text"
    return Verdict(**measured, kind=kind, step=step, gained=gained)


def _lead(found: Measured) -> float | None:
    """Over the table of n-grams, in nats a character."""
    if found.heldout_loss is None or found.ngrams_loss is None:
        return None
    return found.ngrams_loss - found.heldout_loss


def kind_of(found: Measured) -> Kind | None:
    if found.copy_share is not None and found.copy_share >= RECITES:
        return "recites"
    lead, fewer = _lead(found), 0.0
    if words := found.known_words is not None and found.usual_known_words is not None:
        fewer = (found.usual_known_words or 0) - (found.known_words or 0)
    if fewer > _MANY_FEWER_WORDS or (lead is not None and lead < _BETTER_NATS):
        return "begun"
    if fewer <= _FEWER_WORDS and lead is not None and lead >= _MUCH_BETTER_NATS:
        return "reads"
    return "words" if words else None
