"""What it costs, in nats, to tell what a recipe's pipeline throws away.

A score per raw character is only comparable between recipes when each pays for the whole text. What a pipeline
drops is charged by simple adaptive codes without context, the ones a compressor would use that knows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

UNICODE_SCALARS = 0x110000 - 0x800
"""Number of Unicode characters that a text can hold; naming one that is new costs ln of this."""


def adaptive_nats(counts: Iterable[int]) -> float:
    """Cost of a sequence of symbols under the Krichevsky-Trofimov estimator, from the count of each symbol.

    The estimator predicts each next symbol with probability (seen + 1/2) / (total + symbols/2); the sum over a
    sequence depends on the counts alone (Krichevsky & Trofimov 1981). Symbols with count 0 belong to the alphabet.
    """
    numbers = list(counts)
    if not numbers:
        return 0.0
    total, half = sum(numbers), len(numbers) / 2
    gain = sum(math.lgamma(number + 0.5) - math.lgamma(0.5) for number in numbers)
    return math.lgamma(total + half) - math.lgamma(half) - gain


def spelled_nats(counts: Iterable[int]) -> float:
    """`adaptive_nats`, and the naming of each different character once."""
    numbers = list(counts)
    return adaptive_nats(numbers) + len(numbers) * math.log(UNICODE_SCALARS)
