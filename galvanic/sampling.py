"""How the next symbol is drawn from what is predicted: temperature, filters, and the guard against loops.

Compiled, and without a state of its own: each text brings its settings and what the guard remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.compiled import compiled
from galvanic.text import Ids

NEVER = -1e9  # logit of a forbidden symbol; finite, so that something can be drawn even if all are forbidden
DRAW = -1  # in the place of a symbol that is not given
GUARD_LAGS = 256  # the longest loop that the guard sees, in symbols
GUARD_LEAST = 12  # symbols repeated before the guard steps in: "ha ha ha" and "....." are no loops yet
RARE_SIGN = 0.02  # a sign less likely than this share of the likeliest one does not come
_JUST_ABOVE_ONE = 0x3F800002  # the bits of the float32 two steps above 1

Floats = npt.NDArray[np.float32]


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
    signs: tuple[int, ...] = ()  # symbols that share what they have together as they were predicted


class Texts(NamedTuple):
    """What is drawn for texts that are written side by side, one row each."""

    symbols: Ids  # [rows]: the last of each
    forbidden: Ids  # [rows]: what must not come next; -1: nothing
    last: Ids  # [rows, GUARD_LAGS]: symbols drawn, newest first
    runs: Ids  # [rows, GUARD_LAGS]: for how many symbols the text has been equal to itself so far back
    settings: npt.NDArray[np.float64]  # [rows, 5]: temperature, top-k, top-p, min-p, and whether it is guarded
    signs: Ids  # [rows, signs]: of each; -1: no more

    def keep(self, rows: Sequence[int]) -> Texts:
        return Texts._make(field[rows] for field in self)


def new_texts(first: Sequence[int], samplings: Sequence[Sampling]) -> Texts:
    """Texts of one symbol each. Filters that are not asked for are 0."""
    lags = (len(first), GUARD_LAGS)
    settings = [(one.temperature, one.top_k or 0, one.top_p or 0, one.min_p or 0, one.guard) for one in samplings]
    signs = np.full((len(first), max((len(one.signs) for one in samplings), default=0)), -1, np.int32)
    for row, one in enumerate(samplings):
        signs[row, : len(one.signs)] = one.signs
    return Texts(
        np.array(first, np.int32),
        np.full(len(first), -1, np.int32),
        np.full(lags, -1, np.int32),
        np.zeros(lags, np.int32),
        np.array(settings, np.float64).reshape(-1, 5),
        signs,
    )


@compiled
def take(texts: Texts, log_probs: Floats, given: Ids, uniform: Floats) -> None:
    """Put the next symbol of each text in place of its last: the `given` one [rows], or one drawn from its
    log probabilities [rows, symbols] by `uniform` [rows], from [0, 1)."""
    weights = np.empty(log_probs.shape[1], np.float32)
    for row in range(len(given)):
        if given[row] != DRAW:
            texts.symbols[row] = given[row]
            continue
        forbidden, signs = texts.forbidden[row], texts.signs[row]
        symbol = choose(log_probs[row], uniform[row], texts.settings[row], forbidden, signs, weights)
        texts.symbols[row] = symbol
        if texts.settings[row, 4]:
            texts.forbidden[row] = watch(texts.last[row], texts.runs[row], symbol)


@compiled
def choose(
    log_probs: Floats, uniform: float, settings: npt.NDArray[np.float64], forbidden: int, signs: Ids, weights: Floats
) -> int:
    """Draw a symbol. `forbidden`: one that must not come, or -1; `weights`: [symbols], to work in."""
    likeliest, largest = 0, np.float32(2 * NEVER)
    for symbol in range(len(log_probs)):
        value = log_probs[symbol] if symbol != forbidden else np.float32(NEVER)
        weights[symbol] = value
        if value > largest:
            likeliest, largest = symbol, value
    temperature, top_k, top_p, min_p = settings[0], settings[1], settings[2], settings[3]
    if not temperature:
        return likeliest
    divisor = np.float32(temperature)
    for symbol in range(len(weights)):
        weights[symbol] = np.exp((weights[symbol] - largest) / divisor)
    if top_k:
        keep_fewest(weights, np.ones_like(weights), top_k)
    if 0 < top_p < 1:
        total = 0.0
        for symbol in range(len(weights)):
            total += weights[symbol]
        keep_fewest(weights, weights, top_p * total)
    total = 0.0
    for symbol in range(len(weights)):
        if weights[symbol] < min_p:
            weights[symbol] = 0
        total += weights[symbol]
    share_out(log_probs, signs, forbidden, weights)
    place, chosen = uniform * total, likeliest
    total = 0.0
    for symbol in range(len(weights)):
        total += weights[symbol]
        if weights[symbol] > 0 and total > place:
            chosen = symbol
            break
    return chosen


@compiled
def share_out(log_probs: Floats, signs: Ids, forbidden: int, weights: Floats) -> None:
    """Give to each of the signs of what they weigh together as much as was predicted, whatever the settings."""
    together, likeliest = 0.0, NEVER
    for sign in signs:
        if sign >= 0 and sign != forbidden:
            together += weights[sign]
            likeliest = max(likeliest, log_probs[sign])
    if not together:
        return
    predicted = 0.0
    for sign in signs:
        if sign >= 0 and sign != forbidden:
            weights[sign] = np.exp(log_probs[sign] - likeliest)
            if weights[sign] < RARE_SIGN:
                weights[sign] = 0
            predicted += weights[sign]
    for sign in signs:
        if sign >= 0 and sign != forbidden:
            weights[sign] *= together / predicted


@compiled
def keep_fewest(weights: Floats, worth: Floats, wanted: float) -> None:
    """Let only the largest weights stand, of which 1 is the largest: as few as are worth `wanted` together."""
    # Floats that are not negative are in the order of their bit patterns, so halving these finds the threshold exactly:
    # 30 short passes, where sorting thousands of symbols would take longer than predicting them.
    bits = weights.view(np.int32)
    low, high = 0, _JUST_ABOVE_ONE
    while high - low > 1:
        middle = (low + high) // 2
        total = 0.0
        for symbol in range(len(bits)):
            if bits[symbol] >= middle:
                total += worth[symbol]
        if total >= wanted:
            low = middle
        else:
            high = middle
    for symbol in range(len(bits)):
        if bits[symbol] < low:
            weights[symbol] = 0


@compiled
def watch(last: Ids, runs: Ids, symbol: int) -> int:
    """Let the guard remember a drawn symbol; the one that would continue a loop, or -1.

    At every lag the guard counts for how many symbols the text has been equal to itself so far back. Twice the lag
    means that a passage of that length has come three times. The seed is not counted. The shortest loop's next symbol
    is taken: longer loops are mostly its multiples and want the same.
    """
    for lag in range(GUARD_LAGS):
        runs[lag] = runs[lag] + 1 if last[lag] == symbol else 0
    for lag in range(GUARD_LAGS - 1, 0, -1):
        last[lag] = last[lag - 1]
    last[0] = symbol
    for lag in range(GUARD_LAGS):
        if runs[lag] >= max(2 * (lag + 1), GUARD_LEAST):
            return int(last[lag])
    return -1
