"""An LSTM's way through time in float32, forward and back, compiled by Numba.

TensorFlow lays out the weights anew for each time step's product, and so reaches two thirds of a processor's speed with
a few dozen rows. Here they are laid out once for all time steps, in panels of `COLUMNS` columns, and a tile of LLVM's
instructions multiplies four rows with a panel, as the tile for writing does (`galvanic.kernels`). Each thread takes
some of the rows through all time steps, so that no thread waits for another one before the end. Results are the same
for any number of threads.
"""

import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from galvanic.compiled import compiled
from galvanic.host import cores
from galvanic.kernels import squash, tanh

Floats = npt.NDArray[np.float32]
_VECTOR = 16 if binding.get_host_cpu_features().get("avx512f") else 8
COLUMNS = 2 * _VECTOR  # of weights in a panel; units must be a multiple of it
_ROWS = 4  # that a tile multiplies: its eight vectors of sums keep two units for multiplying and adding busy


def _tile(rows: int) -> Any:
    """Return a function that multiplies `rows` rows [rows, inputs] with a panel [inputs, COLUMNS] of weights.

    It keeps the sums in registers, and writes them into rows of `sums`, from a column on.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(_: Any, panels: Any, panel: Any, factors: Any, row: Any, sums: Any, column: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            size, index, vector = ir.IntType(64), ir.IntType(32), ir.VectorType(ir.FloatType(), _VECTOR)
            _, panel, _, row, _, column = arguments
            panels, factors, sums = (
                context.make_array(signature.args[place])(context, builder, arguments[place]) for place in (0, 2, 4)
            )
            inputs, width = (builder.extract_value(array.shape, 1) for array in (factors, sums))
            weights = builder.gep(panels.data, [builder.mul(panel, builder.mul(inputs, size(COLUMNS)))])
            places = [builder.add(row, size(step)) for step in range(rows)]
            lines = [builder.gep(factors.data, [builder.mul(place, inputs)]) for place in places]
            name = f"llvm.fmuladd.v{_VECTOR}f32"
            kind = ir.FunctionType(vector, [vector] * 3)
            multiply_add = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)

            def at_vector(pointer: Any, number: Any) -> Any:
                return builder.bitcast(builder.gep(pointer, [number]), vector.as_pointer())

            # for at in range(inputs): totals += lines[:, at] * weights[at]
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            at = builder.phi(size)
            at.add_incoming(size(0), before)
            totals = [builder.phi(vector) for _ in range(2 * rows)]
            start = builder.mul(at, size(COLUMNS))
            halves = [
                builder.load(at_vector(weights, builder.add(start, size(half))), align=4) for half in (0, _VECTOR)
            ]
            none, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(index, _VECTOR), [0] * _VECTOR)
            new_totals: list[Any] = []
            for line in lines:
                single = builder.insert_element(none, builder.load(builder.gep(line, [at])), index(0))
                repeated = builder.shuffle_vector(single, none, zeros)
                for half in halves:
                    new_totals.append(builder.call(multiply_add, [repeated, half, totals[len(new_totals)]]))
            for total, new in zip(totals, new_totals, strict=True):
                total.add_incoming(ir.Constant(vector, [0.0] * _VECTOR), before)
                total.add_incoming(new, loop)
            following = builder.add(at, size(1))
            at.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed("<", following, inputs), loop, after)

            builder.position_at_end(after)
            for place, pair in zip(places, zip(new_totals[::2], new_totals[1::2], strict=True), strict=True):
                start = builder.add(builder.mul(place, width), column)
                for half, new in zip((0, _VECTOR), pair, strict=True):
                    builder.store(new, at_vector(sums.data, builder.add(start, size(half))), align=4)
            return context.get_dummy_value()

        return types.void(panels, panel, factors, row, sums, column), generate

    return tile


_tile_of_one_row, _tile_of_rows = _tile(1), _tile(_ROWS)


@compiled
def _multiply(panels: Floats, factors: Floats, first: int, last: int, sums: Floats) -> None:
    """Multiply rows from `first` to `last` of `factors` [rows, inputs] with all panels into `sums` [rows, columns].

    A panel is multiplied with all rows before the next one, so that the weights are read once from the memory.
    """
    for panel in range(sums.shape[1] // COLUMNS):
        row = first
        while row + _ROWS <= last:
            _tile_of_rows(panels, panel, factors, row, sums, panel * COLUMNS)
            row += _ROWS
        while row < last:
            _tile_of_one_row(panels, panel, factors, row, sums, panel * COLUMNS)
            row += 1


@compiled
def _advance(first: int, last: int, panels: Floats, joined: Floats, gates: Floats, cells: Floats) -> None:
    """Take rows from `first` to `last` through all time steps; the arrays are `forward`'s."""
    units = cells.shape[2]
    for time in range(len(gates)):
        _multiply(panels, joined[time], first, last, gates[time])
        for row in range(first, last):
            squash(gates[time, row])
            i, f, g, o = gates[time, row].reshape(4, units)
            before, after, hidden = cells[time, row], cells[time + 1, row], joined[time + 1, row]
            for unit in range(units):
                after[unit] = f[unit] * before[unit] + i[unit] * g[unit]
            for unit in range(units):
                hidden[unit] = o[unit] * tanh(after[unit])


