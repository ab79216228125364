"""From a text to a model file."""

from __future__ import annotations

import functools
import glob
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import structlog
from pydantic import ValidationError

from galvanic import checkpoint, model_file
from galvanic.checkpoint import when_there_is_room
from galvanic.companion import Companion
from galvanic.copying import copy_score, known_words
from galvanic.errors import UserError
from galvanic.loop import Loop, Record
from galvanic.machine import import_tensorflow, measure_machine
from galvanic.ngrams import Lines
from galvanic.options import CorpusInfo, TrainLimits, TrainOptions
from galvanic.pace import Pace
from galvanic.parent import Parent, check_symbols, child_plan, grown, load_parent
from galvanic.plan import Budget, Plan, Weights, apply_options, fit_to_text, make_plan, spare_memory
from galvanic.results import CurvePoint, Hooks, Stopped, TrainResult, best_point, per_char, thinned
from galvanic.samples import SAMPLE_CHARS, SAMPLES, SampleWriter, first_sample, line_start
from galvanic.starter import NO_HELP, candidate, judge
from galvanic.text import Prepared, TextOptions, prepare
from galvanic.text.vocabulary import symbol_counts

if TYPE_CHECKING:
    from galvanic.learners import Learner

CHECKPOINT_VERSION = 3
_OF_THE_NETWORK = {"recipe", "layers", "units", "embedding", "encoding", "dropout", "batch", "length", "learning_rate"}
"""Options that a checkpoint was made with, and that a resumed training must have; when to end may be chosen anew."""

log = structlog.get_logger()


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
    starter: Path | None = None,
    quiet: bool = False,
    authors: npt.NDArray[Any] | None = None,
    table: bool = True,
) -> TrainResult:
    """Train a model on a text and write its file.

    `text`: as it came from the corpus, or the path of it in UTF-8, which is then never in memory as a whole. Unless
    `options` name minutes or it goes by epochs, it runs for `limits.minutes`. `checkpoint`: a folder; if it holds one
    of the same text and settings, training goes on there. `plan`: in place of the default, with the options laid over.
    `parent`: file of the model to go on from; on the text that it learned from, the result is never worse than it.
    `parent_name`: what to call it; None: as its file. `starter`: file of the model that a new one begins with where
    that helps (`galvanic.starter`), or where `options` ask for it; None: every new one begins with nothing. `quiet`:
    keep off standard error what TensorFlow prints there while it is imported, and with it all else. `table`: whether
    one of n-grams is mixed in.

    Raises UserError where the text, the options or the parent cannot be used, or the loss diverged; OtherCheckpoint
    where the checkpoint is of another training; TrainingCancelled; TrainingInterrupted, with the checkpoint saved.
    """
    hooks = hooks or Hooks()
    limits = limits or TrainLimits()
    _check_limits(options, limits)
    workdir = out.with_name(f".{out.name}.{secrets.token_hex(4)}.text")  # another attempt may be overtaken by this one
    try:
        begun = None if parent or options.start else _begun_with(checkpoint)
        begin = load_parent(parent, parent_name, options) if parent else None
        notes: tuple[str, ...] = ()
        if not parent and begun != "":
            begin, notes = candidate(starter, options)
        prepared = _prepared(text, options, corpus, begin, workdir, hooks)
        hooks.go_on()
        starter_loss = begin.description.training.starter_loss if begin and begin.learned(corpus) else None
        if begin and not parent and options.start is None and begin.description.weights_sha256 != begun:
            judged = judge(begin, prepared)
            if judged.helps:
                starter_loss = judged.starter
            else:
                begin, notes = None, (NO_HELP,)
                del prepared  # not to hold the text twice
                prepared = _prepared(text, options, corpus, None, workdir, hooks)
        training = _Training(prepared, options, corpus, plan, begin, limits, notes, starter_loss, authors, table)
        return training.run(out, checkpoint, hooks, quiet=quiet)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


