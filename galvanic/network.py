"""The networks in Keras, built from a `NetworkConfig`."""

from typing import Any

import keras
import numpy as np
from keras import layers

from galvanic.lstm import LSTM
from galvanic.plan import NetworkConfig, Precision, Weights


def build(config: NetworkConfig, random_seed: int = 0, precision: Precision = "float32") -> Any:
    """Return the Keras model of one member. `random_seed` decides its fresh weights and its dropout.

    The kind `streams` maps [ids (batch, time), hidden and cell state of each layer] to [logits (batch, time,
    vocabulary), the new states]; `windows` maps ids / vocabulary (batch, window, 1) to logits (batch, vocabulary).
    `precision`: of the LSTM's products in training on a CPU.
    """
    keras.utils.set_random_seed(random_seed)
    return (_streams if config.kind == "streams" else _windows)(config, random_seed, precision)


def _streams(config: NetworkConfig, random_seed: int, precision: Precision) -> Any:
    ids = keras.Input((None,), dtype="int32", name="ids")
    states = [keras.Input((units,), name=f"{part}_{i}") for i, units in enumerate(config.units) for part in "hc"]
    by_time = keras.ops.transpose(ids)
    # With Keras' default for embeddings, uniform from -0.05 to 0.05, a gate's input is a hundredth of what it needs: a
    # book's loss is then 1.39 nats in place of 1.28 (docs/engine.md).
    spread = keras.initializers.RandomNormal(stddev=1.0, seed=random_seed + 4)
    embedding = layers.Embedding(config.vocabulary, config.embedding, embeddings_initializer=spread, name="embedding")
    x = embedding(by_time)
    x = _sequence_dropout(config.input_dropout, random_seed + 1)(x)
    after: list[Any] = []
    for i in range(len(config.units)):
        x, hidden, cell = _lstm(config, i, random_seed, precision)(x, initial_state=states[2 * i : 2 * i + 2])
        x = _sequence_dropout(config.dropout, random_seed + 10 * i + 3)(x)
        after += [hidden, cell]
    logits = layers.Dense(config.vocabulary, name="output")(x)
    return keras.Model([ids, *states], [keras.ops.transpose(logits, (1, 0, 2)), *after])


def _windows(config: NetworkConfig, random_seed: int, precision: Precision) -> Any:
    """Return the tutorial's network. Its softmax is part of the loss, which is numerically exact."""
    inputs = keras.Input((config.window, 1))
    x = keras.ops.transpose(inputs, (1, 0, 2))
    for i in range(len(config.units)):
        x, hidden, _ = _lstm(config, i, random_seed, precision)(x)
        if i == len(config.units) - 1:
            x = hidden
        x = layers.Dropout(config.dropout, seed=random_seed + 10 * i + 3, autocast=False)(x)
    return keras.Model(inputs, layers.Dense(config.vocabulary, name="output")(x))


def _lstm(config: NetworkConfig, index: int, random_seed: int, precision: Precision) -> LSTM:
    return LSTM(
        config.units[index],
        recurrent_weight_dropout=config.recurrent_weight_dropout,
        precision=precision,
        seed=random_seed + 10 * index + 2,
        name=f"lstm_{index}",
    )


def _sequence_dropout(share: float, random_seed: int) -> Any:
    """Return dropout that drops a feature of a stream for the whole sequence (Gal & Ghahramani 2016)."""
    return layers.Dropout(share, noise_shape=(1, None, None), seed=random_seed, autocast=False)


def get_weights(model: Any) -> Weights:
    """Return copies of all trainable weights by name (`layer/.../weight`)."""
    return {str(variable.path): np.array(variable.numpy()) for variable in model.trainable_variables}


def set_weights(model: Any, weights: Weights) -> None:
    for variable in model.trainable_variables:
        variable.assign(weights[str(variable.path)])
