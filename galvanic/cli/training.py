"""`train`: Ctrl-C loses nothing."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from galvanic.cli.base import Cli, given_options, report
from galvanic.errors import UserError
from galvanic.model_file import describe, path_for, path_of
from galvanic.options import TrainOptions
from galvanic.progress import Bar, clock
from galvanic.results import TrainResult
from galvanic.units import count

EX_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def train_command(options: argparse.Namespace, cli: Cli) -> int:
    out = path_for(options.out.absolute())
    if out.exists() and not options.force:
        raise UserError(f"{out} is there already.", "Give --out another name, or --force to replace that model.")
    workdir = out.with_name(f".{out.stem}.source")
    try:
        return _train(options, cli, out, workdir)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _train(options: argparse.Namespace, cli: Cli, out: Path, workdir: Path) -> int:
    text, info = cli.find_source(options, workdir)
    if options.name:
        info = info.model_copy(update={"name": options.name})
    given = given_options(TrainOptions, options)
    if options.parent is not None and options.recipe is None:
        given["recipe"] = describe(path_of(options.parent)).recipe
    chosen = TrainOptions(**given)
    checkpoint = out.with_name(f"{out.stem}.checkpoint")
    for line in (f"{info.title}: {count(info.chars, 'character')}, recipe {chosen.recipe}", *info.notes):
        print(line, file=sys.stderr)

    from galvanic.machine import import_tensorflow

    import_tensorflow()
    from galvanic.training import TrainingInterrupted, train

    parent = None if options.parent is None else path_of(options.parent)
    try:
        with Bar("interrupt") as hooks:
            result = train(
                text, chosen, info, out=out, checkpoint=checkpoint, hooks=hooks, limits=cli.limits(), parent=parent
            )
    except (TrainingInterrupted, KeyboardInterrupt):
        kept = f"The checkpoint is in {checkpoint}. The same command resumes from there."
        print(f"\nInterrupted. {kept if checkpoint.exists() else 'Nothing was saved yet.'}", file=sys.stderr)
        return EX_INTERRUPTED
    shutil.rmtree(checkpoint, ignore_errors=True)
    _tell(options, out, result)
    return 0


def _tell(options: argparse.Namespace, out: Path, result: TrainResult) -> None:
    values = {"model": str(out), **result.model_dump(), "seconds": round(result.seconds, 1)}
    heldout = "" if result.heldout_loss is None else f", held out {result.heldout_loss:.4f}"
    before = f" after {result.epochs_before:,} before" if result.epochs_before else ""
    copied = "" if result.copy_share is None else f", {result.copy_share:.0%} of the samples copied"
    lines = [
        *(f"--- sample {number} ---\n{sample}\n" for number, sample in enumerate(result.samples, 1)),
        f"training {result.train_loss:.4f}{heldout} nats a character, {count(result.epochs, 'epoch')}{before}, "
        f"{result.parameters:,} parameters, {clock(result.seconds)} min{copied}",
        f"model: {out}",
        *result.notes,
    ]
    report(options.json, values, lines)
