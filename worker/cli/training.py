"""`train`: the progress bar, and Ctrl-C that loses nothing."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

from galvanic.model_file import describe, path_for, path_of
from galvanic.results import Control, Difficulty, Progress, Sample, TrainResult
from shared.errors import UserError
from shared.jobs import TrainOptions
from shared.settings import get_settings
from shared.units import count
from worker.cli.texts import find_source, report

EX_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_RESOLUTION = 1_000


class TerminalHooks:
    """A progress bar on stderr, samples above it; the first Ctrl-C saves and stops, the second just stops."""

    def __init__(self) -> None:
        layout = "{percentage:3.0f}% |{bar:24}| {desc}"
        self._bar: Any = tqdm(total=_RESOLUTION, bar_format=layout, file=sys.stderr)
        self._requested: Control | None = None

    def progress(self, event: Progress) -> None:
        """Move the bar."""
        self._bar.n = min(_RESOLUTION, int(event.done * _RESOLUTION))
        parts: list[str] = [event.doing] if event.doing != "learning" else []
        parts += [f"epoch {event.epoch} step {event.step}/{event.steps}"]
        parts += [f"training {event.train_loss:.3f}"] if event.train_loss is not None else []
        parts += [f"held out {event.heldout_loss:.3f}"] if event.heldout_loss is not None else []
        parts += [f"{event.chars_per_s:,.0f} chars/s"] if event.chars_per_s is not None else []
        parts += [f"{_clock(event.eta_s)} left"] if event.eta_s is not None else []
        self._bar.set_description_str(", ".join(parts), refresh=False)
        self._bar.refresh()

    def sample(self, event: Sample) -> None:
        """Print a sample above the bar."""
        self._bar.write(f"\n--- epoch {event.epoch} ---\n{event.text}\n", file=sys.stderr)

    def trouble(self, what: Difficulty | None) -> None:
        """Print it above the bar."""
        said = "Saved: there is room again." if what is None else "The disk is full. Make room; I go on meanwhile."
        self._bar.write(said, file=sys.stderr)

    def saved(self) -> None:
        """Nothing to print."""

    def control(self) -> Control | None:
        """Whether Ctrl-C was pressed."""
        return self._requested

    def interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        if self._requested:
            raise KeyboardInterrupt
        self._requested = "interrupt"

    def close(self) -> None:
        """Leave the bar where it stands."""
        self._bar.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def train_command(options: argparse.Namespace) -> int:
    """Train a model and write its file."""
    out = path_for(options.out.absolute())
    if out.exists() and not options.force:
        raise UserError(f"{out} is there already.", "Give --out another name, or --force to replace that model.")
    workdir = out.with_name(f".{out.stem}.source")
    try:
        return _train(options, out, workdir)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _train(options: argparse.Namespace, out: Path, workdir: Path) -> int:
    text, info = find_source(
        options.text, workdir, until=options.until, keep_licence=options.keep_licence, name=options.name
    )
    given = {name: getattr(options, name) for name in TrainOptions.model_fields}
    if options.parent is not None and options.recipe is None:
        given["recipe"] = describe(path_of(options.parent)).recipe
    chosen = TrainOptions(**{name: value for name, value in given.items() if value is not None})
    checkpoint = out.with_name(f"{out.stem}.checkpoint")
    for line in (f"{info.title}: {count(info.chars, 'character')}, recipe {chosen.recipe}", *info.notes):
        print(line, file=sys.stderr)

    from galvanic.quiet import import_tensorflow

    import_tensorflow()
    from galvanic.training import TrainingInterrupted, train

    hooks, limits = TerminalHooks(), get_settings().train_limits
    parent = None if options.parent is None else path_of(options.parent)
    former = {number: signal.signal(number, hooks.interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        result = train(text, chosen, info, out=out, checkpoint=checkpoint, hooks=hooks, limits=limits, parent=parent)
    except (TrainingInterrupted, KeyboardInterrupt):
        hooks.close()
        kept = f"The checkpoint is in {checkpoint}. The same command resumes from there."
        print(f"\nInterrupted. {kept if checkpoint.exists() else 'Nothing was saved yet.'}", file=sys.stderr)
        return EX_INTERRUPTED
    finally:
        hooks.close()
        for number, handler in former.items():
            signal.signal(number, handler)
    shutil.rmtree(checkpoint, ignore_errors=True)
    _tell(options, out, result)
    return 0


def _tell(options: argparse.Namespace, out: Path, result: TrainResult) -> None:
    values = {
        "model": str(out),
        "parameters": result.parameters,
        "epochs": result.epochs,
        "epochs_before": result.epochs_before,
        "train_loss": result.train_loss,
        "heldout_loss": result.heldout_loss,
        "copy_share": result.copy_share,
        "seconds": round(result.seconds, 1),
        "stopped": result.stopped,
        "random_seed": result.random_seed,
        "samples": result.samples,
        "curve": [[point.epoch, point.train_loss, point.heldout_loss] for point in result.curve],
        "notes": result.notes,
    }
    heldout = "" if result.heldout_loss is None else f", held out {result.heldout_loss:.4f}"
    before = f" after {result.epochs_before:,} before" if result.epochs_before else ""
    copied = "" if result.copy_share is None else f", {result.copy_share:.0%} of the samples copied"
    lines = [
        *(f"--- sample {number} ---\n{sample}\n" for number, sample in enumerate(result.samples, 1)),
        f"training {result.train_loss:.4f}{heldout} nats a character, {count(result.epochs, 'epoch')}{before}, "
        f"{result.parameters:,} parameters, {_clock(result.seconds)} min{copied}",
        f"model: {out}",
        *result.notes,
    ]
    report(options.json, values, lines)
