"""Measure the time of a training step."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import keras

from benchmarks import texts, tutorial
from benchmarks.measure import PAUSE_S, alternate, medians, product_flops, repeated, seconds, training_flops
from benchmarks.models import default_plan
from benchmarks.products import SIZE, product
from benchmarks.record import Context
from galvanic.host import cores
from galvanic.learners import Learner, make_learner
from galvanic.options import TrainOptions
from galvanic.plan import Plan

STEPS = 4
"""Steps in one turn."""
LONGEST_PAUSE_S = 0.25
"""Seconds between turns against PyTorch: Intel's OpenMP threads spin for 0.2 s before they sleep."""


class Torch:
    """A process of PyTorch that makes training steps on request.

    Args:
        python: interpreter of the environment that has it.
        plan: of our training.
        learns: what it needs to learn a text as we do (`rival_torch.Learner`); None: it only times steps.
    """

    def __init__(self, python: Path, plan: Plan, learns: dict[str, Any] | None = None) -> None:
        script = Path(__file__).parent.parent / "rival_torch.py"
        self._process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        network = plan.network
        self._send(
            {
                "batch": plan.batch,
                "length": plan.length,
                "vocabulary": network.vocabulary,
                "embedding": network.embedding or network.vocabulary,
                "units": network.units,
                "threads": cores(),
                "clip": plan.clip_norm,
                "learning_rate": plan.learning_rate,
                "weight_decay": plan.weight_decay,
                "learns": learns,
            }
        )

    def __enter__(self) -> Torch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def steps(self, number: int, *, bfloat16: bool) -> list[float]:
        """Return the seconds of each of so many steps, after one that is not timed."""
        answer = self.ask({"steps": number + 1, "bfloat16": bfloat16})
        return [float(value) for value in answer["seconds"][1:]]

    def ask(self, message: dict[str, Any]) -> Any:
        """Send a request, and return the answer (`rival_torch.py`).

        Raises:
            RuntimeError: PyTorch could not do it.
        """
        self._send(message)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("PyTorch's process has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"PyTorch: {answer['error']}")
        return answer

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


class Steps:
    """Makes a learner's steps one after the other, through any number of epochs."""

    def __init__(self, learner: Learner, rate: float) -> None:
        self._learner = learner
        self._rate = rate
        self._index = self._epoch = 0

    def __call__(self) -> None:
        if self._index % self._learner.steps == 0:
            self._epoch += 1
            self._learner.begin_epoch(self._epoch)
        self._learner.step(self._index % self._learner.steps, self._rate)
        self._index += 1


def train(context: Context) -> None:
    """The default's training step, against PyTorch's and against a plain matrix product, each in its better precision.

    PyTorch makes the same step without dropout; ours is timed as it is, and without dropout as well.
    """
    record = context.record
    corpus = texts.book()
    plan, prepared = default_plan(corpus.text, corpus.info, context.work)
    dropouts = {"input_dropout": 0.0, "dropout": 0.0, "recurrent_weight_dropout": 0.0}
    plain = plan.model_copy(update={"network": plan.network.model_copy(update=dropouts)})
    contestants: dict[str, Callable[[], list[float]]] = {
        "ours": repeated(Steps(make_learner(plan, prepared, 1), plan.learning_rate), STEPS, untimed=1),
        "plain": repeated(Steps(make_learner(plain, prepared, 1), plan.learning_rate), STEPS, untimed=1),
        "product": repeated(product("float32"), STEPS, untimed=1),
        "bf16 product": repeated(product("bfloat16"), STEPS, untimed=1),
    }
    try:
        with Torch(context.rivals, plan) as torch:
            torch.steps(1, bfloat16=False)
            contestants["torch"] = lambda: torch.steps(STEPS, bfloat16=False)
            try:
                torch.steps(1, bfloat16=True)
                contestants["torch bf16"] = lambda: torch.steps(STEPS, bfloat16=True)
            except RuntimeError as error:
                record.raw["train.torch_bf16_error"] = str(error)
            times = alternate(contestants, 2 if context.quick else 8, LONGEST_PAUSE_S)
    except (OSError, RuntimeError) as error:
        record.errors["train.chars_per_s_vs_best_pytorch"] = f"{error}. `make bench` installs PyTorch."
        times = alternate({name: turn for name, turn in contestants.items() if "torch" not in name}, 4, PAUSE_S)

    typical = medians(times)
    flops = training_flops(plan.network, plan.batch, plan.length)
    peaks = {name: product_flops(SIZE) / typical[name] for name in ("product", "bf16 product")}
    ours = typical["ours"]
    record.values["train.chars_per_s"] = plan.batch * plan.length / ours
    if "torch" in typical:
        best = min(typical["torch"], typical.get("torch bf16", math.inf))
        record.values["train.chars_per_s_vs_best_pytorch"] = best / ours
    record.values["train.fraction_of_best_gemm"] = flops / ours / max(peaks.values())
    record.raw |= {f"train.{name.replace(' ', '_')}_s": value for name, value in typical.items()}
    record.raw |= {
        "train.gflop_a_step": flops / 1e9,
        "train.gflop_per_s": flops / ours / 1e9,
        **{f"train.{name.replace(' ', '_')}_gflop_per_s": value / 1e9 for name, value in peaks.items()},
        "train.precision": plan.precision,
        "train.batch": plan.batch,
        "train.length": plan.length,
        "train.units": list(map(float, plan.network.units)),
        "train.embedding": plan.network.embedding,
    }


class FitTimes(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Times each step of Keras' `fit`, and does something else between the steps.

    Args:
        between: done after each step.
    """

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._between = between
        self._begun = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Stop the clock, and let the others have a turn."""
        self.seconds.append(time.perf_counter() - self._begun)
        self._between()


def classic(context: Context) -> None:
    """A step of our `classic` against one of the tutorial's `fit`, on the same windows, in turns.

    Ours as the trainer makes it on this machine, and in float32, which is what the tutorial's is.
    """
    steps = 4 if context.quick else 16
    text = texts.tutorial_text()
    plan, prepared = default_plan(text, texts.info(text), context.work, TrainOptions(recipe="classic"))
    if plan.network.units != tutorial.UNITS or plan.batch != tutorial.BATCH:
        raise RuntimeError("recipe `classic` no longer has the tutorial's network and batch")
    ours, plain = (
        Steps(make_learner(each, prepared, 1), each.learning_rate)
        for each in (plan, plan.model_copy(update={"precision": "float32"}))
    )
    mine: dict[str, list[float]] = {"ours": [], "float32": []}

    def between() -> None:
        mine["ours"].append(seconds(ours))
        mine["float32"].append(seconds(plain))

    times = FitTimes(between)
    patterns = tutorial.make_patterns(text, most=(steps + 2) * tutorial.BATCH)
    model = tutorial.make_model(len(patterns.chars))
    model.fit(patterns.x, patterns.y, epochs=1, batch_size=tutorial.BATCH, callbacks=[times], verbose=0)
    # The first steps compile.
    typical = medians({name: values[2:] for name, values in {**mine, "tutorial": times.seconds}.items()})
    record = context.record
    record.values["classic.step_time_vs_tutorial"] = typical["ours"] / typical["tutorial"]
    record.values["classic.float32_step_time_vs_tutorial"] = typical["float32"] / typical["tutorial"]
    record.raw |= {f"classic.{name}_step_s": value for name, value in typical.items()}
    record.raw["classic.precision"] = plan.precision
