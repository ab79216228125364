"""From a text to a model folder."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from shared.errors import UserError
from shared.jobs import CorpusInfo, TrainOptions
from shared.settings import get_settings
from worker.model import checkpoint, folder
from worker.model.learners import make_learner
from worker.model.loop import Limits, Loop
from worker.model.network import Weights
from worker.model.plan import Plan, make_plan
from worker.model.results import (
    CurvePoint,
    Hooks,
    NoHooks,
    TrainingCancelled,
    TrainingInterrupted,
    TrainResult,
    best_point,
)
from worker.model.sampling import Reader
from worker.text import Prepared, TextOptions, prepare

__all__ = ["TrainingCancelled", "TrainingInterrupted", "train"]

SAMPLE_CHARS = 240
SAMPLES = 3
WINDOWS = {"char": 200, "classic": 1_000}
"""Windows of the corpus kept with the model to start a text from: 100 characters each."""
_WINDOW_CHARS = 100

log = structlog.get_logger()


class OtherCheckpoint(UserError):
    """The checkpoint is of another text, of other options, or of a version with another network."""


def train(
    text: str,
    options: TrainOptions,
    corpus: CorpusInfo,
    *,
    out: Path,
    checkpoint: Path | None = None,
    hooks: Hooks | None = None,
    plan: Plan | None = None,
) -> TrainResult:
    """Train a model on a text and write its folder.

    Args:
        text: as it came from the corpus.
        options: what the person chose. Without epochs and minutes, `char` trains for `Settings.train_minutes`.
        corpus: what is known of the text; kept with the model.
        out: the model folder to write.
        checkpoint: folder for checkpoints; if it holds one of the same text and settings, training goes on there.
        hooks: whom to tell, and who may stop it.
        plan: network and numbers to use in place of the defaults.

    Raises:
        UserError: the text or the options cannot be used, or the training went astray.
        OtherCheckpoint: the checkpoint is of another training.
        TrainingCancelled: a person cancelled it.
        TrainingInterrupted: it is to pause; the checkpoint is saved.
    """
    prepared = prepare(text, TextOptions(options.recipe, corpus.hard_wrapped))
    plan = plan or make_plan(options.recipe, prepared.distinct, prepared.learned)
    limits = _limits(options, plan)
    identity = {"corpus": corpus.sha256, "characters": prepared.characters, "plan": plan.model_dump(mode="json")}
    saved, notes = _saved(checkpoint, identity, options.random_seed)
    random_seed = saved[1]["identity"]["random_seed"] if saved else options.random_seed
    random_seed = secrets.randbelow(2**32) if random_seed is None else random_seed
    identity["random_seed"] = random_seed

    writer = _Writer(prepared, plan, random_seed)
    learner = make_learner(plan, prepared, random_seed)
    loop = Loop(learner, plan, limits, hooks or NoHooks(), writer.one, checkpoint, identity)
    if saved:
        loop.restore(*saved)
    stopped = loop.run()

    curve = tuple(loop.curve)
    best = best_point(curve) if curve else CurvePoint(0, float(np.log(prepared.distinct)))
    result = TrainResult(
        parameters=sum(int(np.prod(shape)) for shape in plan.network.shapes().values()),
        epochs=curve[-1].epoch if curve else 0,
        train_loss=best.train_loss,
        heldout_loss=best.heldout_loss,
        curve=curve,
        samples=writer.several(loop.best),
        seconds=loop.position.seconds,
        stopped=stopped,
        random_seed=random_seed,
        notes=(*notes, *prepared.notes, *_warnings(curve)),
    )
    counts = np.bincount(prepared.ids, minlength=prepared.distinct)
    folder.save(
        out,
        loop.best,
        writer.windows,
        recipe=options.recipe,
        vocabulary=prepared.vocabulary.characters,
        network=plan.network,
        unwrapped=prepared.unwrapped,
        # Good & Turing: what is new comes as often as what was seen once.
        unseen=(int((counts == 1).sum()) + 1) / (prepared.characters + 2),
        corpus=corpus,
        training=folder.record_of(result),
    )
    return result


def _limits(options: TrainOptions, plan: Plan) -> Limits:
    settings = get_settings()
    if options.epochs is not None and options.epochs > settings.train_max_epochs:
        raise UserError(
            f"{options.epochs:,} epochs are too many.", f"This installation allows {settings.train_max_epochs:,}."
        )
    if options.minutes is not None and options.minutes > settings.train_max_minutes:
        raise UserError(
            f"{options.minutes:g} minutes are too long.", f"This installation allows {settings.train_max_minutes:g}."
        )
    minutes = options.minutes
    if minutes is None and options.epochs is None and plan.timed:
        minutes = settings.train_minutes
    return Limits(options.epochs or plan.epochs, minutes)


def _saved(
    place: Path | None, identity: dict[str, Any], random_seed: int | None
) -> tuple[tuple[checkpoint.Arrays, dict[str, Any]] | None, tuple[str, ...]]:
    """The checkpoint to go on from, and notes about one that could not be used."""
    if place is None:
        return None, ()
    try:
        saved = checkpoint.load(place)
    except checkpoint.DamagedCheckpoint:
        log.warning("checkpoint_damaged", exc_info=True)
        return None, ("The checkpoint could not be read, so the training began anew.",)
    if saved is None:
        return None, ()
    theirs = dict(saved[1]["identity"])
    drawn = theirs.pop("random_seed")
    if theirs != identity or random_seed not in (None, drawn):
        raise OtherCheckpoint(
            "The checkpoint there belongs to another text or other options.",
            f"Remove the folder {place.name}, or write the model elsewhere.",
        )
    return saved, ()


class _Writer:
    """Writes samples with a network's present weights."""

    def __init__(self, prepared: Prepared, plan: Plan, random_seed: int) -> None:
        self._prepared = prepared
        self._plan = plan
        self._random = np.random.default_rng((random_seed, 0))
        self._reader: Reader | None = None
        self.windows = _draw_windows(prepared, WINDOWS[prepared.recipe], np.random.default_rng(random_seed))

    def one(self, weights: Weights) -> str:
        """A few lines after a window of the corpus; at temperature 0 for `classic`, else 0.8."""
        if self._reader is None:
            self._reader = Reader(self._plan.network, weights)
        self._reader.set_weights(weights)
        seed = self.windows[self._random.integers(len(self.windows))].astype(np.int32)
        temperature = 0.0 if self._plan.network.kind == "windows" else 0.8
        return self._prepared.vocabulary.decode(self._reader.write(seed, SAMPLE_CHARS, temperature, self._random))

    def several(self, weights: Weights) -> tuple[str, ...]:
        """The samples of a finished model."""
        return tuple(self.one(weights) for _ in range(SAMPLES))


def _draw_windows(prepared: Prepared, number: int, random: np.random.Generator) -> npt.NDArray[Any]:
    ids = prepared.training
    length = min(_WINDOW_CHARS, len(ids))
    starts = np.unique(random.integers(0, len(ids) - length + 1, number))
    kind = np.uint8 if prepared.distinct <= 2**8 else np.uint16 if prepared.distinct <= 2**16 else np.int32
    windows: npt.NDArray[Any] = ids[starts[:, None] + np.arange(length)].astype(kind)
    return windows


def _warnings(curve: tuple[CurvePoint, ...]) -> tuple[str, ...]:
    """What the curve says about learning by heart, in plain words."""
    if not curve or curve[-1].heldout_loss is None:
        return ()
    best, last = best_point(curve), curve[-1]
    notes: list[str] = []
    if best is not last and last.watched > best.watched + 0.03 and last.train_loss < best.train_loss:
        notes.append(
            f"After epoch {best.epoch} it only learned its text by heart; the model is the one of epoch {best.epoch}."
        )
    if best.heldout_loss is not None and best.heldout_loss > best.train_loss + 0.5:
        notes.append("It foresees its own text much better than new text: a longer text would help.")
    return tuple(notes)
