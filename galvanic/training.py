"""From a text to a model file."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from pydantic import ValidationError

from galvanic import checkpoint, model_file
from galvanic.checkpoint import when_there_is_room
from galvanic.choices import apply_options, fit_to_text, spare_memory
from galvanic.copying import copying, overfitting
from galvanic.errors import UserError
from galvanic.learners import calibrate, make_learner, symbol_counts
from galvanic.loop import Density, Loop
from galvanic.machine import measure_machine
from galvanic.options import CorpusInfo, TrainLimits, TrainOptions
from galvanic.pace import Limits
from galvanic.parent import Parent, check_symbols, child_plan, grown, load_parent
from galvanic.plan import Budget, Plan, make_plan
from galvanic.results import (
    CurvePoint,
    Hooks,
    NoHooks,
    Stopped,
    TrainingCancelled,
    TrainingInterrupted,
    TrainResult,
    best_point,
)
from galvanic.samples import SAMPLE_CHARS, SampleWriter, line_start
from galvanic.text import Prepared, TextOptions, prepare

__all__ = ["OtherCheckpoint", "TrainingCancelled", "TrainingInterrupted", "train"]

CHECKPOINT_VERSION = 2
_OF_THE_NETWORK = ("recipe", "layers", "units", "embedding", "encoding", "dropout", "batch", "length", "learning_rate")
"""Options that a checkpoint was made with, and that a resumed training must have; when to end may be chosen anew."""

log = structlog.get_logger()
Saved = tuple[checkpoint.Arrays, dict[str, Any]]


class OtherCheckpoint(UserError):
    """The checkpoint is of another text, of other options, or of a version with another network."""


def train(
    text: str | Path,
    options: TrainOptions,
    corpus: CorpusInfo,
    *,
    out: Path,
    checkpoint: Path | None = None,
    hooks: Hooks | None = None,
    limits: TrainLimits | None = None,
    plan: Plan | None = None,
    parent: Path | None = None,
    parent_name: str | None = None,
) -> TrainResult:
    """Train a model on a text and write its file.

    `text`: as it came from the corpus, or the path of it in UTF-8, which is then never in memory as a whole. Without
    epochs and minutes in `options` a timed plan runs for `limits.minutes`. `checkpoint`: a folder; if it holds one of
    the same text and settings, training goes on there. `plan`: in place of the default; the options are laid over it.
    `parent`: file of the model to go on from; on the text that it learned from, the result is never worse than it.
    `parent_name`: what to call it; None: as its file.

    Raises UserError where the text, the options or the parent cannot be used, or the loss diverged; OtherCheckpoint
    where the checkpoint is of another training; TrainingCancelled; TrainingInterrupted, with the checkpoint saved.
    """
    hooks = hooks or NoHooks()
    workdir = out.with_name(f".{out.name}.text")
    try:
        ancestor = load_parent(parent, parent_name, options) if parent else None
        known = ancestor.description.symbols if ancestor else ()
        how = TextOptions(options.recipe, corpus.hard_wrapped, known=known)
        prepared = when_there_is_room(lambda: _prepare(text, how, workdir), hooks)
        _check_text(prepared)
        if ancestor:
            check_symbols(ancestor, prepared.vocabulary.symbols)
        return _Training(prepared, options, corpus, plan, ancestor, limits or TrainLimits()).run(out, checkpoint, hooks)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


class _Training:
    """One attempt at a training; the text is prepared."""

    def __init__(
        self,
        prepared: Prepared,
        options: TrainOptions,
        corpus: CorpusInfo,
        plan: Plan | None,
        parent: Parent | None,
        allowed: TrainLimits,
    ) -> None:
        self._prepared = prepared
        self._options = options
        self._corpus = corpus
        self._given_plan = plan
        self._parent = parent
        self._allowed = allowed
        self._counts = symbol_counts(prepared.ids, len(prepared.vocabulary))

    def run(self, out: Path, place: Path | None, hooks: Hooks) -> TrainResult:
        prepared = self._prepared
        identity = self._identity()
        saved, notes = _saved(place, identity, self._options.random_seed)
        random_seed = saved[1]["identity"]["random_seed"] if saved else self._options.random_seed
        identity["random_seed"] = random_seed = secrets.randbelow(2**32) if random_seed is None else random_seed
        plan, plan_notes = (_plan_of(saved, place), ()) if saved else self._plan()

        plan.network.check_pace()
        writer = SampleWriter(prepared, plan.network, random_seed)
        learner = make_learner(plan, prepared, random_seed)
        density = Density(
            prepared.learned / max(1, prepared.learned_chars),
            (len(prepared.ids) - prepared.learned) / max(1, prepared.heldout_chars),
        )
        loop = Loop(
            learner, plan, _limits(self._options, plan, self._allowed), hooks, writer.one, place, identity, density
        )
        loop.notes += plan_notes
        if saved:
            try:
                loop.restore(*saved)
            except (KeyError, ValueError, TypeError) as error:
                raise _other(place) from error
        elif self._parent:
            random = np.random.default_rng((random_seed, 1))
            counts = symbol_counts(prepared.training, len(prepared.vocabulary))
            learner.set_weights(grown(self._parent, prepared.vocabulary.symbols, counts, random))
        stopped = loop.run(start=self._start())
        loop.tell("finishing")
        if stopped == "done" and loop.limits.minutes and not self._options.epochs and plan.timed:
            loop.notes += _ended_before_its_time(loop)

        heldout_loss: float | None = None
        # If no epoch made the parent better, it stays as it is.
        if plan.network.kind == "streams" and (not loop.curve or best_point(tuple(loop.curve)).epoch > 0):
            loop.best, loss = calibrate(learner, loop.best, hooks.control)
            heldout_loss = None if loss is None else loss * density.heldout
        model_file.check_weights(loop.best)
        result = self._result(loop, plan, stopped, writer, random_seed, notes, heldout_loss)
        when_there_is_room(lambda: self._save(out, loop, plan, writer, result), hooks)
        return result

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with. Not the plan, which may depend on the machine's speed at that moment."""
        chosen = self._options.model_dump(mode="json")
        return {
            "version": CHECKPOINT_VERSION,
            "corpus": self._corpus.sha256,
            "symbols": len(self._prepared.ids),
            "options": {name: chosen[name] for name in _OF_THE_NETWORK},
            "plan": self._given_plan.model_dump(mode="json") if self._given_plan else None,
            "parent": self._parent.description.weights_sha256 if self._parent else None,
        }

    def _plan(self) -> tuple[Plan, tuple[str, ...]]:
        options, symbols = self._options, len(self._prepared.vocabulary)
        network = self._parent.description.network if self._parent else None
        plan = self._given_plan or make_plan(
            options.recipe, symbols, self._prepared.learned, _budget(options, self._allowed), network
        )
        plan = apply_options(plan, options)
        if self._parent:
            plan = child_plan(plan, self._parent, symbols, options)
        return fit_to_text(plan, self._prepared.learned)

    def _start(self) -> float | None:
        """The parent's training loss, where its weights count as the result of epoch 0."""
        if self._parent and self._parent.learned(self._corpus):
            return self._parent.description.training.train_loss
        return None

    def _result(
        self,
        loop: Loop,
        plan: Plan,
        stopped: Stopped,
        writer: SampleWriter,
        random_seed: int,
        notes: tuple[str, ...],
        heldout_loss: float | None,
    ) -> TrainResult:
        curve = tuple(loop.curve)
        best = best_point(curve) if curve else CurvePoint(0, float(np.log(len(self._prepared.vocabulary))))
        samples = writer.several(loop.best)
        copy_share, copy_notes = copying(samples, self._prepared)
        return TrainResult(
            parameters=plan.network.parameters(),
            epochs=curve[-1].epoch if curve else 0,
            epochs_before=self._parent.epochs if self._parent else 0,
            train_loss=best.train_loss,
            heldout_loss=best.heldout_loss if heldout_loss is None else heldout_loss,
            copy_share=copy_share,
            curve=curve,
            samples=tuple(sample[:SAMPLE_CHARS] for sample in samples),
            seconds=loop.position.seconds,
            stopped=stopped,
            random_seed=random_seed,
            notes=(*notes, *self._corpus.notes, *self._prepared.notes, *loop.notes, *overfitting(curve), *copy_notes),
        )

    def _save(self, out: Path, loop: Loop, plan: Plan, writer: SampleWriter, result: TrainResult) -> None:
        prepared = self._prepared
        model_file.save(
            out,
            loop.best,
            # Members' words may be withdrawn: none of them stand in a model, for a text to begin with or at all.
            writer.windows if self._corpus.transcript is None else line_start(prepared),
            recipe=self._options.recipe,
            symbols=prepared.vocabulary.symbols,
            network=plan.network,
            unwrapped=prepared.unwrapped,
            # Good & Turing: what is new comes as often as what was seen once.
            unseen=(int((self._counts == 1).sum()) + 1) / (len(prepared.ids) + 2),
            corpus=self._corpus,
            lineage=self._parent.lineage if self._parent else (),
            options=self._options,
            training=model_file.TrainingRecord.of(result),
        )


