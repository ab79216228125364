"""The networks, in Keras, built from their settings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from worker.model.lstm import LSTM
from worker.model.plan import NetworkConfig

Weights = dict[str, npt.NDArray[np.float32]]


def build(config: NetworkConfig, random_seed: int = 0) -> Any:
    """The Keras model of these settings, with fresh weights drawn by `random_seed`.

    `streams`: [ids (batch, time), hidden and cell state of each layer] -> [logits (batch, time, vocabulary), the
    states after]. `windows`: ids / vocabulary (batch, window, 1) -> logits (batch, vocabulary).
    """
    keras.utils.set_random_seed(random_seed)
    return _streams(config, random_seed) if config.kind == "streams" else _windows(config, random_seed)


def _streams(config: NetworkConfig, seed: int) -> Any:
    ids = keras.Input((None,), dtype="int32", name="ids")
    states = [keras.Input((units,), name=f"{part}_{i}") for i, units in enumerate(config.units) for part in "hc"]
    x = layers.Embedding(config.vocabulary, config.embedding, name="embedding")(ids)
    # SpatialDropout1D drops a feature for the whole sequence: Gal & Ghahramani 2016.
    x = layers.SpatialDropout1D(config.input_dropout, seed=seed + 1)(x)
    after: list[Any] = []
    for i, units in enumerate(config.units):
        layer = LSTM(
            units,
            return_sequences=True,
            return_state=True,
            recurrent_weight_dropout=config.recurrent_weight_dropout,
            seed=seed + 10 * i + 2,
            name=f"lstm_{i}",
        )
        x, hidden, cell = layer(x, initial_state=states[2 * i : 2 * i + 2])
        x = layers.SpatialDropout1D(config.dropout, seed=seed + 10 * i + 3)(x)
        after += [hidden, cell]
    logits = layers.Dense(config.vocabulary, name="output")(x)
    return keras.Model([ids, *states], [logits, *after])


def _windows(config: NetworkConfig, seed: int) -> Any:
    """The tutorial's network. Its softmax is in the loss, where it is exact."""
    model = keras.Sequential([keras.Input((config.window, 1))], name="windows")
    for i, units in enumerate(config.units):
        last = i == len(config.units) - 1
        model.add(LSTM(units, return_sequences=not last, seed=seed + 10 * i + 2, name=f"lstm_{i}"))
        model.add(layers.Dropout(config.dropout, seed=seed + 10 * i + 3))
    model.add(layers.Dense(config.vocabulary, name="output"))
    return model


def get_weights(model: Any) -> Weights:
    """All trainable weights by name, as copies."""
    return {_name(variable): np.array(variable.numpy()) for variable in model.trainable_variables}


def set_weights(model: Any, weights: Weights) -> None:
    """Put weights of the same names and shapes into the model."""
    for variable in model.trainable_variables:
        variable.assign(weights[_name(variable)])


def _name(variable: Any) -> str:
    """`layer/.../weight`, without the name of the model that a Sequential puts before it."""
    return str(variable.path).removeprefix("windows/")
