"""The arithmetic of writing a text: matrix products in 16-bit integers, LSTM cells, and the softmax.

Training in float32 takes the gates' functions from here as well (`galvanic.recurrence`).

Writing one text reads all weights once for each symbol, so its speed is that of the memory. Weights of 16 bits take
half the bytes of float32, and a processor multiplies and adds 16-bit pairs twice as fast.

`quantised` turns a matrix of floats into integers, `multiply` makes the products of one layer, and `advance_cell` and
`log_softmax` compute what follows a product. All of them work on padded sizes (`LANES`) and check nothing.

The product is the one function here that is written in LLVM's instructions and not in Python. Written as loops that
Numba compiles, it takes up to twice as long for a batch of 16 texts (docs/decisions/110-writing-compiled-by-numba.md).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from galvanic.compiled import compiled

Floats = npt.NDArray[np.float32]
LANES = 16  # numbers that one step of a product multiplies; units and symbols are padded to a multiple of it
TILE_COLUMNS = 4  # columns of weights that one step multiplies with
STEPS = 4096  # integer steps of a hidden unit between 0 and 1
_MOST_SUM = 2**31 - 1  # the largest 32-bit integer


def quantised(matrix: Floats) -> tuple[npt.NDArray[np.int16], Floats]:
    """Return the columns of a matrix [inputs, columns] in 16-bit steps [columns, inputs], and a scale [columns].

    A column's integer products, with inputs in steps of 1 / `STEPS`, times its scale are the products of the floats.
    A step is as fine as 16 bits allow. It is coarser where a sum over inputs between -1 and 1 could overflow 32 bits.
    So all sums are exact, and the same in any order.
    """
    columns = np.ascontiguousarray(matrix.T, np.float64)
    most = _MOST_SUM / STEPS - columns.shape[1] / 2  # rounding adds up to half a step to each weight
    step = np.maximum(np.abs(columns).max(1) / (2**15 - 1), np.abs(columns).sum(1) / most)
    step[step == 0] = 1
    columns /= step[:, None]  # in place, as the rounding: a large model's matrix takes hundreds of megabytes
    np.rint(columns, out=columns)
    return columns.astype(np.int16), (step / STEPS).astype(np.float32)


def _tile(rows: int) -> Any:
    """Return a function that multiplies `rows` rows of hidden units with `TILE_COLUMNS` columns of weights.

    It keeps the sums of all pairs of a row and a column in registers, so that each number is loaded once for several
    products. LLVM's own vectoriser makes the sum of one pair at a time, and waits for the loads. The instructions are
    generic ones. If the processor multiplies and adds pairs of 16-bit numbers at once (`vpmaddwd`, `vpdpwssd`), LLVM
    uses that.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(_: Any, weights: Any, column: Any, inputs: Any, hidden: Any, row: Any, first: Any, sums: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            int16, int32, size = ir.IntType(16), ir.IntType(32), ir.IntType(64)
            loaded_vector, wide_vector = ir.VectorType(int16, LANES), ir.VectorType(int32, LANES)
            sum_vector = ir.VectorType(int32, LANES // 2)
            names = ("weights", "column", "inputs", "hidden", "row", "first", "sums")
            values = dict(zip(names, arguments, strict=True))
            arrays = {
                name: context.make_array(kind)(context, builder, values[name])
                for name, kind in zip(names, signature.args, strict=True)
                if isinstance(kind, types.Array)
            }

            def pointers(name: str, index: Any, number: int, stride: Any, offset: Any) -> list[Any]:
                """Return pointers to `number` rows of an array, from `index` on, each at an offset in its row."""
                starts = [builder.mul(builder.add(index, size(step)), stride) for step in range(number)]
                return [builder.gep(arrays[name].data, [builder.add(start, offset)]) for start in starts]

            hidden_stride = builder.extract_value(arrays["hidden"].shape, 1)
            columns = pointers("weights", values["column"], TILE_COLUMNS, values["inputs"], size(0))
            lines = pointers("hidden", values["row"], rows, hidden_stride, values["first"])

            # for at in range(0, inputs, LANES): totals += products of the next LANES numbers
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            at = builder.phi(size)
            at.add_incoming(size(0), before)
            totals = [builder.phi(sum_vector) for _ in range(rows * TILE_COLUMNS)]

            def load(pointer: Any) -> Any:
                vector = builder.bitcast(builder.gep(pointer, [at]), loaded_vector.as_pointer())
                return builder.sext(builder.load(vector, align=2), wide_vector)

            weight_vectors = [load(pointer) for pointer in columns]
            products = [builder.mul(units, weights) for units in map(load, lines) for weights in weight_vectors]
            # The sum of the products at even places and of those at odd places: the form that LLVM knows.
            masks = [ir.Constant(sum_vector, list(range(parity, LANES, 2))) for parity in (0, 1)]
            new_totals = []
            for total, product in zip(totals, products, strict=True):
                even, odd = (builder.shuffle_vector(product, product, mask) for mask in masks)
                new_totals.append(builder.add(total, builder.add(even, odd)))
                total.add_incoming(ir.Constant(sum_vector, [0] * (LANES // 2)), before)
                total.add_incoming(new_totals[-1], loop)
            next_at = builder.add(at, size(LANES))
            at.add_incoming(next_at, loop)
            builder.cbranch(builder.icmp_signed("<", next_at, values["inputs"]), loop, after)

            # sums[pair] = the sum of the numbers in a total
            builder.position_at_end(after)
            name = f"llvm.vector.reduce.add.v{LANES // 2}i32"
            kind = ir.FunctionType(int32, [sum_vector])
            reduce_add = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            for pair, total in enumerate(new_totals):
                builder.store(builder.call(reduce_add, [total]), builder.gep(arrays["sums"].data, [size(pair)]))
            return context.get_dummy_value()

        return types.void(weights, column, inputs, hidden, row, first, sums), generate

    return tile


_TILE_ROWS = 2  # with four, AVX2 has too few registers
_tile_of_one_row, _tile_of_rows = _tile(1), _tile(_TILE_ROWS)


@compiled
def multiply(
    weights: npt.NDArray[np.int16],
    columns: int,
    inputs: int,
    hidden: npt.NDArray[np.int16],
    first: int,
    sums: npt.NDArray[np.int32],
) -> None:
    """Multiply hidden units with a matrix of weights, and write the products into `sums` [rows, columns at least].

    `weights`: [columns * inputs], a column after the other. `hidden`: [rows, units], of which `inputs` units from
    `first` on are multiplied. `columns` and `inputs` are multiples of `LANES`. A few columns are multiplied with all
    rows before the next ones, so that a large matrix is read once from the memory.
    """
    rows = hidden.shape[0]
    tile = np.empty(_TILE_ROWS * TILE_COLUMNS, np.int32)
    for column in range(0, columns, TILE_COLUMNS):
        row = 0
        while row + _TILE_ROWS <= rows:
            _tile_of_rows(weights, column, inputs, hidden, row, first, tile)
            for index in range(_TILE_ROWS * TILE_COLUMNS):
                sums[row + index // TILE_COLUMNS, column + index % TILE_COLUMNS] = tile[index]
            row += _TILE_ROWS
        while row < rows:
            _tile_of_one_row(weights, column, inputs, hidden, row, first, tile)
            for index in range(TILE_COLUMNS):
                sums[row, column + index] = tile[index]
            row += 1


@compiled
def tanh(x: np.float32) -> np.float32:
    """Return tanh(x) to 5e-7, by the rational function of Eigen's `ptanh_float`.

    LLVM vectorises it, and doesn't vectorise a call of a library's tanh.
    """
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
def squash(gates: Floats) -> None:
    """Replace the inputs of the four gates [4 * units], ordered i, f, g, o as in Keras, with their activations.

    The loops run over slices from 0 on, since LLVM vectorises no loop whose index might be negative.
    """
    units = len(gates) // 4
    half = np.float32(0.5)
    for sigmoids in (gates[: 2 * units], gates[3 * units :]):
        for index in range(len(sigmoids)):
            sigmoids[index] = half + half * tanh(half * sigmoids[index])
    candidates = gates[2 * units : 3 * units]
    for index in range(units):
        candidates[index] = tanh(candidates[index])


@compiled
def advance_cell(gates: Floats, cell: Floats) -> None:
    """Advance an LSTM layer's cells [units] by one step.

    `gates` holds the inputs of the four gates [4 * units]. Its first [units] numbers become the layer's output.
    """
    units = len(cell)
    squash(gates)
    i, f, g, o = gates[:units], gates[units : 2 * units], gates[2 * units : 3 * units], gates[3 * units :]
    for index in range(units):
        cell[index] = f[index] * cell[index] + i[index] * g[index]
    for index in range(units):
        i[index] = o[index] * tanh(cell[index])


@compiled
def log_softmax(logits: Floats) -> None:
    """Replace logits [symbols] with their log probabilities."""
    largest = logits[0]
    for index in range(len(logits)):
        largest = max(largest, logits[index])
    total = 0.0
    for index in range(len(logits)):
        total += np.exp(logits[index] - largest)
    base = largest + np.float32(np.log(total))
    for index in range(len(logits)):
        logits[index] -= base