@dataclass(frozen=True)
class _Training:
    """One attempt at a training; the text is prepared."""

    prepared: Prepared
    options: TrainOptions
    corpus: CorpusInfo
    given_plan: Plan | None
    parent: Parent | None
    limits: TrainLimits
    start_notes: tuple[str, ...]  # what it begins with and why, in plain words
    starter_loss: float | None  # before it learned from the text; None: not measured
    authors: npt.NDArray[Any] | None
    table: bool

    def run(self, out: Path, folder: Path | None, hooks: Hooks, *, quiet: bool) -> TrainResult:
        prepared, options = self.prepared, self.options
        identity = self._identity()
        saved, notes = _saved(folder, identity, options.random_seed)
        if saved:
            random_seed = saved[1].identity["random_seed"]
        else:
            random_seed = secrets.randbelow(2**32) if options.random_seed is None else options.random_seed
        identity["random_seed"] = random_seed
        companion, initial = self._companion(self._lines()), self._initial(random_seed)
        hooks.go_on()
        if not saved:
            self._planned(Budget(epochs=options.epochs, memory=spare_memory()))[0].network.check_pace()
            self._write_first(random_seed, companion, initial, hooks)

        # As late as this, for it takes longer than all that was done so far.
        if quiet:
            import_tensorflow()
        from galvanic.learners import calibrate, interpolate, make_learner

        hooks.go_on()
        plan, plan_notes = (saved[1].plan, ()) if saved else self._plan()
        plan.network.check_pace()
        writer = SampleWriter(prepared, plan.network, random_seed, companion)
        learner = make_learner(plan, prepared, random_seed)
        minutes = self._minutes()
        pace = Pace(plan, learner.steps, options.epochs or plan.epochs, minutes)

        def heldout(poll: Callable[[], object] = hooks.control) -> float | None:
            """Of what the model would say: the network and the table mixed."""
            if not (writer.companion and len(prepared.heldout)):
                return learner.heldout(poll)
            writer.companion, loss, _ = self._fitted(writer.companion, learner, poll, roughly=True)
            return loss

        loop = Loop(learner, pace, hooks, heldout, writer.one, folder, identity, self.limits.checkpoint_s)
        if saved:
            try:
                loop.restore(*saved)
            except (KeyError, ValueError, TypeError) as error:
                raise _other(folder) from error
        else:
            loop.notes += [*self.start_notes, *plan_notes]  # a checkpoint keeps them
            loop.starter_loss = self.starter_loss
            if initial:
                learner.set_weights(initial)
        # On its own text the parent counts as the result of epoch 0.
        parent = self.parent if self.parent and self.parent.learned(self.corpus) else None
        stopped = loop.run(start=parent.description.training.train_loss if parent else None)
        loop.tell("finishing")
        if stopped == "done" and minutes and not options.by_epochs:
            loop.notes += _ended_before_its_time(pace, minutes)
        if len(loop.curve) > 1 and best_point(loop.curve).epoch == 0:
            loop.notes.append("More training made it no better: the model is as it was before.")

        # If no epoch made the parent better, it stays as it is.
        if plan.network.kind == "streams" and (not loop.curve or best_point(loop.curve).epoch > 0):
            if initial:
                loop.best = interpolate(learner, loop.best, initial, heldout)
            if writer.companion is None:  # whose weights do it otherwise
                loop.best = calibrate(learner, loop.best, heldout)
        learner.set_weights(loop.best)
        losses = {"network_loss": learner.heldout(hooks.control)}
        losses["heldout_loss"] = losses["network_loss"]
        if writer.companion and len(prepared.heldout):
            whole = self._companion(None) if self.authors is not None else None  # what a Markov bot would count
            fitted, *found = self._fitted(writer.companion, learner, hooks.control, whole)
            writer.companion = fitted.recounted(prepared.ids, prepared.recipe, self._lines())
            losses["heldout_loss"], losses["ngrams_loss"] = found
        model_file.check_weights(loop.best)
        per = prepared.heldout_density
        measured = {name: per_char(loss, per) for name, loss in losses.items() if loss is not None}
        result = self._result(loop, stopped, writer, random_seed, notes, measured)
        when_there_is_room(lambda: self._save(out, loop, writer, result), hooks)
        return result

    def _write_first(
        self, random_seed: int, companion: Companion | None, initial: Weights | None, hooks: Hooks
    ) -> None:
        start = None
        if self.parent and initial:
            symbols = len(self.prepared.vocabulary)
            start = self.parent.description.network.model_copy(update={"vocabulary": symbols}), initial
        sample = first_sample(self.prepared, random_seed, companion, start)
        if sample is not None:
            hooks.sample(sample)
            hooks.go_on()  # who cancels need not wait for TensorFlow

    def _companion(self, lines: Lines | None) -> Companion | None:
        """Counted in its own text alone, whatever a parent learned."""
        if not self.table or self.options.recipe == "classic" or (self.corpus.transcript and self._lines() is None):
            return None
        prepared = self.prepared
        return Companion.counted(prepared.training, len(prepared.vocabulary), prepared.recipe, lines)

    def _lines(self) -> Lines | None:
        """Whose lines the text has; None: one author's, or unknown."""
        ids, symbols = self.prepared.ids, self.prepared.vocabulary.symbols
        if self.authors is None or "\n" not in symbols:
            return None
        ends = np.flatnonzero(ids == symbols.index("\n"))
        whole = len(ends) == len(self.authors) and len(ends) > 0 and ends[-1] == len(ids) - 1
        return Lines(ends, self.authors) if whole else None

    def _fitted(
        self,
        companion: Companion,
        learner: Learner,
        poll: Callable[[], object],
        whole: Companion | None = None,
        *,
        roughly: bool = False,
    ) -> tuple[Companion, float, float]:
        """The companion with weights fitted to the held-out part, and the losses there of the mixture and of the table
        (`whole`, if there is one) alone, in nats a symbol."""
        from galvanic.learners import HELDOUT_MOST

        number = min(len(self.prepared.heldout), HELDOUT_MOST)
        predictions = functools.partial(learner.heldout_predictions, poll)
        return companion.fitted(predictions, number, self.prepared.ids, whole, roughly=roughly)

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with. Not the plan, which may depend on the machine's speed at that moment."""
        return {
            "version": CHECKPOINT_VERSION,
            "corpus": self.corpus.sha256,
            "symbols": len(self.prepared.ids),
            "options": self.options.model_dump(mode="json", include=_OF_THE_NETWORK),
            "plan": self.given_plan.model_dump(mode="json") if self.given_plan else None,
            "parent": self.parent.description.weights_sha256 if self.parent else None,
        }

    def _initial(self, random_seed: int) -> Weights | None:
        """The weights to begin with where there is a parent."""
        if self.parent is None:
            return None
        counts = symbol_counts(self.prepared.training, len(self.prepared.vocabulary))
        random = np.random.default_rng((random_seed, 1))
        return grown(self.parent, self.prepared.vocabulary.symbols, counts, random)

    def _minutes(self) -> float | None:
        """To learn for at most."""
        options = self.options
        return self.limits.minutes if options.minutes is None and not options.by_epochs else options.minutes

    @property
    def _from_starter(self) -> bool:
        return self.parent is not None and self.parent.from_starter

    def _plan(self) -> tuple[Plan, tuple[str, ...]]:
        machine, epochs = measure_machine(), self.options.epochs
        budget = Budget(self._minutes(), epochs, machine.flops, machine.precision, machine.gpu, spare_memory())
        return self._planned(budget)

    def _planned(self, budget: Budget) -> tuple[Plan, tuple[str, ...]]:
        """Raises UserError where what the person chose does not go together, or is too large."""
        options, symbols = self.options, len(self.prepared.vocabulary)
        network = self.parent.description.network if self.parent else None
        plan = self.given_plan or make_plan(
            options.recipe, symbols, self.prepared.learned, budget, network, from_starter=self._from_starter
        )
        plan = apply_options(plan, options)
        if self.parent:
            plan = child_plan(plan, self.parent, symbols)
        return fit_to_text(plan, self.prepared.learned)

    def _result(
        self,
        loop: Loop,
        stopped: Stopped,
        writer: SampleWriter,
        random_seed: int,
        notes: tuple[str, ...],
        measured: dict[str, float],
    ) -> TrainResult:
        best = best_point(loop.curve) if loop.curve else CurvePoint(0, float(np.log(len(self.prepared.vocabulary))))
        samples = writer.several(loop.best, measured.get("heldout_loss", best.watched))
        known, usual = known_words(samples, self.prepared)
        return TrainResult(
            parameters=loop.learner.plan.network.parameters(),
            network_because=loop.learner.plan.because,
            parent=self.parent.name if self.parent else None,
            epochs=loop.curve[-1].epoch if loop.curve else 0,
            epochs_before=self.parent.epochs if self.parent else 0,
            train_loss=best.train_loss,
            **measured,
            starter_loss=loop.starter_loss,
            known_words=known,
            usual_known_words=usual,
            copy_share=copy_score(samples, self.prepared.parts()).share,
            curve=thinned(loop.curve),
            samples=tuple(writer.cut(sample, SAMPLE_CHARS) for sample in samples[:SAMPLES]),
            seconds=loop.position.seconds,
            stopped=stopped,
            random_seed=random_seed,
            notes=(*notes, *self.corpus.notes, *self.prepared.notes, *loop.notes),
        )

    def _save(self, out: Path, loop: Loop, writer: SampleWriter, result: TrainResult) -> None:
        prepared = self.prepared
        counts = symbol_counts(prepared.ids, len(prepared.vocabulary))
        model_file.save(
            out,
            loop.best,
            # Members' words may be withdrawn: none of them stand in a model, for a text to begin with or at all.
            writer.windows if self.corpus.transcript is None else line_start(prepared),
            writer.companion,
            recipe=self.options.recipe,
            symbols=prepared.vocabulary.symbols,
            network=loop.learner.plan.network,
            unwrapped=prepared.unwrapped,
            # Good & Turing: what is new comes as often as what was seen once.
            unseen=(int((counts == 1).sum()) + 1) / (len(prepared.ids) + 2),
            corpus=self.corpus,
            lineage=self.parent.lineage if self.parent else (),
            options=self.options,
            training=result,
        )


