"""What surprise and picture jobs do: draw what a model makes of a text, and what it is itself."""

from __future__ import annotations

import threading
import time

from shared.events import Pictured, Surprised
from shared.jobs import CARD_FILE, SURPRISE_FILE, PictureJob, SurpriseJob
from worker.serving.context import JobContext

_MOST_NAMED = 5
_drawing = threading.Lock()
"""matplotlib is not made for several threads at once."""


def surprise(job: SurpriseJob, context: JobContext) -> Surprised:
    """Draw how expected each character of a text was.

    Raises:
        UserError: the model cannot read the text, or is gone.
    """
    from galvanic.pictures import surprise_map

    started = time.monotonic()
    found = context.models.use(job.model.model_id, lambda model: model.surprise(job.text, context.until))
    picture = surprise_map(job.text, found.nats)
    context.joblog.attach(SURPRISE_FILE, picture)
    ranked = sorted(zip(job.text, found.nats, strict=True), key=lambda pair: -pair[1])
    return Surprised(
        nats_per_char=sum(found.nats) / len(found.nats),
        chars=len(found.nats),
        most=tuple(ranked[:_MOST_NAMED]),
        notes=found.notes,
        seconds=time.monotonic() - started,
    )


def picture(job: PictureJob, context: JobContext) -> Pictured:
    """Draw a model's card.

    Raises:
        UserError: the model is gone, or its file is damaged.
    """
    from galvanic.facts import facts_of
    from galvanic.model_file import describe
    from galvanic.pictures import model_card

    with context.models.store.reading(job.model.model_id) as path:
        description = describe(path)
    with _drawing:
        card = model_card(job.model.name, description)
    context.joblog.attach(CARD_FILE, card)
    return Pictured(facts=facts_of(description))