def _prepare(text: str | Path, how: TextOptions, workdir: Path) -> Prepared:
    """`prepare`, but first remove what an earlier attempt left; nothing is left after an OSError, either."""
    shutil.rmtree(workdir, ignore_errors=True)
    try:
        return prepare(text, how, workdir=workdir)
    except OSError:
        shutil.rmtree(workdir, ignore_errors=True)  # half a text must not take up disk space
        raise


def _check_text(prepared: Prepared) -> None:
    """Refuse at once what could not be written into a model file at the end."""
    try:
        "".join(prepared.vocabulary.symbols).encode()
    except UnicodeEncodeError:
        raise UserError("The text contains broken characters (lone surrogates).", "Save it as UTF-8 again.") from None


def _budget(options: TrainOptions, allowed: TrainLimits) -> Budget:
    minutes = options.minutes
    if minutes is None and options.epochs is None:
        minutes = allowed.minutes
    machine = measure_machine()
    return Budget(minutes, options.epochs, machine.flops, machine.precision, machine.gpu, spare_memory())


def _limits(options: TrainOptions, plan: Plan, allowed: TrainLimits) -> Limits:
    if options.epochs is not None and options.epochs > allowed.most_epochs:
        raise UserError(
            f"{options.epochs:,} epochs are too many.", f"This installation allows {allowed.most_epochs:,}."
        )
    if options.minutes is not None and options.minutes > allowed.most_minutes:
        raise UserError(
            f"{options.minutes:g} minutes are too long.", f"This installation allows {allowed.most_minutes:g}."
        )
    minutes = options.minutes
    if minutes is None and options.epochs is None and plan.timed:
        minutes = allowed.minutes
    return Limits(options.epochs or plan.epochs, minutes, allowed.checkpoint_s)