def _prepared(
    text: str | Path, options: TrainOptions, corpus: CorpusInfo, begin: Parent | None, workdir: Path, hooks: Hooks
) -> Prepared:
    """The text for a model that begins with this one, or with nothing."""
    how = TextOptions(options.recipe, corpus.hard_wrapped, known=begin.description.symbols if begin else ())
    prepared = when_there_is_room(lambda: _prepare(text, how, workdir), hooks)
    try:  # refuse at once what could not be written into a model file at the end
        "".join(prepared.vocabulary.symbols).encode()
    except UnicodeEncodeError:
        raise UserError("The text contains broken characters (lone surrogates).", "Save it as UTF-8 again.") from None
    if begin:
        check_symbols(begin, prepared.vocabulary.symbols)
    return prepared


def _prepare(text: str | Path, how: TextOptions, workdir: Path) -> Prepared:
    """`prepare`, but first remove what earlier attempts left; nothing is left after an OSError, either."""
    any_attempts = f"{glob.escape(workdir.stem.rpartition('.')[0])}.{'[0-9a-f]' * 8}{workdir.suffix}"
    for left in workdir.parent.glob(any_attempts):
        shutil.rmtree(left, ignore_errors=True)
    try:
        return prepare(text, how, workdir=workdir)
    except OSError:
        shutil.rmtree(workdir, ignore_errors=True)  # half a text must not take up disk space
        raise


