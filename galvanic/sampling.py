"""How the next symbol is drawn from a network's prediction: temperature, filters, and the guard against loops.

Works on a batch of texts, one row each, inside a compiled loop: each row has its own settings, and none of them is a
constant of the compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any
NEVER = -1e9  # logit of a forbidden symbol; finite, so that something can be drawn even if all are forbidden
GUARD_LAGS = 256  # the longest loop that the guard sees, in symbols
GUARD_LEAST = 12  # symbols repeated before the guard steps in: "ha ha ha" and "....." are no loops yet
BLOCK = 64  # symbols in a block of the distribution when drawing; symbols are padded to a multiple of it
_SYMBOL_BITS = 21  # Unicode has fewer than 2**21 characters
_ROUNDS = 30  # halvings of the bit patterns from 0.0 to 1.0
_JUST_ABOVE_ONE = 0x3F800002  # the bits of the float32 two steps above 1


@dataclass(frozen=True)
class Sampling:
    """How to draw the next symbol; the ranges are those of `galvanic.options.GenerateOptions`.

    The guard comes first, then the temperature, top-k, top-p, min-p, each on what the one before it left: the order of
    Hugging Face's transformers. Symbols that tie with the last one kept are kept as well.
    """

    temperature: float = 0.8  # divides the logits; 0 takes the likeliest
    top_k: int | None = None  # draw only from so many likeliest symbols (Fan et al. 2018)
    top_p: float | None = None  # from the fewest symbols that together have this probability (Holtzman et al. 2020)
    min_p: float | None = None  # from those with at least this share of the likeliest one's (Nguyen et al. 2024)
    guard: bool = False  # forbid the symbol that would continue a passage that has come three times in a row

    @property
    def filtered(self) -> bool:
        return bool(self.top_k or (self.top_p is not None and self.top_p < 1) or self.min_p)


def padded(symbols: int) -> int:
    """The number in whole blocks, at least one symbol of it padding: few sizes, as each is compiled once."""
    step = BLOCK if symbols < 8 * BLOCK else 8 * BLOCK
    return (symbols // step + 1) * step


def settings_of(samplings: Sequence[Sampling]) -> dict[str, Tensor]:
    """Settings of the rows as tensors [rows]; `k_rounds`, `p_rounds`: halvings to filter, 0 if no row does."""
    top_k = [sampling.top_k or 2**30 for sampling in samplings]
    # No symbols have twice the probability of all, so that nothing is left out.
    top_p = [2.0 if sampling.top_p is None or sampling.top_p >= 1 else sampling.top_p for sampling in samplings]
    return {
        "temperature": tf.constant([sampling.temperature for sampling in samplings], tf.float32),
        "guard": tf.constant([sampling.guard for sampling in samplings]),
        "top_k": tf.constant(top_k, tf.int32),
        "top_p": tf.constant(top_p, tf.float32),
        "min_p": tf.constant([sampling.min_p or 0.0 for sampling in samplings], tf.float32),
        "k_rounds": tf.constant(_ROUNDS if min(top_k) < 2**30 else 0),
        "p_rounds": tf.constant(_ROUNDS if min(top_p) < 2 else 0),
    }


def next_symbol(
    logits: Tensor,
    given: Tensor,
    uniform: Tensor,
    settings: dict[str, Tensor],
    forbidden: Tensor,
    guard: tuple[Tensor, Tensor],
    filtered: bool,
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """The next symbol of each row [rows], the one that must not come after it, and the guard's memory; as `choose` and
    `watch`. `given`: [rows], the symbol to take, or -1 to draw one."""
    symbol = tf.where(given >= 0, given, choose(logits, uniform, settings, forbidden, filtered))
    guard, loops = watch(guard, symbol, given < 0)
    return symbol, tf.where(settings["guard"], loops, -1), guard


def choose(logits: Tensor, uniform: Tensor, settings: dict[str, Tensor], forbidden: Tensor, filtered: bool) -> Tensor:
    """Draw a symbol for each row, [rows].

    `logits`: [rows, symbols], symbols a multiple of `BLOCK`. `uniform`: [rows], from [0, 1), decides what is drawn.
    `forbidden`: [rows], a symbol that must not come, or -1. Without `filtered` top-k, top-p and min-p are ignored, and
    the compiled code is shorter.
    """
    symbols = tf.range(logits.shape[1], dtype=tf.int32)
    logits = tf.where(symbols[None] == forbidden[:, None], NEVER, logits)
    largest = tf.reduce_max(logits, 1, keepdims=True)
    temperature = settings["temperature"][:, None]
    likeliest = temperature == 0
    # The likeliest is drawn as the others are: from a distribution that has nothing else.
    weights = tf.where(
        likeliest,
        tf.cast(logits >= largest, tf.float32),
        tf.exp((logits - largest) / tf.where(likeliest, 1.0, temperature)),
    )
    if filtered:
        weights = _filter(weights, settings)
    return _draw(weights, tf.where(likeliest[:, 0], 0.0, uniform))


def _filter(weights: Tensor, settings: dict[str, Tensor]) -> Tensor:
    """Weights (relative to the largest, which is 1) with 0 for what the filters exclude."""
    # Floats that are not negative are in the order of their bit patterns, so halving these finds the threshold exactly.
    # Sorting is slower in XLA: 8 times for 6,000 symbols, and 10 times for tf.math.top_k.
    bits = tf.bitcast(weights, tf.int32)

    def most(rounds: Tensor, holds: Any) -> Tensor:
        """The largest bit pattern of each row that `holds`; 0 if none does."""

        def halve(i: Tensor, low: Tensor, high: Tensor) -> Any:
            middle = low + (high - low) // 2
            good = holds(bits >= middle[:, None])
            return i + 1, tf.where(good, middle, low), tf.where(good, high, middle)

        low = tf.zeros_like(settings["top_k"])
        loop = (tf.constant(0), low, tf.fill(tf.shape(low), _JUST_ABOVE_ONE))
        return tf.while_loop(lambda i, *_: i < rounds, halve, loop)[1]

    threshold = most(settings["k_rounds"], lambda kept: tf.reduce_sum(tf.cast(kept, tf.int32), 1) >= settings["top_k"])
    weights = tf.where(bits >= threshold[:, None], weights, 0.0)
    needed = settings["top_p"] * tf.reduce_sum(weights, 1)
    threshold = most(settings["p_rounds"], lambda kept: tf.reduce_sum(tf.where(kept, weights, 0.0), 1) >= needed)
    kept = (bits >= threshold[:, None]) & (weights >= settings["min_p"][:, None])
    return tf.where(kept, weights, 0.0)


def _draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Invert the cumulative distribution, first of the blocks and then within one: two short sums instead of a long
    one, which XLA would do in one thread and in logarithmically many passes."""
    blocks = tf.reshape(weights, (weights.shape[0], -1, BLOCK))
    sums = tf.reduce_sum(blocks, 2)
    ends = tf.cumsum(sums, axis=1)
    # A little below 1, so that rounding cannot lead past the end.
    place = uniform * (1 - 2**-22) * ends[:, -1]
    block = _first((ends > place[:, None]) & (sums > 0), sums)
    before = tf.gather(ends - sums, block, batch_dims=1)
    chosen = tf.gather(blocks, block, batch_dims=1)
    within = _first((tf.cumsum(chosen, axis=1) > (place - before)[:, None]) & (chosen > 0), chosen)
    return block * BLOCK + within


