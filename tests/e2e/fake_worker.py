"""A train worker that learns nothing: it tells what a training tells, and leaves a model of `tests/fixtures`.

All but the engine is the worker's own: how it begins and ends a job, asks for consent, enters a model.
"""

import shutil
import time
from pathlib import Path
from typing import Any

from galvanic.options import CorpusInfo, TrainOptions
from galvanic.results import CurvePoint, Hooks, Progress, Sample, TrainingCancelled, TrainingInterrupted, TrainResult

FIXTURES = Path(__file__).parent.parent / "fixtures" / "models"
EPOCHS, STEPS = 3, 10  # where a training names no number of epochs; steps in each
STEP_S = 0.05
_SAMPLE = "The tide comes in, and the boats go out."


def train(
    text: str | Path, options: TrainOptions, corpus: CorpusInfo, *, out: Path, hooks: Hooks, **_: Any
) -> TrainResult:
    """In place of `galvanic.training.train`. A training with a time limit lasts as long, any other its epochs."""
    began = time.monotonic()
    most = options.epochs or (EPOCHS if options.minutes is None else 1_000_000)
    until = began + 60 * options.minutes if options.minutes is not None else None
    curve: list[CurvePoint] = []
    stopped = "done"
    for at in range(most * STEPS):
        asked = hooks.control()
        if asked == "cancel":
            raise TrainingCancelled
        if asked == "interrupt":
            raise TrainingInterrupted
        if asked == "finish" or (until is not None and time.monotonic() > until):
            stopped = "finish" if asked else "time"
            break
        epoch, loss = at // STEPS + 1, 3.0 / (1 + at / STEPS)
        left = (until - time.monotonic()) if until is not None else STEP_S * (most * STEPS - at)
        done = min(1.0, (time.monotonic() - began) / (60 * options.minutes) if options.minutes else at / most / STEPS)
        hooks.progress(
            Progress(
                done=done,
                epoch=epoch,
                epochs=most,
                step=at % STEPS,
                steps=STEPS,
                train_loss=loss,
                heldout_loss=loss + 0.1,
                eta_s=max(0.0, left),
                chars_per_s=9_000.0,
            )
        )
        time.sleep(STEP_S)
        if at % STEPS == STEPS - 1:
            curve.append(CurvePoint(epoch, loss, loss + 0.1))
            if len(curve) <= EPOCHS:
                hooks.sample(Sample(epoch=epoch, text=_SAMPLE, train_loss=loss, heldout_loss=loss + 0.1))
    curve = curve[:100] or [CurvePoint(1, 3.0, 3.1)]
    shutil.copy(FIXTURES / f"{options.recipe}.safetensors", out)
    return TrainResult(
        parameters=12_345,
        epochs=curve[-1].epoch,
        train_loss=curve[-1].train_loss,
        heldout_loss=curve[-1].heldout_loss,
        curve=tuple(curve),
        samples=(_SAMPLE,) * 3,
        seconds=time.monotonic() - began,
        stopped=stopped,  # type: ignore[arg-type]
        random_seed=options.random_seed or 0,
        copy_share=0.03,
        ngrams_loss=2.5,
        known_words=0.9,
        usual_known_words=0.95,
    )
