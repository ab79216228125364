"""What to think of a model, from what its training measured. Pure functions, which need neither numpy nor TensorFlow.

The thresholds are those of decision 116.
"""

from __future__ import annotations

import math
from typing import Literal

from galvanic.options import TrainOptions
from galvanic.results import Measured, TrainingRecord, best_point
from galvanic.units import bits

Kind = Literal["begun", "words", "reads", "recites"]
Step = Literal["longer", "text", "epochs", "none"]
RECITES = 0.5  # share of what it wrote that is copied
_FEWER_WORDS, _MANY_FEWER_WORDS = 0.02, 0.08  # known words less than in the text itself
_BETTER_NATS, _MUCH_BETTER_NATS = 0.02, 0.1  # than the table of n-grams
_IMPROVING_NATS = 0.02  # in the second half of its epochs
_FEW_EPOCHS = 2  # the last of them may be a part of one: too few to tell what more would bring
_GAP_NATS = 0.5  # between the loss on its own text and on new text


class Verdict(Measured):
    """A model's figures and what they mean: its `kind`, and the `step` that would help most. Both are None if too
    little was measured."""

    kind: Kind | None = None
    step: Step | None = None

    @property
    def headline(self) -> str:
        """Empty where nothing can be said."""
        if self.kind is None:
            return ""
        lead = _lead(self)
        why = "many of its words don't exist"
        if lead is not None and lead < _BETTER_NATS:
            why = f"a Markov bot predicts new text {'better' if lead < -_BETTER_NATS else 'as well'}"
        said = {
            "begun": f"Has hardly begun: {why}.",
            "words": "Its words are mostly right.",
            "reads": "Reads like its text.",
            "recites": "Mostly copies its text.",
        }
        next_step = {
            "longer": "Longer training would help most.",
            "text": "A longer text would help most.",
            "epochs": "A longer text would help most; fewer epochs copy less.",
            "none": "More training would hardly help.",
            None: "",
        }
        return f"{said[self.kind]} {next_step[self.step]}".strip()

    @property
    def figures(self) -> dict[str, str]:
        """Return the figures by name, in the words of the cards."""
        found = {}
        if self.heldout_loss is None:
            found["Its own text"] = f"{bits(self.train_loss)}, lower is better; no part was kept apart to test it on"
        else:
            beside = {"a Markov bot": self.ngrams_loss, "before training": self.starter_loss}
            named = ", ".join(f"{name} {loss / math.log(2):.2f}" for name, loss in beside.items() if loss is not None)
            found["Unseen text"] = f"{bits(self.heldout_loss)}, lower is better{named and f' ({named})'}"
        if self.known_words is not None and self.usual_known_words is not None:
            usual = _percent(self.usual_known_words)
            found["Known words"] = f"{_percent(self.known_words)} (the text itself {usual})"
        if self.copy_share is not None:
            found["Copied"] = _percent(self.copy_share)
        return found


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
    # Nothing got better any more, or its plan had no more epochs, as it would only learn such a text by heart.
    planned = training.stopped == "done" and options is not None and not options.by_epochs
    over = planned or training.stopped == "early"
    apart = last.heldout_loss is not None and last.heldout_loss - last.train_loss > _GAP_NATS
    enough = gained is None or gained >= (0 if kind == "begun" else _IMPROVING_NATS)
    hardly_tried = training.stopped in ("time", "finish") and curve[0].epoch > 0 and last.epoch <= _FEW_EPOCHS
    better = enough and min(losses.values()) == losses[last.epoch]
    improving = (better or hardly_tried) and not over and not apart
    step: Step = "longer" if improving else "none" if kind == "reads" else "text"
    if kind == "recites":
        step = "epochs" if best_point(curve) is last and last.epoch > 1 else "text"
    return Verdict(**measured, kind=kind, step=step)


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
