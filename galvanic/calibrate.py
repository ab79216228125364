"""How sure a trained network should be.

Dropout and early stopping leave a network surer, or less sure, of its predictions than it is right. Its logits are
divided by the one number that suits the held-out part best (Guo et al. 2017, "On Calibration of Modern Neural
Networks"), which then is part of the output's weights.
"""

from __future__ import annotations

from collections.abc import Callable

from galvanic.learners import Learner
from galvanic.network import Weights

STEP, MOST_STEPS = 0.05, 6
"""By which the divisor is varied from 1, and how often."""


def calibrate(learner: Learner, weights: Weights, poll: Callable[[], object]) -> tuple[Weights, float | None]:
    """The weights with the output scaled to suit the held-out part.

    Args:
        learner: whose held-out part it is; it has other weights afterwards.
        weights: of the finished network.
        poll: called now and then, for a sign that it gets on; what it says is not heeded: the end is near.

    Returns:
        The weights, and their held-out loss in nats per symbol; None when nothing is held out.
    """

    def judged(divisor: float) -> tuple[Weights, float | None]:
        divided = {name: weight / divisor if "output/" in name else weight for name, weight in weights.items()}
        learner.set_weights(divided)
        return divided, learner.heldout(poll)

    best, before = judged(1.0)
    if before is None:
        return weights, None
    loss = before
    for direction in (STEP, -STEP):
        for steps in range(1, MOST_STEPS + 1):
            others, found = judged(1.0 + steps * direction)
            if found is None or found >= loss:
                break
            best, loss = others, found
        if loss < before:  # the other way it can only be worse
            break
    return best, loss
