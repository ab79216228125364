"""Judge a model by the measurements of its training. Pure functions, without numpy and TensorFlow.

The thresholds are those of decision 116.
"""

import math
from typing import Literal

from galvanic.options import TrainOptions
from galvanic.results import Measured, TrainingRecord, best_point
from galvanic.units import bits

Kind = Literal["begun", "words", "reads", "recites"]
Step = Literal["longer", "text", "epochs", "none"]
RECITES = 0.5  # share of copied characters from which a model recites its text
_FEWER_WORDS, _MANY_FEWER_WORDS = 0.02, 0.08  # by which the share of known words is below the text's own
_BETTER_NATS, _MUCH_BETTER_NATS = 0.02, 0.1  # by which its loss is below that of the table of n-grams
_IMPROVING_NATS = 0.02  # gain in the second half of its epochs from which more training helps
_FEW_EPOCHS = 2  # too few to judge what more would bring, since the last one may be incomplete
_GAP_NATS = 0.5  # from the loss on its own text to that on new text, from which it overfits


class Verdict(Measured):
    """A model's figures, its `kind`, and the `step` that would help most; both None if too little was measured."""

    kind: Kind | None = None
    step: Step | None = None

    @property
    def headline(self) -> str:
        """Say in a sentence or two how good it is and what would help; empty if too little was measured."""
        if self.kind is None:
            return ""
        lead = _lead(self)
        why = "many of its words don't exist"
        if lead is not None and lead < _BETTER_NATS:
            how_well = "better" if lead < -_BETTER_NATS else "just as well"
            why = f"a Markov bot, which only counts what follows what, predicts new text {how_well}"
        judgements = {
            "begun": f"Has learned little: {why}.",
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
        return f"{judgements[self.kind]} {next_step[self.step]}".strip()

    @property
    def figures(self) -> dict[str, str]:
        """Return the figures by name, in the words of the cards."""
        figures = {}
        if self.heldout_loss is None:
            figures["Its own text"] = f"{bits(self.train_loss)}, lower is better; no part was kept apart to test it on"
        else:
            others = {"a Markov bot": self.ngrams_loss, "the starter alone": self.starter_loss}
            named = ", ".join(f"{name} {loss / math.log(2):.2f}" for name, loss in others.items() if loss is not None)
            figures["Unseen text"] = f"{bits(self.heldout_loss)}, lower is better{named and f' ({named})'}"
        if self.known_words is not None and self.usual_known_words is not None:
            of = "the text's own end" if self.heldout_loss is None else "unseen text"
            usual = _percent(self.usual_known_words)
            figures["Known words"] = f"{_percent(self.known_words)} ({of} {usual})"
        if self.copy_share is not None:
            figures["Copied"] = _percent(self.copy_share)
        return figures


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def verdict(training: TrainingRecord, options: TrainOptions | None) -> Verdict:
    """Judge a model. `options`: those of its training; None: unknown."""
    measured = {name: getattr(training, name) for name in Measured.model_fields}
    kind, curve = kind_of(training), training.curve
    if kind is None or not curve:
        return Verdict(**measured, kind=kind)
    last = curve[-1]
    losses = {point.epoch: point.train_loss if last.behind else point.watched for point in curve}
    middle = [loss for epoch, loss in losses.items() if 0 < last.epoch <= 2 * epoch < 2 * last.epoch]
    gained = middle[0] - losses[last.epoch] if middle else None
    # Its loss fell no more, or it had all planned epochs, after which a text of this length is only memorised.
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


def _lead(measured: Measured) -> float | None:
    """Return by how many nats per character it predicts new text better than the table of n-grams; None: unknown."""
    if measured.heldout_loss is None or measured.ngrams_loss is None:
        return None
    return measured.ngrams_loss - measured.heldout_loss


def kind_of(measured: Measured) -> Kind | None:
    """Judge how well a model writes; None if too little was measured."""
    if measured.copy_share is not None and measured.copy_share >= RECITES:
        return "recites"
    lead, fewer = _lead(measured), 0.0
    if words := measured.known_words is not None and measured.usual_known_words is not None:
        fewer = (measured.usual_known_words or 0) - (measured.known_words or 0)
    if fewer > _MANY_FEWER_WORDS or (lead is not None and lead < _BETTER_NATS):
        return "begun"
    if fewer <= _FEWER_WORDS and lead is not None and lead >= _MUCH_BETTER_NATS:
        return "reads"
    return "words" if words else None
