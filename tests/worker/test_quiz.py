"""A quiz job, from the message to the passages, with a real Redis and a real model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import redis

from galvanic.generate import load_model
from shared.events import Quizzed
from shared.jobs import ModelRef, QuizJob
from shared.settings import Settings
from tests.lives import expect, require_failure
from tests.worker.jobs import PLACE, run
from tests.worker.small import stored

pytestmark = pytest.mark.slow
FIXTURE = Path(__file__).parents[1] / "fixtures" / "format-3" / "char.safetensors"


def quiz(number: int, **fields: object) -> QuizJob:
    wanted = {"model": ModelRef(model_id="tides", name="tides"), "passages": 4, "seconds": 60, **fields}
    return QuizJob.model_validate({"job_id": f"q-{number}", "place": PLACE, **wanted})


def test_one_passage_is_the_texts_and_it_may_stand_anywhere(client: redis.Redis, settings: Settings) -> None:
    stored(settings, "tides").parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURE, stored(settings, "tides"))
    model = load_model(FIXTURE)
    texts = [" ".join(model.vocabulary.decode(window).split()) for window in model.windows]
    places = set()
    for number in range(12):
        answer = expect(Quizzed, run(client, quiz(number)))
        assert len(answer.passages) == 4
        assert [any(passage in text for text in texts) for passage in answer.passages].count(True) == 1
        assert answer.passages[answer.real] in texts[answer.window]
        places.add(answer.real)
    assert len(places) > 1
    answer = expect(Quizzed, run(client, quiz(20, used=[0, 1], passages=2)))
    assert answer.window == 2
    require_failure(run(client, quiz(21, used=[0, 1, 2])), "was shown")
