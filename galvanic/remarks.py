"""What a training's numbers say about its model, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from galvanic.copying import copy_score
from galvanic.results import CurvePoint, best_point
from galvanic.text import Prepared
from galvanic.units import count

_WORSE_NATS = 0.03
"""Held-out loss that must be lost after the best epoch for the end to count as learning by heart."""
_GAP_NATS = 0.5
"""Between the loss on its own text and on new text."""
RECITES = 0.5
COPIES = 0.2
"""Shares of copied text from which a model is said to recite, or to copy."""


def overfitting(curve: tuple[CurvePoint, ...]) -> tuple[str, ...]:
    """What the curve says about learning by heart."""
    if not curve or curve[-1].heldout_loss is None:
        return ()
    best, last = best_point(curve), curve[-1]
    notes: list[str] = []
    if best.epoch == 0 and last is not best:
        notes.append("More training made it no better: the model is as it was before.")
    elif best is not last and last.watched > best.watched + _WORSE_NATS and last.train_loss < best.train_loss:
        notes.append(
            f"After epoch {best.epoch} it only learned its text by heart; the model is the one of epoch {best.epoch}."
        )
    if best.heldout_loss is not None and best.heldout_loss > best.train_loss + _GAP_NATS:
        notes.append("It foresees its own text much better than new text: a longer text would help.")
    return tuple(notes)


def copying(samples: Sequence[str], prepared: Prepared) -> tuple[float, tuple[str, ...]]:
    """Share of the samples that is copied from the corpus, and what to say about it."""
    score = copy_score(samples, prepared)
    if score.share >= RECITES:
        start = "It mostly recites"
    elif score.share >= COPIES:
        start = "It copies a good deal"
    else:
        return score.share, ()
    note = (
        f"{start}: {score.share:.0%} of what it wrote stands word for word in its text (the longest piece has "
        f"{count(score.longest, 'character')}). A longer text, fewer epochs or more dropout would help."
    )
    return score.share, (note,)
