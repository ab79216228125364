"""The compiled arithmetic of writing, against numpy's."""

import os
import subprocess
import sys

import numpy as np
import pytest

from galvanic.kernels import LANES, STEPS, advance_cell, multiply, quantised


def test_products_are_exact_for_any_number_of_rows() -> None:
    random = np.random.default_rng(0)
    inputs, columns, first = 3 * LANES, 2 * LANES, LANES
    matrix = random.normal(size=(inputs, columns)).astype(np.float32)
    matrix[:, 0] = 1e8  # the largest sum that 32 bits have to hold
    matrix[:, 1] = 0
    steps, scales = quantised(matrix)
    hidden = random.integers(-STEPS, STEPS + 1, (5, first + inputs)).astype(np.int16)
    hidden[0] = STEPS
    exact = hidden[:, first:].astype(np.int64) @ steps.T.astype(np.int64)
    assert exact[0, 0] > 2**30
    for rows in range(1, 6):
        sums = np.zeros((rows, columns), np.int32)
        multiply(steps.ravel(), columns, inputs, np.ascontiguousarray(hidden[:rows]), first, sums)
        np.testing.assert_array_equal(sums, exact[:rows])
    error = np.abs(steps * scales[:, None] * STEPS - matrix.T).max(1)
    assert (error <= 2e-5 * np.abs(matrix).max(0)).all()


def test_a_cell_advances_as_in_keras() -> None:
    random = np.random.default_rng(0)
    gates, cell = (4 * random.normal(size=size).astype(np.float32) for size in (4 * LANES, LANES))
    i, f, g, o = np.split(gates.astype(np.float64), 4)
    after = cell / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    advance_cell(gates, cell)
    np.testing.assert_allclose(cell, after, atol=2e-6)
    np.testing.assert_allclose(gates[:LANES], np.tanh(after) / (1 + np.exp(-o)), atol=1e-6)


@pytest.mark.process
def test_where_nothing_can_be_kept_it_is_compiled_all_the_same() -> None:
    code = (
        "import numpy as np; from galvanic.compiled import KEPT_IN; from galvanic.kernels import log_softmax\n"
        "logits = np.zeros(2, np.float32); log_softmax(logits); print(repr(KEPT_IN), np.exp(logits))"
    )
    nowhere = {**os.environ, "NUMBA_CACHE_DIR": "/dev/null/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=nowhere)
    assert done.stdout.split() == ["''", "[0.5", "0.5]"]
