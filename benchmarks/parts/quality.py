"""Measure how good models are, and how soon."""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import texts, tutorial
from benchmarks.keys import SUITE, default_key, nats_key
from benchmarks.measure import medians
from benchmarks.models import LearnerOfTraining, Snapshot, Snapshots, Watcher, capture_learner
from benchmarks.parts.steps import FitTimes
from benchmarks.record import Context
from galvanic.generate import TextModel, load_model
from galvanic.model_file import STARTER_FILE, load
from galvanic.options import TrainOptions
from galvanic.training import train

TWO_NATS = 2.0
TWO_NATS_MINUTES = 1.0
"""Time limit of the training on the tutorial's text, as for a person who wants a model at once; from random weights."""
SNAPSHOT_EVERY_S = 1.0
FIT_STEPS = 7


@dataclass(frozen=True)
class Training:
    """A text whose first nine tenths are learned, the training's options, and the key of the loss on the rest."""

    text: str
    key: str
    options: TrainOptions


def scratch(minutes: float) -> TrainOptions:
    """Return the options of a training from random weights."""
    return TrainOptions(minutes=minutes, start="none")


def starter(text: str, minutes: float) -> Training:
    """Return a training from the starter."""
    key = nats_key(text).replace("_nats", f"_starter_nats_{minutes:g}min")
    return Training(text, key, TrainOptions(minutes=minutes, start="starter"))


# By part. Without options a training takes 8 minutes, and begins with the starter if that helps the text.
TRAININGS: dict[str, Training] = {
    "frankenstein-30s": Training("frankenstein", "quality.frankenstein_nats_30s", scratch(0.5)),
    "frankenstein-2min": Training("frankenstein", "quality.frankenstein_nats_2min", scratch(2)),
    "word-2min": Training("frankenstein", "quality.word_nats_2min", TrainOptions(recipe="word", minutes=2)),
    **{text: Training(text, nats_key(text), scratch(15)) for text in SUITE},
    **{f"default-{text}": Training(text, default_key(text), TrainOptions()) for text in SUITE},
    "short-story-starter": starter("short-story", 2),
}


def training(part: str) -> Callable[[Context], None]:
    """Return the function of a part that is a training.

    Raises:
        KeyError: there is no such part.
    """
    return functools.partial(_measure, chosen=TRAININGS[part])


def _measure(context: Context, chosen: Training) -> None:
    """Learn the first 90 % of a text, then score the rest once, in nats per character, without learning from it."""
    key = chosen.key
    first, last = texts.parts(texts.measure_text(chosen.text))
    out = context.work / key
    begun = time.monotonic()
    result = train(first, chosen.options, texts.info(first), out=out, hooks=Watcher(), starter=STARTER_FILE)
    train_s = time.monotonic() - begun
    begun = time.monotonic()
    score = load_model(out).score(last)
    context.record.values[key] = score.nats_per_char
    context.record.raw |= {
        f"{key}.train_seconds": result.seconds,
        f"{key}.seconds_with_start_and_end": train_s,
        f"{key}.score_seconds": time.monotonic() - begun,
        f"{key}.epochs": result.epochs,
        f"{key}.own_heldout_nats": result.heldout_loss,
        f"{key}.parameters": result.parameters,
        f"{key}.stopped": result.stopped,
        f"{key}.began_with": result.parent or "nothing",
        f"{key}.random_seed": result.random_seed,
    }


def frankenstein_starter(context: Context) -> None:
    """Measure the book after 2 and after 15 minutes from the starter: more time must not be worse."""
    trainings = [starter(texts.BOOK, minutes) for minutes in (2, 15)]
    for chosen in trainings:
        _measure(context, chosen)
    short, long = (context.record.values[chosen.key] for chosen in trainings)
    context.record.values["quality.frankenstein_starter_15min_over_2min"] = long / short


def two_nats(context: Context) -> None:
    """Measure the seconds until our default has 2.0 nats on new text, over those of an epoch of the tutorial's
    network."""
    first, last = texts.parts(texts.tutorial_text())
    patterns = tutorial.make_patterns(first, most=FIT_STEPS * tutorial.BATCH)
    model = tutorial.make_model(len(set(first)))
    steps = math.ceil((len(first) - tutorial.WINDOW) / tutorial.BATCH)
    times: list[float] = []

    def fit() -> None:
        timer = FitTimes()
        model.fit(patterns.x, patterns.y, epochs=1, batch_size=tutorial.BATCH, callbacks=[timer], verbose=0)
        times.extend(timer.seconds[1:])  # the first compiles

    fit()
    out = context.work / "two-nats"
    options = scratch(TWO_NATS_MINUTES)
    captured = LearnerOfTraining()
    hooks = Snapshots(SNAPSHOT_EVERY_S, captured)  # the clock starts
    with capture_learner(captured):
        train(first, options, texts.info(first), out=out, hooks=hooks)
    fit()

    snapshot, scores = first_at_most(TWO_NATS, hooks.taken, out, last)
    epoch = steps * medians({"fit": times})["fit"]
    record = context.record
    record.raw |= {
        "quality.tutorial_epoch_s": epoch,
        "quality.tutorial_step_s": epoch / steps,
        "quality.tutorial_steps": steps,
        "quality.two_nats_minutes_given": TWO_NATS_MINUTES,
        "quality.two_nats_scored_at_s": [hooks.taken[index].seconds for index in sorted(scores)],
        "quality.two_nats_scores": [scores[index] for index in sorted(scores)],
    }
    if snapshot is None:
        best = min(scores.values(), default=math.inf)
        raise RuntimeError(f"the training ended before it scored {TWO_NATS} nats: it came to {best:.3f}")
    record.raw["quality.two_nats_s"] = snapshot.seconds
    record.values["quality.two_nats_over_tutorial_epoch"] = snapshot.seconds / epoch


def first_at_most(
    nats: float, snapshots: list[Snapshot], folder: Path, text: str
) -> tuple[Snapshot | None, dict[int, float]]:
    """Find the first snapshot that has at most so many nats per character, by bisection.

    If the scores waver around that value, it may be a later one, and never an earlier one.

    Args:
        nats: the loss to be reached.
        snapshots: weights in the order of time.
        folder: the file of the finished model, which says how to read a text.
        text: the text to be scored.

    Returns:
        The snapshot, or None if even the last is not good enough; and all scores by index.
    """
    description, _, windows, _ = load(folder)
    scores: dict[int, float] = {}

    def good(index: int) -> bool:
        scores[index] = TextModel(description, snapshots[index].weights, windows).score(text).nats_per_char
        return scores[index] <= nats

    low, high = 0, len(snapshots) - 1
    if not snapshots or not good(high):
        return None, scores
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle + 1, high)
    return snapshots[high], scores
