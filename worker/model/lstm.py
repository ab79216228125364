"""Keras' LSTM layer with a faster inner loop on the CPU.

Automatic differentiation of a loop multiplies matrices once per time step for the gradient of each weight. Here the
gradient is derived by hand: whatever does not depend on the previous step - the input product, the gradients of all
weights - is one large product outside the loop. On a GPU Keras' own path, which is cuDNN's, is faster and is kept.
Weights, names and results are those of `keras.layers.LSTM`.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Tensor = Any


@keras.saving.register_keras_serializable("galvanic")
class LSTM(keras.layers.LSTM):  # type: ignore[misc]  # Keras has no types
    """`keras.layers.LSTM` with a hand-derived gradient on the CPU, and dropped recurrent weights.

    Args:
        recurrent_weight_dropout: share of the recurrent weights dropped while training, one draw per call
            (Merity, Keskar & Socher 2017, "Regularizing and Optimizing LSTM Language Models").
    """

    def __init__(self, units: int, *, recurrent_weight_dropout: float = 0.0, seed: int = 0, **options: Any) -> None:
        super().__init__(units, seed=seed, **options)
        self.recurrent_weight_dropout = recurrent_weight_dropout
        self.weight_dropout_seed = keras.random.SeedGenerator(seed)

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Run over time; shapes as in Keras: sequences [batch, time, features], states [batch, units]."""
        recurrent = tf.convert_to_tensor(self.cell.recurrent_kernel)
        if training and self.recurrent_weight_dropout:
            recurrent = keras.random.dropout(recurrent, self.recurrent_weight_dropout, seed=self.weight_dropout_seed)
        elif tf.config.list_logical_devices("GPU"):
            return super().inner_loop(sequences, initial_state, mask, training)
        if mask is not None:
            raise ValueError("masks are not supported")
        outputs, hidden, carry = lstm(
            sequences,
            tf.convert_to_tensor(initial_state[0]),
            tf.convert_to_tensor(initial_state[1]),
            tf.convert_to_tensor(self.cell.kernel),
            recurrent,
            tf.convert_to_tensor(self.cell.bias),
        )
        return hidden, outputs if self.return_sequences else hidden[:, None], [hidden, carry]


def lstm(x: Tensor, h0: Tensor, c0: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Any:
    """An LSTM over time (Hochreiter & Schmidhuber 1997, with forget gates; gates ordered i, f, g, o as in Keras).

    Args:
        x: [batch, time, features]. h0, c0: [batch, units].
        kernel: [features, 4 units]. recurrent: [units, 4 units]. bias: [4 units].

    Returns:
        All hidden states [batch, time, units], the last hidden state and the last cell state.
    """
    features = int(kernel.shape[0])
    units = int(recurrent.shape[0])

    def run(x: Tensor, h0: Tensor, c0: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Any:
        x_by_time = tf.transpose(x, (1, 0, 2))
        steps, batch = tf.shape(x_by_time)[0], tf.shape(x_by_time)[1]
        x_flat = tf.reshape(x_by_time, (-1, features))
        inputs = tf.reshape(x_flat @ kernel + bias, (steps, batch, 4 * units))
        gates, cells, hidden = _forward(inputs, h0, c0, recurrent, units)

        def gradient(d_outputs: Tensor, d_last_h: Tensor, d_last_c: Tensor) -> tuple[Tensor, ...]:
            h_before = tf.concat([h0[None], hidden[:-1]], 0)
            c_before = tf.concat([c0[None], cells[:-1]], 0)
            d_hidden = tf.transpose(d_outputs, (1, 0, 2))
            dz, dh, dc = _backward(d_hidden, d_last_h, d_last_c, gates, cells, c_before, recurrent)
            dz_flat = tf.reshape(dz, (-1, 4 * units))
            dx = tf.reshape(tf.matmul(dz_flat, kernel, transpose_b=True), (steps, batch, features))
            return (
                tf.transpose(dx, (1, 0, 2)),
                dh,
                dc,
                tf.matmul(x_flat, dz_flat, transpose_a=True),
                tf.matmul(tf.reshape(h_before, (-1, units)), dz_flat, transpose_a=True),
                tf.reduce_sum(dz_flat, 0),
            )

        return (tf.transpose(hidden, (1, 0, 2)), hidden[-1], cells[-1]), gradient

    return tf.custom_gradient(run)(x, h0, c0, kernel, recurrent, bias)


def _forward(inputs: Tensor, h0: Tensor, c0: Tensor, recurrent: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gate activations [time, batch, 4 units], cell and hidden states [time, batch, units]."""
    steps = tf.shape(inputs)[0]
    arrays = [tf.TensorArray(inputs.dtype, steps) for _ in range(3)]

    def step(t: Tensor, h: Tensor, c: Tensor, gates: Any, cells: Any, hidden: Any) -> Any:
        z = inputs[t] + h @ recurrent
        i_f = tf.sigmoid(z[:, : 2 * units])
        g = tf.tanh(z[:, 2 * units : 3 * units])
        o = tf.sigmoid(z[:, 3 * units :])
        c = i_f[:, units:] * c + i_f[:, :units] * g
        h = o * tf.tanh(c)
        gates = gates.write(t, tf.concat([i_f, g, o], 1))
        return t + 1, h, c, gates, cells.write(t, c), hidden.write(t, h)

    loop = tf.while_loop(lambda t, *_: t < steps, step, (0, h0, c0, *arrays))
    gates, cells, hidden = (array.stack() for array in loop[3:])
    return gates, cells, hidden


def _backward(
    d_hidden: Tensor,
    dh: Tensor,
    dc: Tensor,
    gates: Tensor,
    cells: Tensor,
    c_before: Tensor,
    recurrent: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the gates' inputs [time, batch, 4 units] and of the initial states.

    With dc the cell's gradient, the gates' inputs get di = dc g i(1-i), df = dc c' f(1-f), dg = dc i(1-g^2) and
    do = dh tanh(c) o(1-o), where c' is the cell before. The factors are computed for all steps at once.
    """
    i, f, g, o = tf.split(gates, 4, axis=2)
    tanh_c = tf.tanh(cells)
    into_cell = o * (1 - tanh_c * tanh_c)
    factors = tf.concat([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], 2)
    steps = tf.shape(gates)[0]
    array = tf.TensorArray(gates.dtype, steps)

    def step(t: Tensor, dh: Tensor, dc: Tensor, dzs: Any) -> Any:
        dh = dh + d_hidden[t]
        dc = dc + dh * into_cell[t]
        dz = tf.concat([dc, dc, dc, dh], 1) * factors[t]
        return t - 1, tf.matmul(dz, recurrent, transpose_b=True), dc * f[t], dzs.write(t, dz)

    _, dh, dc, dzs = tf.while_loop(lambda t, *_: t >= 0, step, (steps - 1, dh, dc, array))
    return dzs.stack(), dh, dc
