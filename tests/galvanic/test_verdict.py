"""What is thought of a model, at the boundaries and where little was measured."""

from typing import Any

import pytest

from galvanic.options import TrainOptions
from galvanic.results import CurvePoint, TrainingRecord
from galvanic.verdict import Verdict, verdict

GOOD = {"heldout_loss": 1.0, "ngrams_loss": 1.2, "known_words": 0.96, "usual_known_words": 0.96, "copy_share": 0.02}
FLAT = (CurvePoint(1, 1.6, 1.5), CurvePoint(2, 1.5, 1.41), CurvePoint(3, 1.45, 1.405), CurvePoint(4, 1.4, 1.4))
FALLING = (CurvePoint(1, 2.0, 2.0), CurvePoint(2, 1.4, 1.4))
BEHIND = (CurvePoint(1, 1.9, 1.003), CurvePoint(2, 1.4, 1.001), CurvePoint(3, 1.3, 1.001), CurvePoint(4, 1.2, 1.0))


def judged(curve: tuple[CurvePoint, ...] = FALLING, **changes: Any) -> Verdict:
    record = TrainingRecord(epochs=2, seconds=9, stopped="time", random_seed=1, curve=curve, train_loss=1.0)
    return verdict(record.model_copy(update={**GOOD, **changes}), TrainOptions(minutes=1))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "reads"),
        ({"known_words": 0.945}, "reads"),
        ({"known_words": 0.93}, "words"),  # a few words too many that are none
        ({"known_words": 0.89}, "words"),
        ({"known_words": 0.87}, "begun"),
        ({"ngrams_loss": 1.11}, "reads"),
        ({"ngrams_loss": 1.09}, "words"),  # little better than counting
        ({"ngrams_loss": 1.01}, "begun"),  # no better, as right as its words are
        ({"ngrams_loss": 0.9}, "begun"),
        ({"copy_share": 0.49}, "reads"),
        ({"copy_share": 0.5}, "recites"),
        ({"copy_share": 0.9, "ngrams_loss": 1.0}, "recites"),
        # What was not measured is not claimed.
        ({"ngrams_loss": None}, "words"),
        ({"heldout_loss": None}, "words"),
        ({"heldout_loss": None, "known_words": 0.5}, "begun"),
        ({"known_words": None, "usual_known_words": None}, "reads"),  # a script without spaces
        ({"known_words": None, "ngrams_loss": 1.05}, None),
        ({"known_words": None, "ngrams_loss": 1.0}, "begun"),
        ({"known_words": None, "ngrams_loss": None, "copy_share": None}, None),
        ({"known_words": None, "ngrams_loss": None, "copy_share": 0.6}, "recites"),
    ],
)
def test_a_verdict_is_as_good_as_what_was_measured(changes: dict[str, Any], kind: str | None) -> None:
    found = judged(**changes)
    assert found.kind == kind
    assert bool(found.headline) is (kind is not None)


@pytest.mark.parametrize(
    ("curve", "changes", "step"),
    [
        (FALLING, {}, "longer"),
        (FALLING[:1], {}, "longer"),  # it has read its text once
        (FALLING, {"stopped": "done", "known_words": 0.9}, "text"),  # its plan allows no more epochs
        (FALLING, {"stopped": "early", "known_words": 0.9}, "text"),  # it got no better any more
        (FLAT, {}, "none"),
        ((CurvePoint(1, 1.5, 1.4), CurvePoint(2, 1.5, 1.41)), {}, "longer"),  # its time ended in the second epoch
        (BEHIND, {"ngrams_loss": 1.05}, "longer"),  # the table has nearly all of it so far
        (FLAT, {"known_words": 0.9}, "text"),
        (FLAT, {"known_words": 0.5}, "longer"),  # it has learned little
        ((*FALLING, CurvePoint(3, 1.2, 1.5)), {"ngrams_loss": 1.05}, "text"),  # it only learned by heart
        ((CurvePoint(1, 2.0, 2.0), CurvePoint(2, 0.9, 1.5)), {"ngrams_loss": 1.05}, "text"),
        ((CurvePoint(0, 1.4, 1.4), CurvePoint(1, 1.3, 1.41)), {}, "none"),  # more training made it no better
        (FALLING, {"copy_share": 0.7}, "epochs"),
        (FALLING[:1], {"copy_share": 0.7}, "text"),  # there are no fewer
        ((*FALLING, CurvePoint(3, 1.2, 1.5)), {"copy_share": 0.7}, "text"),
        ((), {}, None),
    ],
)
def test_the_next_step_follows_from_the_curve(
    curve: tuple[CurvePoint, ...], changes: dict[str, Any], step: str | None
) -> None:
    assert judged(curve, **changes).step == step


def test_it_is_said_why() -> None:
    assert judged().headline == "Reads like its text. Longer training would help most."
    assert judged(FALLING[:1], ngrams_loss=1.0).headline == (
        "Has learned little: a Markov bot, which only counts what follows what, predicts new text just as well. "
        "Longer training would help most."
    )
    assert "predicts new text better." in judged(ngrams_loss=0.8).headline
    assert "many of its words don't exist. Longer" in judged(known_words=0.5).headline
    assert "right. A longer text would help most." in judged(FLAT, known_words=0.9).headline
    assert "fewer epochs copy less" in judged(copy_share=1.0).headline
    assert "hardly help" in judged(FLAT).headline


def test_one_measure_and_one_baseline_are_named_once() -> None:
    found = judged(starter_loss=1.3)
    assert found.figures == {
        "Unseen text": "1.44 bits per character, lower is better (a Markov bot 1.73, the starter alone 1.88)",
        "Known words": "96 % (unseen text 96 %)",
        "Copied": "2 %",
    }
    alone = judged(ngrams_loss=None, known_words=None, copy_share=None)
    assert alone.figures == {"Unseen text": "1.44 bits per character, lower is better"}
    untested = "1.44 bits per character, lower is better; no part was kept apart to test it on"
    assert judged(heldout_loss=None).figures["Its own text"] == untested
    assert judged(heldout_loss=None).figures["Known words"] == "96 % (the text's own end 96 %)"