def _first(holds: Tensor, weights: Tensor) -> Tensor:
    """The first column of each row that `holds`; where rounding left none, that with the largest weight."""
    columns = int(weights.shape[1])
    first = tf.reduce_min(tf.where(holds, tf.range(columns)[None], columns), 1)
    return tf.where(first < columns, first, tf.argmax(weights, 1, output_type=tf.int32))


def new_guard(rows: int) -> tuple[Tensor, Tensor]:
    """Empty memory, [rows, GUARD_LAGS] both: last symbols, newest first, and length of each lag's repetition."""
    return tf.fill((rows, GUARD_LAGS), -1), tf.zeros((rows, GUARD_LAGS), tf.int32)


def watch(memory: tuple[Tensor, Tensor], symbol: Tensor, written: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The guard's memory after these symbols [rows], and those that would continue a loop [rows], -1 for none.

    At every lag the guard counts for how many symbols the text has been equal to itself so far back. Twice the lag
    means that a passage of that length has come three times. `written`: [rows], whether the symbol was drawn; the seed
    is ignored.
    """
    last, run = memory
    lags = tf.range(1, GUARD_LAGS + 1)
    written = written[:, None]
    run = tf.where(written & (last == symbol[:, None]), run + 1, 0)
    last = tf.where(written, tf.concat([symbol[:, None], last[:, :-1]], 1), last)
    loops = run >= tf.maximum(2 * lags, GUARD_LEAST)
    # The shortest loop's next symbol: longer loops are mostly its multiples and want the same. Lag and symbol share a
    # number, so that one pass finds both.
    none = np.int32(2**31 - 1)
    found = tf.reduce_min(tf.where(loops, lags * 2**_SYMBOL_BITS + last, none), 1)
    return (last, run), tf.where(found < none, found % 2**_SYMBOL_BITS, -1)
