"""Train a model: from a text to a model file.

A training goes through these steps, in this order:

1. The text becomes numbers (`galvanic.text`): ids of symbols, [symbols of the text]. A tenth of it at most, its end, is
   held out: nothing learns from that part until the last step.
2. The weights to begin with are chosen: those of a model that a person named (`galvanic.parent`), those of the starter
   if it predicts the held-out part well enough (`galvanic.starter`), or random ones.
3. All passages of up to 7 symbols in the rest of the text are counted: a table of n-grams, which predicts on its own
   (`galvanic.companion`). With it, or with the weights to begin with, a first sample is written.
4. The network and all numbers of its training follow from the text, the machine and the options (`galvanic.plan`).
5. The LSTM learns until its time is up, its epochs are done, or the held-out loss stops falling (`galvanic.loop`).
   Network and table are judged together after each epoch, and the weights of the best epoch are kept.
6. If it began with another model's weights, weights between those and the new ones are tried (`learners.interpolate`).
   Then the weights of the mixture of network and table are fitted to the held-out part.
7. The table is counted again in the whole text, the held-out part included: nothing is fitted after that.
8. Samples are written, searched for copies of the text and for words that don't exist, and the file is written.

Losses are mean negative log probabilities in nats: per symbol in here, per character in what is returned. If a
checkpoint's folder is given, a training that is interrupted goes on from there.
"""

import functools
import glob
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from pydantic import ValidationError

from galvanic import checkpoint, model_file
from galvanic.checkpoint import when_there_is_room
from galvanic.companion import Companion, Fit
from galvanic.copying import copied_share, known_words
from galvanic.errors import UserError
from galvanic.loop import Loop, Record
from galvanic.machine import import_tensorflow, measure_machine
from galvanic.ngrams import Lines
from galvanic.options import CorpusInfo, TrainLimits, TrainOptions
from galvanic.pace import Pace
from galvanic.parent import Parent, check_symbols, child_plan, grown, load_parent
from galvanic.plan import Budget, Plan, Weights, apply_options, fit_to_text, make_plan, spare_memory
from galvanic.results import CurvePoint, Hooks, Stopped, TrainResult, best_point, per_char
from galvanic.samples import SAMPLE_CHARS, SAMPLES, SampleWriter, first_sample, line_start
from galvanic.starter import NO_HELP, candidate, judge
from galvanic.text import Prepared, prepare
from galvanic.text.vocabulary import symbol_counts

CHECKPOINT_VERSION = 3
_NETWORK_OPTIONS = {"recipe", "layers", "units", "embedding", "dropout", "batch", "length", "learning_rate"}
"""Options that a checkpoint depends on. A resumed training must have the same; its epochs and minutes may differ."""

log = structlog.get_logger()


class OtherCheckpoint(UserError):
    """The checkpoint belongs to another text, to other options, or to a version of Galvanic with another network."""


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
    """Train a model on a text, write its file, and return what was measured.

    Args:
        text: the text, or the path of a UTF-8 file, which is never in memory as a whole.
        options: what a person chose. Without minutes or epochs it learns for `limits.minutes` at most.
        corpus: the text's name, source and rights, which the model file carries on.
        out: the model file to write.
        checkpoint: a folder for checkpoints. If it holds one of the same text and options, training goes on there.
        hooks: told about progress and samples, and asked whether to stop.
        limits: this installation's limits.
        plan: a network and its training in place of the default; the options are laid over it.
        parent: the file of a model to go on from. On the text that this one learned from, the result is never worse.
        parent_name: what to call the parent; None: its file's name.
        starter: the file of the starter; None: a new model begins with random weights.
        quiet: discard standard error while TensorFlow is imported, which prints there.
        authors: a number for the author of each line of the text, [lines]; None: one author, or unknown.
        table: whether to mix in a table of n-grams.

    Raises:
        UserError: the text, the options or the parent cannot be used, or the loss diverged.
        OtherCheckpoint: the checkpoint belongs to another training.
        TrainingCancelled: the hooks asked for it.
        TrainingInterrupted: the hooks asked for it; the checkpoint, if there is one, is seconds old at most.
    """
    hooks = hooks or Hooks()
    limits = limits or TrainLimits()
    for old_folder in out.parent.glob(f".{glob.escape(out.name)}.????????.text"):
        shutil.rmtree(old_folder, ignore_errors=True)  # an earlier attempt was killed
    # A name of its own: a later attempt may run while this one ends.
    workdir = out.with_name(f".{out.name}.{secrets.token_hex(4)}.text")
    try:
        saved, notes = _load_checkpoint(checkpoint)
        saved_parent = saved[1].identity.get("parent") if saved else None
        start: Parent | None = None
        if parent:
            start = load_parent(parent, parent_name, options)
        elif options.start or not saved or saved_parent:
            start, start_notes = candidate(starter, options)
            notes += start_notes
        prepared = _prepare(text, options, corpus, start, workdir, hooks)
        hooks.go_on()
        starter_loss = start.description.training.starter_loss if start and start.learned(corpus) else None
        if start and not parent and options.start is None and start.description.weights_sha256 != saved_parent:
            own_loss, bigram_loss = judge(start, prepared)
            if own_loss < bigram_loss:
                starter_loss = own_loss
            else:
                start, notes = None, (*notes, NO_HELP)
                del prepared  # so that the text is not in memory twice
                prepared = _prepare(text, options, corpus, None, workdir, hooks)
        lines = _lines(prepared, authors)
        training = _Training(prepared, options, corpus, plan, start, limits, saved, notes, starter_loss, lines, table)
        return training.run(out, checkpoint, hooks, quiet=quiet)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


