"""The arithmetic of writing: products of whole numbers, and LSTM cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from galvanic.compiled import compiled

Floats = npt.NDArray[np.float32]
LANES = 16  # numbers in a step of a product; whatever is multiplied is padded to a multiple of it
TILE_COLUMNS = 4
STEPS = 4096  # of a hidden unit between 0 and 1
_MOST_SUM = 2**31 - 1


def quantised(matrix: Floats) -> tuple[npt.NDArray[np.int16], Floats]:
    """The columns of a matrix [inputs, columns] in whole steps, and what a step of a column times one of `STEPS` is.

    Steps are as fine as 16 bits allow, and so that no sum over inputs between -1 and 1 overflows 32 bits: sums are
    exact, and the same in any order.
    """
    columns = np.ascontiguousarray(matrix.T, np.float64)
    most = _MOST_SUM / STEPS - columns.shape[1] / 2  # rounding adds half a step to each
    step = np.maximum(np.abs(columns).max(1) / (2**15 - 1), np.abs(columns).sum(1) / most)
    step[step == 0] = 1
    return np.rint(columns / step[:, None]).astype(np.int16), (step / STEPS).astype(np.float32)


def _tile(rows: int) -> Any:
    """Sums of products of `rows` rows of hidden units with `TILE_COLUMNS` columns of weights.

    LLVM's own vectoriser makes such sums for one pair at a time, which waits for the memory. The instructions are
    generic ones; where a processor multiplies and adds pairs of 16-bit numbers at once, LLVM finds that.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(_: Any, weights: Any, column: Any, inputs: Any, hidden: Any, row: Any, first: Any, sums: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            short, long, size = ir.IntType(16), ir.IntType(32), ir.IntType(64)
            lanes, wide = ir.VectorType(short, LANES), ir.VectorType(long, LANES)
            half = ir.VectorType(long, LANES // 2)
            chosen = [ir.Constant(half, list(range(parity, LANES, 2))) for parity in (0, 1)]
            given = dict(zip(("weights", "column", "inputs", "hidden", "row", "first", "sums"), arguments, strict=True))
            arrays = {
                name: context.make_array(kind)(context, builder, given[name])
                for name, kind in zip(given, signature.args, strict=True)
                if isinstance(kind, types.Array)
            }

            def places(name: str, at: Any, number: int, apart: Any, begin: Any) -> list[Any]:
                starts = [builder.mul(builder.add(at, size(index)), apart) for index in range(number)]
                return [builder.gep(arrays[name].data, [builder.add(start, begin)]) for start in starts]

            apart = builder.extract_value(arrays["hidden"].shape, 1)
            columns = places("weights", given["column"], TILE_COLUMNS, given["inputs"], size(0))
            lines = places("hidden", given["row"], rows, apart, given["first"])
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            at = builder.phi(size)
            at.add_incoming(size(0), before)
            totals = [builder.phi(half) for _ in range(rows * TILE_COLUMNS)]

            def load(place: Any) -> Any:
                vector = builder.bitcast(builder.gep(place, [at]), lanes.as_pointer())
                return builder.sext(builder.load(vector, align=2), wide)

            loaded = [load(place) for place in columns]
            products = [builder.mul(unit, weight) for unit in map(load, lines) for weight in loaded]
            ends = []
            for total, product in zip(totals, products, strict=True):
                even, odd = (builder.shuffle_vector(product, product, mask) for mask in chosen)
                ends.append(builder.add(total, builder.add(even, odd)))
                total.add_incoming(ir.Constant(half, [0] * (LANES // 2)), before)
                total.add_incoming(ends[-1], loop)
            following = builder.add(at, size(LANES))
            at.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, given["inputs"]), loop, after)
            builder.position_at_end(after)
            name = f"llvm.vector.reduce.add.v{LANES // 2}i32"
            add = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(long, [half]), name)
            for index, end in enumerate(ends):
                builder.store(builder.call(add, [end]), builder.gep(arrays["sums"].data, [size(index)]))
            return context.get_dummy_value()

        return types.void(weights, column, inputs, hidden, row, first, sums), generate

    return tile


_TILE_ROWS = 2
_one, _several = _tile(1), _tile(_TILE_ROWS)


@compiled
def multiply(
    weights: npt.NDArray[np.int16],
    columns: int,
    inputs: int,
    hidden: npt.NDArray[np.int16],
    first: int,
    sums: npt.NDArray[np.int32],
) -> None:
    """Products of the hidden units [rows, from `first` on] with `weights` [columns * inputs], into `sums`.

    The columns are taken four at a time for all rows, so that a large matrix is read once. Both numbers are multiples
    of `LANES`.
    """
    rows = hidden.shape[0]
    tile = np.empty(_TILE_ROWS * TILE_COLUMNS, np.int32)
    for column in range(0, columns, TILE_COLUMNS):
        row = 0
        while row + _TILE_ROWS <= rows:
            _several(weights, column, inputs, hidden, row, first, tile)
            for index in range(_TILE_ROWS * TILE_COLUMNS):
                sums[row + index // TILE_COLUMNS, column + index % TILE_COLUMNS] = tile[index]
            row += _TILE_ROWS
        while row < rows:
            _one(weights, column, inputs, hidden, row, first, tile)
            for index in range(TILE_COLUMNS):
                sums[row, column + index] = tile[index]
            row += 1


@compiled
def _tanh(x: np.float32) -> np.float32:
    """To 5e-7: the rational function of Eigen's `ptanh_float`, which vectorises as a library's does not."""
    x = min(max(x, np.float32(-7.9)), np.float32(7.9))
    y = x * x
    above = np.float32(-2.76076847742355e-16)
    above = above * y + np.float32(2.00018790482477e-13)
    above = above * y + np.float32(-8.60467152213735e-11)
    above = above * y + np.float32(5.12229709037114e-08)
    above = above * y + np.float32(1.48572235717979e-05)
    above = above * y + np.float32(6.37261928875436e-04)
    above = above * y + np.float32(4.89352455891786e-03)
    below = np.float32(1.19825839466702e-06)
    below = below * y + np.float32(1.18534705686654e-04)
    below = below * y + np.float32(2.26843463243900e-03)
    below = below * y + np.float32(4.89352518554385e-03)
    return x * above / below


@compiled
def advance_cell(gates: Floats, cell: Floats) -> None:
    """An LSTM cell's step: gates' inputs [4 units], ordered i, f, g, o as in Keras, become the output in [:units]."""
    units = len(cell)
    half = np.float32(0.5)
    for index in range(2 * units):
        gates[index] = half + half * _tanh(half * gates[index])
    for index in range(2 * units, 3 * units):
        gates[index] = _tanh(gates[index])
    for index in range(3 * units, 4 * units):
        gates[index] = half + half * _tanh(half * gates[index])
    for index in range(units):
        cell[index] = gates[units + index] * cell[index] + gates[index] * gates[2 * units + index]
    for index in range(units):
        gates[index] = gates[3 * units + index] * _tanh(cell[index])


@compiled
def log_softmax(logits: Floats) -> None:
    """In their own place."""
    largest = logits[0]
    for index in range(len(logits)):
        largest = max(largest, logits[index])
    total = 0.0
    for index in range(len(logits)):
        total += np.exp(logits[index] - largest)
    base = largest + np.float32(np.log(total))
    for index in range(len(logits)):
        logits[index] -= base
