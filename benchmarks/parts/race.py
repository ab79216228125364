"""Measure how soon the engine predicts a text well, against PyTorch with the same network and plan."""

import itertools
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import texts
from benchmarks.models import default_plan
from benchmarks.parts.steps import LONGEST_PAUSE_S, Torch
from benchmarks.record import Context
from galvanic.learners import Learner, StreamsLearner
from galvanic.options import TrainOptions
from galvanic.pace import Pace, Position
from galvanic.plan import Plan
from galvanic.text import Prepared

NATS = 1.35
EPOCHS = 10
"""Epochs of the training, by which its network and its dropout are chosen."""
Curve = list[tuple[float, float]]
"""Seconds of learning, and the held-out loss in nats per character after them."""


def race(context: Context) -> None:
    """Measure the seconds of learning until 1.35 nats on the held-out part of the book's first nine tenths.

    Both run an epoch in turn, from the same weights, at the same rates, with the same dropout, and over streams that
    begin at the same places. Our time includes the compilation of the first step; neither includes judging an epoch.
    """
    first, _ = texts.parts(texts.measure_text())
    plan, prepared = default_plan(first, texts.info(first), context.work, TrainOptions(epochs=EPOCHS, start="none"))
    learner = StreamsLearner(plan, prepared, 1)
    curves: dict[str, Curve] = {name: [(0.0, math.log(plan.network.vocabulary))] for name in ("ours", "torch")}
    with Torch(context.rivals, plan, _learns(context.work, plan, prepared, learner)) as torch:
        bfloat16 = _faster_with_bfloat16(torch)
        for epoch, rates in enumerate(_rates(plan, learner.steps), start=1):
            seconds, heldout = _epoch(learner, epoch, rates)
            _add(curves["ours"], seconds, heldout)
            time.sleep(LONGEST_PAUSE_S)
            answer = torch.ask({"rates": rates, "offset": learner.offset, "bfloat16": bfloat16})
            _add(curves["torch"], answer["seconds"], answer["heldout"])
            if all(curve[-1][1] <= NATS for curve in curves.values()):
                break
    taken = {name: crossing(curve, NATS) for name, curve in curves.items()}
    context.record.values["train.seconds_to_1_35_nats_vs_pytorch"] = taken["ours"] / taken["torch"]
    context.record.raw |= {f"train.race_{name}_s": value for name, value in taken.items()}
    context.record.raw |= {f"train.race_{name}_nats": [nats for _, nats in curve] for name, curve in curves.items()}
    context.record.raw |= {"train.race_precision": plan.precision, "train.race_torch_bfloat16": bfloat16}


def crossing(curve: Curve, nats: float) -> float:
    """Return the seconds until a curve comes down to so many nats, interpolated between its points.

    Raises:
        RuntimeError: it never does.
    """
    for (before, above), (after, below) in itertools.pairwise(curve):
        if below <= nats:
            return before + (after - before) * (above - nats) / (above - below)
    raise RuntimeError(f"after {curve[-1][0]:.0f} s it stood at {curve[-1][1]:.3f} nats, and {nats} were to be reached")


def _faster_with_bfloat16(torch: Torch) -> bool:
    """Return whether PyTorch's steps are faster in bfloat16; its LSTM has none on a processor without AVX-512."""
    plain = min(torch.steps(3, bfloat16=False))
    try:
        return min(torch.steps(3, bfloat16=True)) < plain
    except RuntimeError as error:
        print(f"PyTorch runs in float32: {error}")
        return False


def _learns(work: Path, plan: Plan, prepared: Prepared, learner: Learner) -> dict[str, Any]:
    files = {name: str(work / f"race-{name}") for name in ("ids.npy", "heldout.npy", "weights.npz")}
    np.save(files["ids.npy"], np.asarray(prepared.training))
    np.save(files["heldout.npy"], np.asarray(prepared.ids[prepared.learned :]))
    np.savez(files["weights.npz"], **learner.weights())  # type: ignore[arg-type]
    shares = ("input_dropout", "dropout", "recurrent_weight_dropout")
    return {
        **{name.partition(".")[0]: path for name, path in files.items()},
        **{share: getattr(plan.network, share) for share in shares},
    }


def _rates(plan: Plan, steps: int) -> Iterator[list[float]]:
    """Yield the learning rates of each epoch's steps, as in a training."""
    pace = Pace(plan, steps, EPOCHS, None, Position())
    at = pace.position
    for at.epoch in range(1, EPOCHS + 1):
        rates = []
        for at.step in range(steps):
            rates.append(pace.rate())
            at.total_steps += 1
        yield rates


def _epoch(learner: Learner, epoch: int, rates: Iterable[float]) -> tuple[float, float]:
    begun = time.perf_counter()
    learner.begin_epoch(epoch)
    for index, rate in enumerate(rates):
        learner.step(index, rate)
    seconds = time.perf_counter() - begun
    heldout = learner.heldout(lambda: None)
    assert heldout is not None
    return seconds, heldout


def _add(curve: Curve, seconds: float, heldout: float) -> None:
    curve.append((curve[-1][0] + seconds, heldout))