def _ended_before_its_time(loop: Loop) -> tuple[str, ...]:
    minutes, taken = loop.limits.minutes or 0.0, loop.position.seconds / 60
    if taken > 0.8 * minutes:
        return ()
    return (
        f"It used {taken:.1f} of {minutes:g} minutes: after {loop.limits.epochs} epochs, a text of this length is only "
        "memorised. Use --epochs for more.",
    )


def _saved(
    place: Path | None, identity: dict[str, Any], random_seed: int | None
) -> tuple[Saved | None, tuple[str, ...]]:
    """The checkpoint to go on from, and notes about one that could not be used."""
    if place is None:
        return None, ()
    try:
        saved = checkpoint.load(place)
    except checkpoint.DamagedCheckpoint:
        log.warning("checkpoint_damaged", exc_info=True)
        return None, ("The checkpoint could not be read, so the training started over.",)
    if saved is None:
        return None, ()
    theirs = dict(saved[1]["identity"])
    drawn = theirs.pop("random_seed")
    if theirs != identity or random_seed not in (None, drawn):
        raise _other(place)
    return saved, ()


def _plan_of(saved: Saved, place: Path | None) -> Plan:
    try:
        return Plan.model_validate(saved[1]["plan"])
    except ValidationError as error:
        raise _other(place) from error


def _other(place: Path | None) -> OtherCheckpoint:
    return OtherCheckpoint(
        "The checkpoint there belongs to another text, another model to start from, or other options.",
        f"Remove the folder {place.name if place else ''}, or write the model elsewhere.",
    )