@dataclass(frozen=True)
class _Training:
    """One attempt at a training: steps 3 to 8, on a text that is prepared."""

    prepared: Prepared
    options: TrainOptions
    corpus: CorpusInfo
    given_plan: Plan | None  # in place of the default
    parent: Parent | None  # the model that it begins with: one that a person named, or the starter
    limits: TrainLimits
    saved: tuple[checkpoint.Arrays, Record] | None  # the checkpoint to go on from
    notes: tuple[str, ...]  # for the person, about its beginning; a checkpoint has its own
    starter_loss: float | None  # nats a character, before it learned from the text; None: not measured
    lines: Lines | None
    table: bool

    def run(self, out: Path, folder: Path | None, hooks: Hooks, *, quiet: bool) -> TrainResult:
        """Train, with checkpoints in `folder`, and write the model to `out`. Raises as `train`."""
        prepared, options, saved = self.prepared, self.options, self.saved
        drawn: int = saved[1].identity.get("random_seed", 0) if saved else secrets.randbelow(2**32)
        random_seed = drawn if options.random_seed is None else options.random_seed
        identity = self._identity(random_seed)
        if saved and saved[1].identity != identity:
            raise _other_checkpoint(folder)
        companion, initial = self._companion(self.lines), self._initial_weights(random_seed)
        hooks.go_on()
        if not saved:
            # Refuses a network that is too large. The speed of the machine is not known yet.
            plan, _ = self._make_plan(Budget(epochs=options.epochs, memory=spare_memory()))
            start = (plan.network, initial) if initial else None
            if sample := first_sample(prepared, random_seed, companion, start):
                hooks.sample(sample)
                hooks.go_on()  # a person who cancels need not wait for TensorFlow

        # Not sooner: importing TensorFlow takes longer than all that was done so far.
        if quiet:
            import_tensorflow()
        from galvanic.learners import interpolate, make_learner

        hooks.go_on()
        minutes = options.minutes
        if minutes is None and not options.by_epochs:
            minutes = self.limits.minutes
        if saved:
            arrays, record = saved
        else:
            plan, notes = self._make_plan(Budget(minutes, options.epochs, measure_machine(), spare_memory()))
            notes = (*self.notes, *notes)
            record = Record(identity=identity, plan=plan, notes=list(notes), starter_loss=self.starter_loss)
        plan = record.plan
        writer = SampleWriter(prepared, plan.network, random_seed, companion)
        learner = make_learner(plan, prepared, random_seed)
        pace = Pace(plan, learner.steps, options.epochs or plan.epochs, minutes, record.at)

        def fit_mixture(table: Companion, poll: Callable[[], object], **how: Any) -> Fit:
            """Fit the mixture's weights to the held-out part, as `Companion.fitted`."""
            predictions = functools.partial(learner.heldout_predictions, poll)
            return table.fitted(predictions, len(prepared.heldout), prepared.ids, **how)

        def heldout_loss(poll: Callable[[], object] = hooks.go_on) -> float | None:
            """Return the held-out loss of network and table together, the table's weights fitted anew."""
            if not (writer.companion and len(prepared.heldout)):
                return learner.heldout(poll)
            fit = fit_mixture(writer.companion, poll, some_places=True)
            writer.companion = fit.companion
            return fit.loss

        loop = Loop(learner, pace, hooks, heldout_loss, writer.after_epoch, folder, record, self.limits.checkpoint_s)
        if saved:
            try:
                loop.restore(arrays)
                arrays.clear()  # the learner has copies
            except (KeyError, ValueError, TypeError) as error:
                raise _other_checkpoint(folder) from error
        elif initial:
            learner.set_weights(initial)
            if self.parent and self.parent.is_starter:
                loop.tell("measuring")
                # `judge` measures some pieces. Cards compare this loss with those on all that is held out.
                if (loss := learner.heldout(hooks.go_on)) is not None:
                    record.starter_loss = per_char(loss, prepared.heldout_density)
        # On the text that it learned from, the parent itself is epoch 0 of the curve, and may be the best of it.
        parent = self.parent if self.parent and self.parent.learned(self.corpus) else None
        stopped = loop.run(start=parent.description.training.train_loss if parent else None)
        loop.tell("finishing")
        had_all_epochs = stopped == "done" and record.curve[-1].epoch >= pace.epochs  # its loss stayed a number
        if had_all_epochs and minutes and not options.by_epochs:
            record.notes += _note_early_end(pace, minutes)
        if len(record.curve) > 1 and best_point(record.curve).epoch == 0:
            record.notes.append("More training made it no better: the model is as it was before.")

        density = prepared.heldout_density
        best = best_point(record.curve) if record.curve else None
        # A parent that no epoch made better stays as it is.
        if initial and plan.network.kind == "streams" and best and best.epoch and best.heldout_loss is not None:
            loop.best = interpolate(learner, loop.best, best.heldout_loss / density, initial, heldout_loss)
        learner.set_weights(loop.best)
        losses: dict[str, float | None] = {}
        if writer.companion and len(prepared.heldout):
            # The loss of "the table alone" is what a Markov bot would reach, which counts everybody's passages.
            unrestricted = self._companion(None) if self.lines else None
            how = {"alone": unrestricted, "to_read": True}
            fit = fit_mixture(writer.companion, hooks.go_on, **how)
            writer.companion = fit.companion.recounted(prepared.ids, prepared.recipe, self.lines)
            losses = {"heldout_loss": fit.loss, "ngrams_loss": fit.table_loss, "network_loss": fit.network_loss}
        else:
            losses["heldout_loss"] = losses["network_loss"] = learner.heldout(hooks.go_on)
        model_file.check_weights(loop.best)
        measured = {name: per_char(loss, density) for name, loss in losses.items() if loss is not None}
        result = self._result(loop, stopped, writer, random_seed, measured)
        when_there_is_room(lambda: self._save(out, loop, writer, result), hooks)
        return result

    def _companion(self, lines: Lines | None) -> Companion | None:
        """Return the table of n-grams of this text, whatever a parent learned; None if this model is to have none."""
        unknown_authors = self.corpus.source == "channel" and self.lines is None
        if not self.table or self.options.recipe == "classic" or unknown_authors:
            return None
        prepared = self.prepared
        return Companion.counted(prepared.training, len(prepared.vocabulary), prepared.recipe, lines)

    def _identity(self, random_seed: int) -> dict[str, Any]:
        """Return what a checkpoint must agree with. Not the plan, which depends on the machine's speed at that time."""
        return {
            "version": CHECKPOINT_VERSION,
            "corpus": self.corpus.sha256,
            "symbols": len(self.prepared.ids),
            "options": self.options.model_dump(mode="json", include=_NETWORK_OPTIONS),
            "plan": self.given_plan.model_dump(mode="json") if self.given_plan else None,
            "parent": self.parent.description.weights_sha256 if self.parent else None,
            "random_seed": random_seed,
        }

    def _initial_weights(self, random_seed: int) -> Weights | None:
        """Return the parent's weights, extended to this text's symbols; None without a parent."""
        if self.parent is None:
            return None
        counts = symbol_counts(self.prepared.training, len(self.prepared.vocabulary))
        random = np.random.default_rng((random_seed, 1))
        return grown(self.parent, self.prepared.vocabulary.symbols, counts, random)

    def _make_plan(self, budget: Budget) -> tuple[Plan, tuple[str, ...]]:
        """Return the plan, and notes for the person. Raises UserError if the options contradict each other, or the
        network is too large for this machine, or to write with."""
        options, symbols, parent = self.options, len(self.prepared.vocabulary), self.parent
        plan = self.given_plan or make_plan(
            options.recipe,
            symbols,
            self.prepared.learned,
            budget,
            parent.description.network if parent else None,
            from_starter=parent is not None and parent.from_starter,
        )
        plan = apply_options(plan, options)
        if parent:
            plan = child_plan(plan, parent, symbols)
        plan.network.check_pace()
        plan, notes = fit_to_text(plan, self.prepared.learned)
        plan.check_memory()
        return plan, notes

    def _result(
        self,
        loop: Loop,
        stopped: Stopped,
        writer: SampleWriter,
        random_seed: int,
        measured: dict[str, float],
    ) -> TrainResult:
        record = loop.record
        best = best_point(record.curve) if record.curve else CurvePoint(0, float(np.log(len(self.prepared.vocabulary))))
        samples = writer.at_the_end(loop.best, measured.get("heldout_loss", best.watched))
        known_share, usual_known_share = known_words(samples, self.prepared)
        return TrainResult(
            parameters=record.plan.network.parameters(),
            network_because=record.plan.because,
            parent=self.parent.name if self.parent else None,
            epochs=record.curve[-1].epoch if record.curve else 0,
            epochs_before=self.parent.epochs if self.parent else 0,
            train_loss=best.train_loss,
            **measured,
            starter_loss=record.starter_loss,
            known_words=known_share,
            usual_known_words=usual_known_share,
            copy_share=copied_share(samples, self.prepared.parts()),
            curve=tuple(record.curve),
            samples=tuple(writer.cut(sample, SAMPLE_CHARS) for sample in samples[:SAMPLES]),
            seconds=record.at.seconds,
            stopped=stopped,
            random_seed=random_seed,
            notes=(*self.corpus.notes, *self.prepared.notes, *record.notes),
        )

    def _save(self, out: Path, loop: Loop, writer: SampleWriter, result: TrainResult) -> None:
        prepared = self.prepared
        counts = symbol_counts(prepared.ids, len(prepared.vocabulary))
        description = model_file.Description(
            recipe=self.options.recipe,
            symbols=prepared.vocabulary.symbols,
            network=loop.record.plan.network,
            unwrapped=prepared.unwrapped,
            # Good & Turing: a symbol is new as often as symbols came that came only once.
            unseen=(int((counts == 1).sum()) + 1) / (len(prepared.ids) + 2),
            corpus=self.corpus,
            lineage=self.parent.lineage if self.parent else (),
            options=self.options,
            training=result,
        )
        # Members may withdraw their words, so a channel's model keeps no piece of its text.
        windows = line_start(prepared) if self.corpus.source == "channel" else writer.windows
        model_file.save(out, description, loop.best, windows, writer.companion)


