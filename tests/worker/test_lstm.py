"""The LSTM layer is Keras' own, only faster."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from worker.model.lstm import LSTM, lstm


@pytest.mark.parametrize("return_sequences", [True, False])
def test_outputs_and_gradients_are_those_of_keras(return_sequences: bool) -> None:
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(3, 9, 5)), tf.float32)
    states = [tf.constant(random.normal(size=(3, 7)), tf.float32) for _ in range(2)]
    layers = [kind(7, return_sequences=return_sequences, return_state=True) for kind in (keras.layers.LSTM, LSTM)]
    for layer in layers:
        layer(x, initial_state=states)
    layers[0].set_weights([random.normal(size=weight.shape) * 0.4 for weight in layers[0].get_weights()])
    layers[1].set_weights(layers[0].get_weights())

    def run(layer: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            output, hidden, cell = layer(x, initial_state=states)
            loss = tf.reduce_sum(output**2) + tf.reduce_sum(hidden * tf.sin(hidden)) + tf.reduce_sum(cell**3)
        variables = [variable.value for variable in layer.trainable_variables]
        return [output, hidden, cell, *tape.gradient(loss, [x, *states, *variables])]

    for theirs, ours in zip(*map(run, layers), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_gradient_agrees_with_finite_differences() -> None:
    random = np.random.default_rng(1)
    shapes = ((2, 4, 3), (2, 5), (2, 5), (3, 20), (5, 20), (20,))
    arguments = [tf.constant(random.normal(size=shape) * 0.5, tf.float64) for shape in shapes]

    def loss(*arguments: Any) -> Any:
        outputs, hidden, cell = lstm(*arguments)
        return tf.reduce_sum(outputs**2) + tf.reduce_sum(hidden) + tf.reduce_sum(cell**2)

    theory, numeric = tf.test.compute_gradient(loss, arguments)
    for ours, theirs in zip(theory, numeric, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_weight_dropout_only_while_training() -> None:
    layer = LSTM(16, recurrent_weight_dropout=0.5, seed=3)
    x = tf.ones((2, 6, 4))
    plain = layer(x, training=False)
    np.testing.assert_array_equal(plain, layer(x, training=False))
    first, second = layer(x, training=True), layer(x, training=True)
    assert not np.allclose(first, second)
    assert not np.allclose(plain, first)
