"""What a training's events add up to: the state that its card shows. Pure; rebuilt after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.events import (
    Cancelled,
    Difficulty,
    Event,
    Failed,
    Finished,
    Interrupted,
    Progress,
    Sample,
    Started,
    Trouble,
)
from shared.jobs import TrainJob
from shared.transcripts import Revision

State = Literal["queued", "reading", "training", "interrupted", "finished", "failed", "cancelled"]


@dataclass
class TrainingState:
    """The state of one training.

    Attributes:
        samples: texts written after each epoch, newest last.
        resumed: it was resumed from a checkpoint.
        trouble: what keeps its worker from saving.
        anew: why it last began anew (`Started.anew`); None: it never did.
    """

    state: State = "queued"
    resumed: bool = False
    anew: Literal["withdrawn", "changed"] | None = None
    progress: Progress | None = None
    trouble: Difficulty | None = None
    samples: list[Sample] = field(default_factory=list)
    finished: Finished | None = None
    failed: Failed | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("finished", "failed", "cancelled")

    def apply(self, event: Event) -> None:
        """Take one event into account; those after the end are ignored."""
        if self.over:
            return
        match event:
            case Started():
                self.state = "reading"
                self.trouble = None
                self.resumed = event.resumed
                self.anew = event.anew or self.anew
                if not event.resumed:  # nothing of what came before is left
                    self.progress = None
                    self.samples.clear()
            case Progress():
                self.state = "training"
                self.progress = event
            case Sample():
                self.samples.append(event)
            case Trouble():
                self.trouble = event.what
            case Interrupted():
                self.state = "interrupted"
            case Finished():
                self.state = "finished"
                self.finished = event
            case Failed():
                self.state = "failed"
                self.failed = event
            case Cancelled():
                self.state = "cancelled"
            case _:
                pass  # queued is where it begins; a generate job's answer has no card

    def samples_stand(self, job: TrainJob, revisions: Mapping[str, Revision]) -> bool:
        """Whether no member has withdrawn words that the training had read when it wrote its samples.

        One that waits to go on, because its worker is gone, begins anew only when another takes it up. Of one that is
        over there is nothing to say: a model is made again as a whole.

        Args:
            job: the training.
            revisions: where its transcripts stand now; one that is missing is forgotten.
        """
        if not self.samples or self.over:
            return True
        if (learned := job.transcripts) is None:
            return False
        read, own = self.samples[-1].revision, job.corpus.transcript
        if own is not None and read is not None:
            learned = (own.model_copy(update={"revision": read}), *learned[1:])
        found = ((ref, revisions.get(ref.transcript_id)) for ref in learned)
        return all(now is not None and not now.withdraws(ref) for ref, now in found)
