"""What a model file may hold that anybody may have made: nobody's worker is to be filled up or kept busy by it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from galvanic.errors import UserError
from galvanic.folder import Description, weights_bytes
from galvanic.text.classic import WINDOW
from galvanic.units import MEGABYTE

_DESCRIPTION_BYTES = 4 * 2**20
"""Several times what the largest vocabulary of words takes."""
_MOST_POINTS = 100_000
_MOST_LSTMS = 16
"""Layers of all members: each makes the first text, for which the network is compiled, wait longer."""
_CLOCKS_APART_S = 86_400
_MOST_COUNT, _MOST_LOSS = 10**12, 1_000.0
_MOST_MARKS = 200


@dataclass(frozen=True)
class Limits:
    """The most that is taken.

    Attributes:
        weights_bytes: of the weights in memory.
        description_bytes: of the description.
    """

    weights_bytes: int
    description_bytes: int = _DESCRIPTION_BYTES


def limits_for(file_bytes: int) -> Limits:
    """Those that fit files of this size: packed weights take up to four times their bytes in memory."""
    return Limits(weights_bytes=4 * file_bytes)


def check(description: Description, limits: Limits) -> None:
    """See that such a model can be used without harm; before its weights are read.

    Raises:
        UserError: it is too large, or too slow.
        ValueError: no training leaves such a description.
    """
    network, training = description.network, description.training
    weights = weights_bytes(description)[0]
    # Whoever writes with it makes a table of what each symbol is to the first layer's gates.
    table = 4 * network.members * network.vocabulary * 4 * network.units[0] if network.kind == "streams" else 0
    for needed, most in ((weights, limits.weights_bytes), (weights + table, 3 * limits.weights_bytes)):
        if needed > most:
            raise UserError(
                f"This model's network takes {needed / MEGABYTE:,.0f} MB, and imports may take "
                f"{most / MEGABYTE:,.0f} MB.",
                "Import a smaller model, or ask the bot's operator to raise IMPORT_MAX_MB.",
            )
    network.check_pace()
    if len(network.units) * network.members > _MOST_LSTMS:
        raise UserError(
            f"This model's network has {len(network.units) * network.members} layers, and imports may have "
            f"{_MOST_LSTMS}.",
            "Import a model with fewer layers.",
        )
    if network.window not in (0, WINDOW):
        raise ValueError("a window that no recipe has")
    losses = [training.train_loss, training.heldout_loss, *(loss for _, *both in training.curve for loss in both)]
    if not all(loss is None or (math.isfinite(loss) and abs(loss) < _MOST_LOSS) for loss in losses):
        raise ValueError("a loss that no training has")
    if not 0 <= description.created_at <= time.time() + _CLOCKS_APART_S:
        raise ValueError("made at a time that cannot be")
    if len(training.curve) > _MOST_POINTS:
        raise ValueError("more epochs than a training has")
    if len(description.marks) > _MOST_MARKS:
        raise ValueError("more transcripts than a model learns from")
    share = training.copy_share
    if not (math.isfinite(training.seconds) and (share is None or 0 <= share <= 1)):
        raise ValueError("figures that no training has")
    counts = (training.epochs, training.epochs_before, description.corpus.chars, *(at for at, *_ in training.curve))
    if not all(0 <= count <= _MOST_COUNT for count in counts):
        raise ValueError("counts that no training has")