def _check_limits(options: TrainOptions, limits: TrainLimits) -> None:
    if options.epochs is not None and options.epochs > limits.most_epochs:
        raise UserError(f"{options.epochs:,} epochs are too many.", f"This installation allows {limits.most_epochs:,}.")
    if options.minutes is not None and options.minutes > limits.most_minutes:
        raise UserError(
            f"{options.minutes:g} minutes are too long.", f"This installation allows {limits.most_minutes:g}."
        )


def _ended_before_its_time(pace: Pace, minutes: float) -> tuple[str, ...]:
    taken = pace.position.seconds / 60
    if taken > 0.8 * minutes:
        return ()
    return (
        f"It used {taken:.1f} of {minutes:g} minutes: after {pace.epochs} epochs, a text of this length is only "
        "memorised. Use --epochs for more.",
    )


def _saved(
    folder: Path | None, identity: dict[str, Any], random_seed: int | None
) -> tuple[tuple[checkpoint.Arrays, Record] | None, tuple[str, ...]]:
    """The checkpoint to go on from, and notes about one that could not be used."""
    if folder is None:
        return None, ()
    try:
        saved = checkpoint.load(folder)
    except checkpoint.DamagedCheckpoint:
        log.warning("checkpoint_damaged", exc_info=True)
        return None, ("The checkpoint could not be read, so the training started over.",)
    if saved is None:
        return None, ()
    try:
        record = Record.model_validate(saved[1])
    except ValidationError as error:
        raise _other(folder) from error
    drawn = record.identity.get("random_seed")
    if record.identity != identity | {"random_seed": drawn} or random_seed not in (None, drawn):
        raise _other(folder)
    return (saved[0], record), ()


def _begun_with(folder: Path | None) -> str | None:
    """Hash of the weights that the training whose checkpoint lies there began with, empty: of none; None where there is
    no checkpoint that can be read."""
    try:
        saved = checkpoint.load(folder) if folder else None
        return None if saved is None else str(saved[1]["identity"]["parent"] or "")
    except (checkpoint.DamagedCheckpoint, KeyError, TypeError):
        return None


def _other(folder: Path | None) -> OtherCheckpoint:
    return OtherCheckpoint(
        "The checkpoint there belongs to another text, another model to start from, or other options.",
        f"Remove the folder {folder.name if folder else ''}, or write the model elsewhere.",
    )
