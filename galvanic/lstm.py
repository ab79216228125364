"""Keras' LSTM layer with a faster way through time on the CPU.

Automatic differentiation of a loop multiplies matrices once per time step for the gradient of each weight. Here the
gradient is derived by hand: the gradients of all weights are one large product each after the loop. In float32 Numba
compiles the loop (`galvanic.recurrence`) if the width fits its product. Else TensorFlow runs it, and what a step does
beside its product is compiled into one pass over memory (XLA). Products of bfloat16 numbers, with sums, cell states and
weights in float32, are twice as fast on processors with instructions for them (Kalamkar et al. 2019, "A Study of
BFLOAT16 for Deep Learning Training"). On a GPU Keras' own path is taken, which is cuDNN's.
Weights, names and results are those of `keras.layers.LSTM`; sequences are [time, batch, features], so that a step
reads neighbouring memory.
"""

from collections.abc import Callable
from typing import Any, Literal

import keras
import tensorflow as tf

from galvanic import recurrence
from galvanic.plan import Precision

Tensor = Any


class LSTM(keras.layers.LSTM):  # type: ignore[misc]  # Keras has no types
    """A Keras LSTM layer over sequences [time, batch, features], with dropout of its recurrent weights.

    Calling it returns all hidden states [time, batch, units], the last hidden state and the last cell state.
    `recurrent_weight_dropout`: share of the recurrent weights dropped in training, the same for all steps of a call
    (Merity, Keskar & Socher 2017, "Regularizing and Optimizing LSTM Language Models"). `precision`: of the products in
    training on a CPU; all else is float32.
    """

    def __init__(
        self,
        units: int,
        *,
        recurrent_weight_dropout: float = 0.0,
        precision: Precision = "float32",
        seed: int = 0,
        **options: Any,
    ) -> None:
        options |= {"return_sequences": True, "return_state": True, "autocast": False}
        super().__init__(units, seed=seed, **options)
        self.recurrent_weight_dropout = recurrent_weight_dropout
        self.precision = precision
        self.weight_dropout_seed = keras.random.SeedGenerator(seed)

    def call(self, sequences: Tensor, initial_state: Any = None, training: bool = False) -> Any:
        recurrent = tf.convert_to_tensor(self.cell.recurrent_kernel)
        if training and self.recurrent_weight_dropout:
            recurrent = keras.random.dropout(recurrent, self.recurrent_weight_dropout, seed=self.weight_dropout_seed)
        if initial_state is None:
            initial_state = [tf.zeros((tf.shape(sequences)[1], self.units)) for _ in range(2)]
        if tf.config.list_logical_devices("GPU"):
            return self.keras_path(tf.cast(sequences, tf.float32), initial_state, recurrent)
        h0, c0, kernel, bias = map(tf.convert_to_tensor, (*initial_state, self.cell.kernel, self.cell.bias))
        return lstm(sequences, h0, c0, kernel, recurrent, bias, self.precision if training else "float32")

    def keras_path(self, sequences: Tensor, initial_state: Any, recurrent: Tensor) -> Any:
        """Compute the same by Keras' own code, which uses cuDNN on a GPU."""
        former = self.cell.recurrent_kernel
        # Keras offers no way to hand in the weights to use.
        object.__setattr__(self.cell, "recurrent_kernel", recurrent)
        try:
            _, outputs, (hidden, carry) = self.inner_loop(tf.transpose(sequences, (1, 0, 2)), initial_state, None)
        finally:
            object.__setattr__(self.cell, "recurrent_kernel", former)
        return tf.transpose(outputs, (1, 0, 2)), hidden, carry


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    precision: Literal["float32", "bfloat16", "float64"] = "float32",
) -> Any:
    """Run an LSTM over time (Hochreiter & Schmidhuber 1997, with forget gates; gates ordered i, f, g, o as in Keras).

    x: [time, batch, features]; h0, c0: [batch, units]; kernel: [features, 4 units]; recurrent: [units, 4 units]; bias:
    [4 units]. `precision`: of the products, and of what is kept for the gradient. Returns all hidden states [time,
    batch, units] in that precision, and the last hidden and the last cell state in the precision of h0 and c0.
    """
    features, units = int(kernel.shape[0]), int(recurrent.shape[0])
    if precision == "float32" and units % recurrence.COLUMNS == 0:
        return _compiled_lstm(x, h0, c0, kernel, recurrent, bias)
    low = tf.as_dtype(precision)
    x = tf.cast(x, low)

    def run(x: Tensor, h0: Tensor, c0: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Any:
        steps, batch = tf.shape(x)[0], tf.shape(x)[1]
        # Input and recurrent product in one, which is faster than a product for each.
        both = tf.cast(tf.concat([recurrent, kernel], 0), low)
        times_both = multiplier(both)
        by_step = tf.TensorArray(low, steps, element_shape=(None, features)).unstack(x)

        def step(t: Tensor, h: Tensor, c: Tensor, gates: Any, cells: Any, hidden: Any) -> Any:
            activations, c, h = _compiled_cell(times_both(tf.concat([h, by_step.read(t)], 1)), bias, c)
            return t + 1, h, c, gates.write(t, activations), cells.write(t + 1, tf.cast(c, low)), hidden.write(t + 1, h)

        first = tf.cast(h0, low)
        gates = tf.TensorArray(low, steps, clear_after_read=False)
        # With the initial states in front, which the gradient needs.
        cells = tf.TensorArray(low, steps + 1, clear_after_read=False).write(0, tf.cast(c0, low))
        states = tf.TensorArray(low, steps + 1).write(0, first)
        loop = tf.while_loop(lambda t, *_: t < steps, step, (0, first, c0, gates, cells, states))
        _, h, c, gates, cells, states = loop
        hidden = states.stack()

        def gradient(d_hidden: Tensor, d_last_h: Tensor, d_last_c: Tensor) -> tuple[Tensor, ...]:
            dz, dh, dc = _backward(d_hidden, tf.cast(d_last_h, low), d_last_c, gates, cells, both[:units])
            flat = tf.reshape(dz, (-1, 4 * units))
            return (
                tf.reshape(tf.matmul(flat, both[units:], transpose_b=True), (steps, batch, features)),
                tf.cast(dh, h0.dtype),
                dc,
                tf.cast(tf.matmul(tf.reshape(x, (-1, features)), flat, transpose_a=True), kernel.dtype),
                tf.cast(tf.matmul(tf.reshape(hidden[:-1], (-1, units)), flat, transpose_a=True), recurrent.dtype),
                # A sum as a product: it adds in float32 without a copy in float32.
                tf.cast(tf.matmul(tf.ones((1, steps * batch), low), flat)[0], bias.dtype),
            )

        return (hidden[1:], tf.cast(h, h0.dtype), c), gradient

    return tf.custom_gradient(run)(x, h0, c0, kernel, recurrent, bias)


def _compiled_lstm(x: Tensor, h0: Tensor, c0: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Any:
    """Run an LSTM as `lstm` does, by `galvanic.recurrence`."""
    features, units = int(kernel.shape[0]), int(recurrent.shape[0])
    inputs = units + features + 1

    def run(x: Tensor, h0: Tensor, c0: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> Any:
        weights = tf.concat([recurrent, kernel, bias[None]], 0)
        joined, gates, cells = tf.numpy_function(
            recurrence.forward, [x, h0, c0, _panels(weights)], [tf.float32] * 3, stateful=False
        )
        for tensor, width in ((joined, inputs), (gates, 4 * units), (cells, units)):
            tensor.set_shape((None, None, width))
        hidden = joined[1:, :, :units]

        def gradient(d_hidden: Tensor, d_last_h: Tensor, d_last_c: Tensor) -> tuple[Tensor, ...]:
            back = [d_hidden, d_last_h, d_last_c, gates, cells, _panels(tf.transpose(recurrent))]
            dz, dh, dc = tf.numpy_function(recurrence.backward, back, [tf.float32] * 3, stateful=False)
            flat = tf.reshape(dz, (-1, 4 * units))
            dx = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(x))
            d_weights = tf.matmul(tf.reshape(joined[:-1], (-1, inputs)), flat, transpose_a=True)
            d_recurrent, d_kernel, d_bias = tf.split(d_weights, (units, features, 1), 0)
            return dx, tf.ensure_shape(dh, h0.shape), tf.ensure_shape(dc, c0.shape), d_kernel, d_recurrent, d_bias[0]

        return (hidden, joined[-1, :, :units], cells[-1]), gradient

    return tf.custom_gradient(run)(tf.cast(x, tf.float32), h0, c0, kernel, recurrent, bias)


def _panels(matrix: Tensor) -> Tensor:
    """Lay out a matrix [inputs, columns] as panels [panels, inputs, COLUMNS]."""
    inputs, columns = matrix.shape
    return tf.transpose(tf.reshape(matrix, (inputs, columns // recurrence.COLUMNS, recurrence.COLUMNS)), (1, 0, 2))


_PADDING = 16  # numbers: a line of the cache in float32


def multiplier(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a function that multiplies rows with the matrix, laid out as oneDNN multiplies a few dozen rows fastest.

    Its result may be some columns too wide.
    """
    if matrix.dtype == tf.bfloat16:
        # Instructions for bfloat16 multiply neighbouring numbers of a sum together.
        turned = tf.transpose(matrix)
        return lambda rows: tf.matmul(rows, turned, transpose_b=True)
    # Padded, since rows a power of two apart push each other out of the cache.
    padded = tf.pad(matrix, ((0, 0), (0, _PADDING)))
    return lambda rows: tf.matmul(rows, padded)


def _cell(z: Tensor, bias: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a step's gate activations [batch, 4 units], new cell state and new hidden state, from the product `z`."""
    # All gates in one pass, by sigmoid(z) = (tanh(z / 2) + 1) / 2.
    scale = tf.constant([0.5, 0.5, 1, 0.5], c.dtype, (4, 1))
    z4 = tf.reshape(tf.cast(z[:, : bias.shape[0]], c.dtype) + bias, (-1, 4, c.shape[1]))
    gates = scale * tf.tanh(scale * z4) + (1 - scale)
    i, f, g, o = tf.unstack(gates, axis=1)
    c = f * c + i * g
    return tf.cast(tf.reshape(gates, (-1, bias.shape[0])), z.dtype), c, tf.cast(o * tf.tanh(c), z.dtype)


def _cell_gradient(
    d_output: Tensor, dh: Tensor, dc: Tensor, gates: Tensor, c: Tensor, c_before: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the gates' inputs [batch, 4 units] and of the cell state before.

    With dc the cell's gradient, the gates' inputs get di = dc g i(1-i), df = dc c' f(1-f), dg = dc i(1-g^2) and
    do = dh tanh(c) o(1-o), where c' is the cell before.
    """
    full = dc.dtype
    i, f, g, o = tf.split(tf.cast(gates, full), 4, 1)
    tanh_c = tf.tanh(tf.cast(c, full))
    dh = tf.cast(d_output, full) + tf.cast(dh, full)
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    d_forget = dc * tf.cast(c_before, full) * f * (1 - f)
    dz = tf.stack([dc * g * i * (1 - i), d_forget, dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)], 1)
    return tf.cast(tf.reshape(dz, (-1, gates.shape[1])), gates.dtype), dc * f


def _backward(
    d_hidden: Tensor, dh: Tensor, dc: Tensor, gates: Any, cells: Any, recurrent: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of the gates' inputs [time, batch, 4 units] and of the initial states.

    `gates`: a tensor for each step. `cells`: likewise, the initial state in front.
    """
    steps, units = gates.size(), recurrent.shape[0]
    times_transposed = multiplier(tf.transpose(recurrent))
    d_outputs = tf.TensorArray(d_hidden.dtype, steps).unstack(d_hidden)

    def step(t: Tensor, dh: Tensor, dc: Tensor, dzs: Any) -> Any:
        dz, dc = _compiled_gradient(d_outputs.read(t), dh, dc, gates.read(t), cells.read(t + 1), cells.read(t))
        return t - 1, times_transposed(dz)[:, :units], dc, dzs.write(t, dz)

    loop = tf.while_loop(lambda t, *_: t >= 0, step, (steps - 1, dh, dc, tf.TensorArray(gates.dtype, steps)))
    return loop[3].stack(), loop[1], loop[2]


_compiled_cell = tf.function(_cell, jit_compile=True, autograph=False)
_compiled_gradient = tf.function(_cell_gradient, jit_compile=True, autograph=False)