def _prepare(
    text: str | Path, options: TrainOptions, corpus: CorpusInfo, start: Parent | None, workdir: Path, hooks: Hooks
) -> Prepared:
    """Turn the text into numbers; the symbols of the model that it begins with come first.

    Waits while the disk is full. Raises UserError if the text, or its symbols for this model, cannot be used.
    """
    known = start.description.symbols if start else ()

    def prepare_in_workdir() -> Prepared:
        try:
            return prepare(text, options.recipe, corpus.hard_wrapped, known=known, workdir=workdir)
        except OSError:
            shutil.rmtree(workdir, ignore_errors=True)  # half a text must not take up disk space
            raise

    prepared = when_there_is_room(prepare_in_workdir, hooks)
    try:  # a model file could not hold such symbols: refuse them before the training
        "".join(prepared.vocabulary.symbols).encode()
    except UnicodeEncodeError:
        raise UserError("The text contains broken characters (lone surrogates).", "Save it as UTF-8 again.") from None
    if start:
        check_symbols(start, prepared.vocabulary.symbols)
    return prepared


def _lines(prepared: Prepared, authors: npt.NDArray[Any] | None) -> Lines | None:
    """Return where the text's lines end and who wrote each; None if it has one author, or they are unknown."""
    ids, symbols = prepared.ids, prepared.vocabulary.symbols
    if authors is None or "\n" not in symbols:
        return None
    ends = np.flatnonzero(ids == symbols.index("\n"))
    all_lines_end = len(ends) == len(authors) and len(ends) > 0 and ends[-1] == len(ids) - 1
    return Lines(ends, authors) if all_lines_end else None


