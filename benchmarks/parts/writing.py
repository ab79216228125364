"""Measure how fast a model writes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import texts, tutorial
from benchmarks.measure import alternate, medians, repeated, seconds
from benchmarks.models import default_model
from benchmarks.record import Context
from galvanic.errors import UserError
from galvanic.generate import load_model
from galvanic.request import WriteRequest

SEED = "It was already one in the morning; the rain pattered dismally against the panes, and "
CHARS = 2_000
"""Characters of one sample."""
REPLY = 300
"""Characters of a reply in the channel."""
BATCH = 64


def sample(context: Context) -> None:
    """Measure the characters per second of the default network: one text, 64 texts at once, and the tutorial's way."""
    rounds, predicted = (3, 5) if context.quick else (9, 10)
    model = load_model(default_model(context.work))
    pattern, chars, keras_model = _tutorial()

    written: dict[str, int] = {}

    def one() -> None:
        model.generate(SEED, CHARS, random_seed=1)
        written["one"] = CHARS  # what it shows ends with a word or sentence

    def many() -> None:
        requests = [WriteRequest(seed=SEED, length=CHARS, random_seed=number) for number in range(BATCH)]
        characters = 0
        for answer in model.generate_batch(requests):
            if isinstance(answer, UserError):
                raise answer
            characters += CHARS
        written["many"] = characters

    def baseline() -> list[float]:
        return [seconds(lambda: tutorial.generate(keras_model, chars, pattern, predicted)) / predicted]

    contestants: dict[str, Callable[[], list[float]]] = {
        "tutorial": baseline,
        "one": repeated(one, 1),
        "many": repeated(many, 1),
    }
    typical = medians(alternate(contestants, rounds))
    rate = written["one"] / typical["one"]
    batch_rate = written["many"] / typical["many"]
    record = context.record
    record.values["sample.chars_per_s"] = rate
    record.values["sample.speedup_vs_tutorial"] = rate * typical["tutorial"]
    record.values["sample.batch64_throughput_vs_batch1"] = batch_rate / rate
    record.raw |= {
        "sample.tutorial_ms_a_char": 1_000 * typical["tutorial"],
        "sample.batch64_chars_per_s": batch_rate,
        "sample.chars_written": written["one"],
        "sample.units": list(map(float, model.description.network.units)),
    }


def _tutorial() -> tuple[list[int], str, object]:
    """Return a window, the characters, and the tutorial's network for them; untrained, which takes as long."""
    patterns = tutorial.make_patterns(texts.tutorial_text(), most=tutorial.BATCH)
    chars = "".join(sorted(set(texts.tutorial_text())))
    return patterns.ids[0].tolist(), chars, tutorial.make_model(len(chars))


def generate(context: Context) -> None:
    """Measure a cold start, from a new process to its text, and a warm reply inside a worker."""
    folder = default_model(context.work)
    command = [sys.executable, "-m", "galvanic", "generate", str(folder), SEED, "--length", str(REPLY)]
    cold = []
    for _ in range(1 if context.quick else 5):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        if done.returncode:
            raise RuntimeError(f"`galvanic generate` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        cold.append(time.perf_counter() - begun)
    model = load_model(folder)
    reply = repeated(lambda: model.generate(SEED, REPLY), 1)
    warm = alternate({"reply": reply}, 5 if context.quick else 30)
    typical = medians({"cold": cold, **warm})
    context.record.values["generate.cold_start_s"] = typical["cold"]
    context.record.values["generate.warm_300_chars_ms"] = 1_000 * typical["reply"]
    context.record.raw |= {"generate.cold_starts_s": cold, "generate.warm_replies_s": warm["reply"]}
