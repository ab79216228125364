"""Measure a GPU: the engine's steps and cuDNN's own LSTM, in several batches and precisions."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from benchmarks import texts
from benchmarks.measure import seconds
from benchmarks.models import Watcher, default_plan
from benchmarks.parts.steps import Steps
from galvanic.generate import load_model
from galvanic.learners import make_learner
from galvanic.model_file import STARTER_FILE
from galvanic.options import TrainOptions
from galvanic.plan import NetworkConfig, Plan, fit_to_text
from galvanic.text import Prepared
from galvanic.training import train

Products = Literal["TF32", "float32", "float16"]


@dataclass(frozen=True)
class Scale:
    """The size of the measurement: LSTM units of the large network, batches, steps of each, minutes of each
    training."""

    large: tuple[int, ...]
    batches: tuple[int, ...]
    steps: int
    minutes: tuple[float, ...]
    speed_s: float  # seconds after which no further speed is measured, to end within ten minutes


WHOLE = Scale((1_024, 1_024), (128, 256, 512, 1_024), 20, (1, 5), 150)
TINY = Scale((24, 24), (4, 8), 2, (0.05,), math.inf)
_UNTIMED = 3
"""Steps that compile, and are not timed."""


@dataclass(frozen=True)
class Speed:
    """One network in one batch and precision.

    Attributes:
        network: default or large.
        batch: streams side by side.
        products: float16 is a plain Keras network under the policy mixed_float16, without dropout; all others are the
            engine's own steps.
        chars_per_s: characters learned from a second.
        share: of what `keras.layers.LSTM`, which is cuDNN's, reads forward and backward alone, in these products.
        memory_mb: the most of the card's memory that the steps took, in MB; None where there is no card.
        failed: why there are no figures; else empty.
    """

    network: str
    batch: int
    products: Products
    chars_per_s: float = 0.0
    share: float = 0.0
    memory_mb: float | None = None
    failed: str = ""


def plans(text: str, work: Path, scale: Scale, tiny: bool) -> tuple[dict[str, Plan], Prepared]:
    """Return the default's plan and one with a large network, by name, and the prepared text."""
    plan, prepared = default_plan(text, texts.info(text), work)
    if tiny:
        plan = _of_units(plan, (16,))
    return {"default": plan, "large": _of_units(plan, scale.large)}, prepared


def _of_units(plan: Plan, units: tuple[int, ...]) -> Plan:
    return plan.model_copy(update={"network": plan.network.model_copy(update={"units": units, "members": 1})})


def speeds(networks: dict[str, Plan], prepared: Prepared, scale: Scale) -> Iterator[Speed]:
    """Measure each network in each batch with TF32, and in the second batch without it and in 16 bits."""
    begun = time.monotonic()
    for name, plan in networks.items():
        tried: list[tuple[int, Products]] = [(batch, "TF32") for batch in scale.batches]
        for batch, products in (*tried, (scale.batches[1], "float32"), (scale.batches[1], "float16")):
            if time.monotonic() - begun > scale.speed_s:
                yield Speed(name, batch, products, failed="no time was left for it")
                continue
            chosen, _ = fit_to_text(plan.model_copy(update={"batch": batch}), prepared.learned)
            try:
                yield _speed(name, chosen, prepared, products, scale.steps)
            except Exception as error:  # memory, or what a card or cuDNN cannot do: the rest is still to be measured
                yield Speed(name, batch, products, failed=" ".join(f"{type(error).__name__}: {error}".split())[:200])
            gc.collect()


def _speed(name: str, plan: Plan, prepared: Prepared, products: Products, steps: int) -> Speed:
    tf.config.experimental.enable_tensor_float_32_execution(products == "TF32")
    cards = tf.config.list_logical_devices("GPU")
    if cards:
        tf.config.experimental.reset_memory_stats("GPU:0")
    network, chars = plan.network, plan.batch * plan.length
    if products == "float16":
        step_s = _median(_plain(network, plan.batch, plan.length), steps) * network.members
    else:
        step_s = _median(Steps(make_learner(plan, prepared, 1), plan.learning_rate), steps)
    memory = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6 if cards else None
    alone = _median(_layer_alone(network, plan.batch, plan.length, products), steps) * network.members
    return Speed(name, plan.batch, products, chars / step_s, alone / step_s, memory)


def _median(step: Callable[[], object], steps: int) -> float:
    for _ in range(_UNTIMED):
        step()
    return statistics.median(seconds(step) for _ in range(steps))


def _dtype(products: Products) -> str:
    return "mixed_float16" if products == "float16" else "float32"


def _layer_alone(network: NetworkConfig, batch: int, length: int, products: Products) -> Callable[[], object]:
    """Return a step forward and backward through Keras' LSTM layers alone, of the shape of one member."""
    layers = [keras.layers.LSTM(units, return_sequences=True, dtype=_dtype(products)) for units in network.units]
    sequences = tf.random.normal((batch, length, network.embedding or network.vocabulary))

    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            outputs = sequences
            for layer in layers:
                outputs = layer(outputs)
            loss = tf.reduce_mean(tf.cast(outputs, tf.float32))
        return tape.gradient(loss, [sequences, *(weight.value for layer in layers for weight in layer.weights)])

    for layer, width in zip(layers, (sequences.shape[-1], *network.units), strict=False):
        layer.build((batch, length, width))
    compiled = tf.function(step)
    return lambda: compiled()[-1].numpy()  # a bias' gradient: waits for the card


def _plain(network: NetworkConfig, batch: int, length: int) -> Callable[[], object]:
    """Return a training step of the network in Keras alone, in 16 bits where Keras' policy has them."""
    mixed = _dtype("float16")
    model = keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            keras.layers.Embedding(network.vocabulary, network.embedding, dtype=mixed),
            *(keras.layers.LSTM(units, return_sequences=True, dtype=mixed) for units in network.units),
            keras.layers.Dense(network.vocabulary, dtype="float32"),
        ]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW(clipnorm=1.0))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    ids = tf.random.uniform((batch, length), maxval=network.vocabulary, dtype=tf.int32)
    return lambda: model.train_on_batch(ids, ids)


def quality(text: str, work: Path, minutes: float) -> float:
    """Train on the first nine tenths of a text for so many minutes; return the loss on the rest, in nats per
    character."""
    tf.config.experimental.enable_tensor_float_32_execution(True)
    first, last = texts.parts(text)
    out = work / f"gpu-{minutes:g}"
    options = TrainOptions(minutes=minutes)
    train(first, options, texts.info(first), out=out, hooks=Watcher(), starter=STARTER_FILE)
    return load_model(out).score(last).nats_per_char