def _note_early_end(pace: Pace, minutes: float) -> tuple[str, ...]:
    """Say why a training ended well before its time limit."""
    taken = pace.position.seconds / 60
    if taken > 0.8 * minutes:
        return ()
    return (
        f"It used {taken:.1f} of {minutes:g} minutes: after {pace.epochs} epochs, a text of this length is only "
        "memorised. Use --epochs for more.",
    )


def _load_checkpoint(folder: Path | None) -> tuple[tuple[checkpoint.Arrays, Record] | None, tuple[str, ...]]:
    """Return the checkpoint to go on from, if there is one, and a note if it could not be read.

    Raises OtherCheckpoint if another version wrote it.
    """
    try:
        saved = checkpoint.load(folder) if folder else None
        return saved and (saved[0], Record.model_validate(saved[1])), ()
    except checkpoint.DamagedCheckpoint:
        log.warning("checkpoint_damaged", exc_info=True)
        return None, ("The checkpoint could not be read, so the training started over.",)
    except ValidationError as error:
        raise _other_checkpoint(folder) from error


def _other_checkpoint(folder: Path | None) -> OtherCheckpoint:
    return OtherCheckpoint(
        "The checkpoint there belongs to another text, another model to start from, or other options.",
        f"Remove the folder {folder.name if folder else ''}, or write the model elsewhere.",
    )
