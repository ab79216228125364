"""The LSTM layer is Keras' own, only faster."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from galvanic import recurrence
from galvanic.lstm import LSTM, lstm

pytestmark = pytest.mark.slow

TIME, BATCH, FEATURES = 9, 6, 5


def inputs(random: np.random.Generator, units: int = 32) -> tuple[Any, list[Any]]:
    x = tf.constant(random.normal(size=(TIME, BATCH, FEATURES)), tf.float32)
    return x, [tf.constant(random.normal(size=(BATCH, units)), tf.float32) for _ in range(2)]


def ours_like(theirs: Any, **options: Any) -> LSTM:
    layer = LSTM(theirs.units, **options)
    layer.build((TIME, BATCH, FEATURES))
    layer.set_weights(theirs.get_weights())
    return layer


def keras_layer(random: np.random.Generator, units: int = 32) -> Any:
    layer = keras.layers.LSTM(units, return_sequences=True, return_state=True)
    layer.build((BATCH, TIME, FEATURES))
    layer.set_weights([random.normal(size=weight.shape) * 0.4 for weight in layer.get_weights()])
    return layer


def outcome(layer: Any, x: Any, states: list[Any], *, by_time: bool, training: bool = False) -> list[Any]:
    """Outputs, last states, and the gradients of a loss that depends on all of them."""
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        sequences = x if by_time else tf.transpose(x, (1, 0, 2))
        output, hidden, cell = layer(sequences, initial_state=states, training=training)
        output = tf.cast(output if by_time else tf.transpose(output, (1, 0, 2)), tf.float32)
        loss = tf.reduce_sum(output**2) + tf.reduce_sum(hidden * tf.sin(hidden)) + tf.reduce_sum(cell**3)
    variables = [variable.value for variable in layer.trainable_variables]
    return [output, hidden, cell, *tape.gradient(loss, [x, *states, *variables])]


@pytest.mark.parametrize("units", [7, 32])  # 7: no multiple of what the compiled product takes at once
def test_outputs_and_gradients_are_those_of_keras(units: int) -> None:
    random = np.random.default_rng(0)
    x, states = inputs(random, units)
    theirs = keras_layer(random, units)
    expected = outcome(theirs, x, states, by_time=False)
    for found, wanted in zip(outcome(ours_like(theirs), x, states, by_time=True), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_results_are_the_same_for_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    layer = ours_like(keras_layer(random))
    x = tf.constant(random.normal(size=(TIME, 23, FEATURES)), tf.float32)
    states = [tf.constant(random.normal(size=(23, 32)), tf.float32) for _ in range(2)]
    outcomes = []
    for number in (1, 7):
        monkeypatch.setattr(recurrence, "cores", lambda number=number: number)
        outcomes.append(outcome(layer, x, states, by_time=True))
    for first, other in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(first, other)


def test_bfloat16_products_are_near_and_only_while_training() -> None:
    random = np.random.default_rng(2)
    x, states = inputs(random)
    exact, low = (ours_like(keras_layer(random), precision=kind) for kind in ("float32", "bfloat16"))
    low.set_weights(exact.get_weights())
    expected = outcome(exact, x, states, by_time=True, training=True)
    found = outcome(low, x, states, by_time=True, training=True)
    assert not np.array_equal(found[0], expected[0])
    for ours, wanted in zip(found, expected, strict=True):
        # bfloat16 has 8 bits of mantissa.
        assert np.linalg.norm(ours - wanted) < 0.02 * np.linalg.norm(wanted)
    np.testing.assert_array_equal(low(x, states, training=False)[0], exact(x, states, training=False)[0])


@pytest.mark.parametrize("steps", [1, 4])
def test_gradient_agrees_with_finite_differences(steps: int) -> None:
    random = np.random.default_rng(1)
    shapes = ((steps, 2, 3), (2, 5), (2, 5), (3, 20), (5, 20), (20,))
    arguments = [tf.constant(random.normal(size=shape) * 0.5, tf.float64) for shape in shapes]

    def loss(x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        outputs, hidden, cell = lstm(x, h0, c0, kernel, recurrent, bias, "float64")
        return tf.reduce_sum(outputs**2) + tf.reduce_sum(hidden) + tf.reduce_sum(cell**2)

    theory, numeric = tf.test.compute_gradient(loss, arguments)
    for ours, theirs in zip(theory, numeric, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_weight_dropout_only_while_training() -> None:
    layer = LSTM(32, recurrent_weight_dropout=0.5, seed=3)
    x = tf.ones((6, 2, 4))
    plain = layer(x, training=False)[0]
    np.testing.assert_array_equal(plain, layer(x, training=False)[0])
    first, second = layer(x, training=True)[0], layer(x, training=True)[0]
    assert not np.allclose(first, second)
    assert not np.allclose(plain, first)


def test_the_path_of_a_gpu_is_the_same_layer() -> None:
    """Keras' path takes the recurrent weights that were drawn, and leaves the layer as it was."""
    random = np.random.default_rng(3)
    x, states = inputs(random)
    layer = ours_like(keras_layer(random))
    former = layer.cell.recurrent_kernel
    dropped = tf.convert_to_tensor(former) * tf.constant(random.integers(0, 2, size=former.shape), tf.float32)
    cell, (hidden, carry) = layer.cell, states
    expected = lstm(x, hidden, carry, tf.convert_to_tensor(cell.kernel), dropped, tf.convert_to_tensor(cell.bias))
    for found, wanted in zip(layer.keras_path(x, states, dropped), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert layer.cell.recurrent_kernel is former
