"""Measure without TensorFlow: how fast a text is prepared, how soon a training shows a sample, how much memory a large
text takes, and how far PPMd compresses it.
"""

import contextlib
import functools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import texts
from benchmarks.keys import SUITE, ppmd_key
from benchmarks.measure import alternate, medians, repeated
from benchmarks.record import Context
from galvanic.model_file import STARTER_FILE
from galvanic.options import TrainOptions
from galvanic.results import Control, Hooks, Sample, TrainingCancelled
from galvanic.text import prepare

RECIPES = ("char", "classic")
SMALL_MB = 1


def text(context: Context) -> None:
    """Measure megabytes of UTF-8 text per second through the pipelines of `char` and `classic`."""
    corpus = texts.book()
    megabytes = len(corpus.text.encode()) / 1e6

    def turn(recipe: str) -> None:
        prepare(corpus.text, recipe, corpus.info.hard_wrapped)

    contestants = {recipe: repeated(functools.partial(turn, recipe), 3) for recipe in RECIPES}
    typical = medians(alternate(contestants, 3 if context.quick else 10))
    for recipe in RECIPES:
        context.record.values[f"text.preprocess_mb_per_s.{recipe}"] = megabytes / typical[recipe]
        context.record.raw[f"text.preprocess_s.{recipe}"] = typical[recipe]
    context.record.raw["text.megabytes"] = megabytes


def first_sample(context: Context) -> None:
    """Measure the seconds until a training on the book shows its first sample, imports included."""
    corpus = texts.book()
    begun = time.monotonic()
    shown: list[float] = []

    class FirstSample(Hooks):
        def sample(self, event: Sample) -> None:
            shown.append(time.monotonic() - begun)
            context.record.raw["train.first_sample"] = event.text

        def control(self) -> Control | None:
            return "cancel" if shown else None

    with contextlib.suppress(TrainingCancelled):
        from galvanic.training import train

        options, out = TrainOptions(random_seed=1), context.work / "first"
        train(corpus.text, options, corpus.info, out=out, hooks=FirstSample(), starter=STARTER_FILE)
    context.record.values["train.first_sample_s"] = shown[0]


def memory(context: Context) -> None:
    """Measure the peak resident memory of a short training on a large text, less that on a small one."""
    large = 10 if context.quick else 100
    peaks = {megabytes: _peak_mb(context.work, megabytes) for megabytes in (SMALL_MB, large)}
    context.record.values[f"memory.train_{large}mb_rss_over_small_mb"] = peaks[large] - peaks[SMALL_MB]
    context.record.raw |= {f"memory.train_{megabytes}mb_rss_mb": peak for megabytes, peak in peaks.items()}


def _peak_mb(work: Path, megabytes: int) -> float:
    """Return the peak resident memory of `galvanic train` on a text of so many megabytes, with its children.

    Raises:
        RuntimeError: the training failed.
    """
    source, out, log = (work / f"memory-{megabytes}{suffix}" for suffix in (".txt", "", ".log"))
    texts.write_babble(source, megabytes)
    command = [sys.executable, "-m", "galvanic", "train", str(source), "--out", str(out), "--minutes", "0.2"]
    settings = {"CORPUS_MAX_MB": "1000", "DATA_DIR": str(work / "data")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **settings})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    source.unlink()
    if process.returncode:
        last = log.read_text("utf-8", "replace").strip()[-300:]
        raise RuntimeError(f"the training on {megabytes} MB ended with {process.returncode}: {last}")
    # KiB on Linux, bytes on macOS.
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1_024) / 1e6


def ppmd(context: Context) -> None:
    """Measure PPMd of order 8 on the last tenth of each text of the suite that is there, after it has read the rest.

    It either goes on learning there (adaptive), or forgets after each 2,000 characters (frozen).
    """
    for name in SUITE[: 1 if texts.suite_lacking() else None]:
        text = texts.measure_text(name)
        first, last = texts.parts(text)
        script = Path(__file__).parent.parent / "rival_ppmd.py"
        done = subprocess.run(
            [context.rivals, script, str(len(first))], input=text.encode(), capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pyppmd: {done.stderr.decode().strip()[-300:]}. `make bench` installs it.")
        sizes = json.loads(done.stdout)
        nats_a_byte = 8 * math.log(2) / len(last)
        adaptive = (sizes["whole"] - sizes["first"]) * nats_a_byte
        context.record.raw[ppmd_key(name, "adaptive")] = adaptive
        context.record.raw[ppmd_key(name, "frozen")] = sizes["frozen"] * nats_a_byte
        if name == texts.BOOK:
            context.record.values["quality.ppmd_nats"] = adaptive
            context.record.raw |= {"quality.measure_characters": len(text), "quality.measure_distinct": len(set(text))}