@compiled
def _go_back(
    first: int,
    last: int,
    panels: Floats,
    d_hidden: Floats,
    gates: Floats,
    cells: Floats,
    d_before: Floats,
    d_cell: Floats,
    d_gates: Floats,
) -> None:
    """Take rows from `first` to `last` back through all time steps; the arrays are `backward`'s.

    With d the cell's gradient, the gates' inputs get di = d g i(1-i), df = d c' f(1-f), dg = d i(1-g^2) and
    do = dh tanh(c) o(1-o), where c' is the cell before.
    """
    units = cells.shape[2]
    unity, squashed_cell = np.float32(1), np.empty(units, np.float32)
    for time in range(len(gates) - 1, -1, -1):
        for row in range(first, last):
            i, f, g, o = gates[time, row].reshape(4, units)
            d_i, d_f, d_g, d_o = d_gates[time, row].reshape(4, units)
            before, after, dh, d = cells[time, row], cells[time + 1, row], d_before[row], d_cell[row]
            d_output = d_hidden[time, row]
            for unit in range(units):  # a loop of its own, which LLVM vectorises
                squashed_cell[unit] = tanh(after[unit])
            for unit in range(units):
                squashed = squashed_cell[unit]
                dh_all = d_output[unit] + dh[unit]
                d_all = d[unit] + dh_all * o[unit] * (unity - squashed * squashed)
                d_i[unit] = d_all * g[unit] * i[unit] * (unity - i[unit])
                d_f[unit] = d_all * before[unit] * f[unit] * (unity - f[unit])
                d_g[unit] = d_all * i[unit] * (unity - g[unit] * g[unit])
                d_o[unit] = dh_all * squashed * o[unit] * (unity - o[unit])
                d[unit] = d_all * f[unit]
        _multiply(panels, d_gates[time], first, last, d_before)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), "lstm")


def _share(rows: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(first, last, *arguments)` in threads, for all rows in all, and wait for the end.

    Each core gets two parts, so that a fast core takes more of them than a slow or busy one.
    """
    tiles = -(-rows // _ROWS)
    parts = max(1, min(2 * cores(), tiles))
    bounds = [min(rows, tiles * part // parts * _ROWS) for part in range(parts + 1)]
    futures = [_threads().submit(work, *pair, *arguments) for pair in itertools.pairwise(bounds)]
    for future in futures:
        future.result()


def _empty(*shape: int) -> Floats:
    """Return an array that begins with a line of the cache: TensorFlow copies any other one."""
    size, line = math.prod(shape), 16
    array = np.empty(size + line, np.float32)
    start = -(array.ctypes.data // array.itemsize) % line
    return array[start : start + size].reshape(shape)


def forward(x: Floats, h0: Floats, c0: Floats, panels: Floats) -> tuple[Floats, Floats, Floats]:
    """Run an LSTM over x [time, rows, features]; h0, c0: [rows, units].

    `panels`: the weights [units + features + 1, 4 * units] of hidden units, input and bias, as panels [panels, inputs,
    COLUMNS]. Returns what each step multiplied [time + 1, rows, units + features + 1], its hidden units those before
    the step; the activations of the gates [time, rows, 4 * units]; and the cells [time + 1, rows, units].
    """
    time, rows, features = x.shape
    units = h0.shape[1]
    joined = _empty(time + 1, rows, units + features + 1)
    joined[0, :, :units], joined[:-1, :, units:-1], joined[:, :, -1] = h0, x, 1
    joined[-1, :, units:-1] = 0
    gates, cells = _empty(time, rows, 4 * units), _empty(time + 1, rows, units)
    cells[0] = c0
    _share(rows, _advance, panels, joined, gates, cells)
    return joined, gates, cells


def backward(
    d_hidden: Floats, d_last_hidden: Floats, d_last_cell: Floats, gates: Floats, cells: Floats, panels: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the gradients of the gates' inputs [time, rows, 4 * units], of h0 and of c0.

    `d_hidden`: the gradient of all hidden states [time, rows, units]; `d_last_hidden`, `d_last_cell`: further ones of
    the last states. `panels`: of the hidden units' weights, transposed [4 * units, units].
    """
    d_before, d_cell, d_gates = d_last_hidden.copy(), d_last_cell.copy(), _empty(*gates.shape)
    _share(d_hidden.shape[1], _go_back, panels, d_hidden, gates, cells, d_before, d_cell, d_gates)
    return d_gates, d_before, d_cell
