"""Sample the next symbol from the predicted probabilities, by temperature, filters, and a guard against loops.

All functions are compiled and keep no state: the settings of each text, and what the guard remembers of it, are in
`Texts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from galvanic.compiled import compiled
from galvanic.text import Ids

NEVER = -1e9  # logit of a forbidden symbol; finite, so that a symbol can be sampled even if all are forbidden
DRAW = -1  # in place of a given symbol: sample one
GUARD_LAGS = 256  # length of the longest loop that the guard detects, in symbols
GUARD_LEAST = 12  # repeated symbols from which a repetition is a loop: "ha ha ha" and "....." are not
RARE_SIGN = 0.02  # a sign is not sampled if it has less than this share of the likeliest sign's probability
_JUST_ABOVE_ONE = 0x3F800002  # the bits of the float32 two steps above 1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sampling:
    """Settings for sampling the next symbol; the ranges are those of `galvanic.options.GenerateOptions`.

    The guard acts first, then temperature, top-k, top-p and min-p, each on the symbols that the one before it left: the
    order of Hugging Face's transformers. Symbols that tie with the last one kept are kept as well.
    """

    temperature: float = 0.8  # divides the logits; 0 takes the likeliest symbol
    top_k: int | None = None  # keep so many likeliest symbols (Fan et al. 2018)
    top_p: float | None = None  # keep the fewest symbols that have this probability together (Holtzman et al. 2020)
    min_p: float | None = None  # keep symbols with at least this share of the likeliest one's (Nguyen et al. 2024)
    guard: bool = False  # forbid the symbol that would continue a passage that came three times in a row
    signs: tuple[int, ...] = ()  # ids of punctuation and blank space, which keep their predicted ratios


class Texts(NamedTuple):
    """The settings and the guards' memories of texts that are written side by side, one row each."""

    symbols: Ids  # [rows]: the last symbol
    forbidden: Ids  # [rows]: the symbol that the guard forbids; -1: none
    last: Ids  # [rows, GUARD_LAGS]: the last symbols that were sampled, newest first
    runs: Ids  # [rows, GUARD_LAGS]: the number of last symbols that equal those of this many places before
    settings: npt.NDArray[np.float64]  # [rows, 5]: temperature, top-k, top-p, min-p (0: no such filter), guard (0 or 1)
    signs: Ids  # [rows, signs]: `Sampling.signs`, filled up with -1

    def keep(self, rows: Sequence[int]) -> Texts:
        return Texts._make(field[rows] for field in self)


def new_texts(first: Sequence[int], samplings: Sequence[Sampling]) -> Texts:
    """Return texts that consist of one symbol each."""
    lags = (len(first), GUARD_LAGS)
    settings = [(how.temperature, how.top_k or 0, how.top_p or 0, how.min_p or 0, how.guard) for how in samplings]
    signs = np.full((len(first), max((len(how.signs) for how in samplings), default=0)), -1, np.int32)
    for row, how in enumerate(samplings):
        signs[row, : len(how.signs)] = how.signs
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
    """Write the next symbol of each text into `texts.symbols`: the `given` one, or a sampled one if that is `DRAW`.

    `log_probs`: [rows, symbols]. `given`: [rows]. `uniform`: [rows], random numbers from [0, 1) to sample by.
    """
    weights = np.empty(log_probs.shape[1], np.float32)
    for row in range(len(given)):
        if given[row] != DRAW:
            texts.symbols[row] = given[row]
            continue
        forbidden, signs = texts.forbidden[row], texts.signs[row]
        symbol = sample(log_probs[row], uniform[row], texts.settings[row], forbidden, signs, weights)
        texts.symbols[row] = symbol
        if texts.settings[row, 4]:
            texts.forbidden[row] = detect_loop(texts.last[row], texts.runs[row], symbol)


@compiled
def sample(
    log_probs: Floats, uniform: float, settings: npt.NDArray[np.float64], forbidden: int, signs: Ids, weights: Floats
) -> int:
    """Sample a symbol from log probabilities [symbols].

    `uniform`: a random number from [0, 1). `settings`, `signs`: a row of those of `Texts`. `forbidden`: a symbol that
    must not come, or -1. `weights`: [symbols], memory to work in.
    """
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
    keep_sign_ratios(log_probs, signs, forbidden, weights)
    place, chosen = uniform * total, likeliest
    total = 0.0
    for symbol in range(len(weights)):
        total += weights[symbol]
        if weights[symbol] > 0 and total > place:
            chosen = symbol
            break
    return chosen


@compiled
def keep_sign_ratios(log_probs: Floats, signs: Ids, forbidden: int, weights: Floats) -> None:
    """Share the total weight of all signs among them in the ratios that were predicted.

    A low temperature keeps a model from inventing words, but it would also make nearly every sign a space: texts ran on
    without a full stop (decision 117). Whether a letter or a sign comes is still decided with the temperature.
    """
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
def keep_fewest(weights: Floats, worth: Floats, least: float) -> None:
    """Set all but the largest weights to 0. It keeps as few as are worth `least` together; the largest weight is 1."""
    # Floats that are not negative are ordered as their bit patterns are, so bisection of these finds the threshold
    # exactly, in 30 short passes. Sorting thousands of symbols would take longer than predicting them.
    bits = weights.view(np.int32)
    low, high = 0, _JUST_ABOVE_ONE
    while high - low > 1:
        middle = (low + high) // 2
        total = 0.0
        for symbol in range(len(bits)):
            if bits[symbol] >= middle:
                total += worth[symbol]
        if total >= least:
            low = middle
        else:
            high = middle
    for symbol in range(len(bits)):
        if bits[symbol] < low:
            weights[symbol] = 0


@compiled
def detect_loop(last: Ids, runs: Ids, symbol: int) -> int:
    """Remember a sampled symbol, and return the symbol that would continue a loop, or -1.

    For every lag up to `GUARD_LAGS`, `runs` counts how many of the last symbols equal the symbol of so many places
    before. When that is twice the lag, a passage of that length has come three times. The seed does not count. Of
    several loops the shortest decides: the longer ones are mostly its multiples, and continue with the same symbol.
    """
    for lag in range(GUARD_LAGS):
        runs[lag] = runs[lag] + 1 if last[lag] == symbol else 0
    for lag in range(GUARD_LAGS - 1, 0, -1):
        last[lag] = last[lag - 1]
    last[0] = symbol
    for lag in range(GUARD_LAGS):
        length = lag + 1
        # Only after whole passages: else the guard would cut "haha haha haha" within a word.
        if runs[lag] >= length * max(2, -(-GUARD_LEAST // length)):
            return int(last[lag])
    return -1
