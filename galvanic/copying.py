"""How much of what a model wrote stands verbatim in its corpus. Works without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from galvanic.results import CurvePoint, best_point
from galvanic.text import Prepared
from galvanic.units import count

RUN = 30  # characters in a row that count as copied; shorter ones are shared phrases
_REPEATED = re.compile(r"\s+|([^\w\s])\1+")
_MOST_STEPS = 5_000_000  # to find the longest piece; only endless repetition needs more


@dataclass(frozen=True)
class CopyScore:
    """`longest`: characters of the longest piece of a sample that stands in the corpus; 0 if it is shorter than a run.
    Where samples and corpus both repeat themselves endlessly it may be longer than said."""

    share: float  # of the samples' characters that stand verbatim in the corpus, in long enough runs
    chars: int  # in the samples
    longest: int


def copy_score(samples: Sequence[str], corpus: Iterable[str], run: int = RUN) -> CopyScore:
    """How much of the samples stands verbatim in a corpus, which is given in parts.

    Blank space counts as one space, and a row of the same sign as one: neither an indentation nor a ruled line is
    anybody's words. `run`: characters in a row that count as copied; no run goes from one sample to the next.
    """
    samples = ["".join(_evened([sample])) for sample in samples]
    places: dict[str, list[int]] = {}  # of each piece of `run` characters, all samples one behind the other
    begin = 0
    for sample in samples:
        for at in range(len(sample) - run + 1):
            places.setdefault(sample[at : at + run], []).append(begin + at)
        begin += len(sample) + 1
    found: set[str] = set()
    lengths: dict[int, int] = {}  # by place in the samples: how long the piece that is copied is so far
    longest = steps = 0
    for piece in _pieces(_evened(corpus if places else ()), run):
        starts = places.get(piece)
        if starts is None:
            lengths = {}
            continue
        found.add(piece)
        if (steps := steps + len(starts)) <= _MOST_STEPS:
            lengths = {start: lengths.get(start - 1, run - 1) + 1 for start in starts}
            longest = max(longest, *lengths.values())
    marked = np.zeros(begin, bool)
    for piece in found:
        for start in places[piece]:
            marked[start : start + run] = True
    chars = sum(map(len, samples))
    return CopyScore(float(marked.sum()) / chars if chars else 0.0, chars, longest)


def _evened(parts: Iterable[str]) -> Iterator[str]:
    last = ""
    for part in parts:
        text = _REPEATED.sub(lambda found: found[1] or " ", last + part)
        last = text[-1:]  # what it repeats may come with the next part
        yield text[:-1]
    yield last


def _pieces(parts: Iterable[str], run: int) -> Iterator[str]:
    """All pieces of `run` characters of a text, in order."""
    rest = ""
    for part in parts:
        rest += part
        for at in range(len(rest) - run + 1):
            yield rest[at : at + run]
        rest = rest[max(0, len(rest) - run + 1) :]


_WORSE_NATS = 0.03  # held-out loss lost since the best epoch for the end to count as learning by heart
_GAP_NATS = 0.5  # between the loss on its own text and on new text
RECITES = 0.5  # share of copied text from which a model is said to recite
COPIES = 0.2  # and to copy


def overfitting(curve: tuple[CurvePoint, ...]) -> tuple[str, ...]:
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
    """Share of the samples that is copied from the corpus, and notes about it."""
    score = copy_score(samples, prepared.parts())
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
