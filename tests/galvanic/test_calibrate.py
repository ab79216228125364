"""How sure a trained network should be."""

from __future__ import annotations

import numpy as np
import pytest

from galvanic.learners import calibrate, make_learner
from galvanic.plan import Budget, make_plan
from galvanic.text import TextOptions, prepare
from tests.worker.texts import babble

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("sureness", [0.75, *(pytest.param(at, marks=pytest.mark.long) for at in (1.0, 1.25))])
def test_a_network_that_is_too_sure_is_made_less_so(sureness: float) -> None:
    prepared = prepare(babble(4_000), TextOptions("char"))
    plan = make_plan("char", len(prepared.vocabulary), prepared.learned, Budget(epochs=1))
    learner = make_learner(plan, prepared, 1)
    learner.begin_epoch(1)
    for index in range(learner.steps):
        learner.step(index, 3e-3)
    learned = learner.weights()
    right = learned
    for _ in range(8):  # it goes up to a third at a time
        right = calibrate(learner, right, lambda: learner.heldout(lambda: None))
    scaled = {name: weight * sureness if "output/" in name else weight for name, weight in right.items()}
    learner.set_weights(scaled)
    before = learner.heldout(lambda: None)
    found = calibrate(learner, scaled, lambda: learner.heldout(lambda: None))
    learner.set_weights(found)
    loss = learner.heldout(lambda: None)
    assert loss is not None
    assert before is not None
    assert loss <= before
    # As sure as the best of it, to within one step.
    ratio = found["output/kernel"].std() / right["output/kernel"].std()
    assert ratio == pytest.approx(1.0, abs=0.07)
    np.testing.assert_array_equal(found["lstm_0/lstm_cell/kernel"], learned["lstm_0/lstm_cell/kernel"])
