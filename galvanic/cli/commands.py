"""The engine's commands. Each returns its exit status."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from galvanic import model_file
from galvanic.cli.base import Cli, report, typed_options
from galvanic.errors import UserError
from galvanic.model_file import STARTER_FILE, describe, path_for, path_of, start_of
from galvanic.options import GenerateOptions, TrainOptions
from galvanic.progress import Bar
from galvanic.results import TrainingInterrupted, TrainResult
from galvanic.text import TextOptions, prepare
from galvanic.units import MEGABYTE, count, course
from galvanic.verdict import Verdict, verdict

if TYPE_CHECKING:
    from galvanic.generate import Author, TextModel

DEMONSTRATION_LENGTH = 1_000  # characters that the tutorial writes from a window of its corpus


def inspect(options: argparse.Namespace, cli: Cli) -> int:
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        source, info = cli.find_source(options, workdir)
        how = TextOptions(options.recipe or "char", info.hard_wrapped)
        # The ids of a large text are in a file as well, which is deleted with the folder.
        prepared = prepare(source, how, workdir=None if isinstance(source, str) else workdir)
    values = {
        "recipe": prepared.recipe,
        "characters": prepared.characters,
        "symbols": len(prepared.ids),
        "distinct": len(prepared.vocabulary),
        "patterns": prepared.patterns,
        "training": prepared.learned_chars,
        "heldout": prepared.heldout_chars,
        "given": info.chars,
        "notes": [*info.notes, *prepared.notes],
    }
    lines = [
        f"text         {info.title}, {count(info.chars, 'character')} as given",
        f"recipe       {prepared.recipe}",
        f"characters   {prepared.characters:,}",
        *([f"symbols      {len(prepared.ids):,}"] if len(prepared.ids) != prepared.characters else []),
        f"distinct     {len(prepared.vocabulary):,}",
        f"patterns     {prepared.patterns:,}",
        f"held out     {prepared.heldout_chars:,}, the rest is learned from",
        *info.notes,
        *prepared.notes,
    ]
    report(options.json, values, lines)
    return 0


def generate(options: argparse.Namespace, cli: Cli) -> int:
    author, seed = _author(options)
    default = DEMONSTRATION_LENGTH if options.from_corpus else cli.length()
    chosen = {"length": default, **typed_options(GenerateOptions, options)}
    written = author.generate(seed, from_line=not seed.strip() and not options.from_corpus, **chosen)
    least = "" if written.min_p is None else f"min-p {written.min_p:g}, "
    how = f"[temperature {written.temperature:g}, {least}random seed {written.random_seed}, {written.seconds:.2f} s]"
    report(options.json, vars(written), [written.seed + written.text, "", how, *written.notes])
    return 0


def _author(options: argparse.Namespace) -> tuple[Author, str]:
    """Return the model, or the mixture of models, to write with, and the seed."""
    if not options.mix:
        if options.model is None:
            raise UserError(
                "There is no model to write with.",
                "Give a model, or several with --mix; `starter` is the English that I come with.",
            )
        return _load(Path(options.model)), options.seed
    if options.model is not None and options.seed:
        raise UserError(
            "--mix names the models, so the only other argument is the seed.",
            "Leave out the model, and put the seed in quotes.",
        )
    models = [(_load(path), weight) for path, weight in options.mix]
    from galvanic.generate import Mixture

    return Mixture(models), options.model or ""


def evaluate(options: argparse.Namespace, cli: Cli) -> int:
    text, info = cli.find_text(options.text, None)
    assert isinstance(text, str)  # without a folder every file is read into memory
    model = _load(options.model)
    score = model.score(text)
    values: dict[str, Any] = {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "chars": score.chars,
        "notes": [*info.notes, *score.notes],
    }
    lines = [
        f"{score.nats_per_char:.4f} nats, {score.bits_per_char:.4f} bits a character over "
        f"{count(score.chars, 'character')}",
        *info.notes,
        *score.notes,
    ]
    if options.surprise:
        costs = list(zip(text, score.nats, strict=True))
        values["surprise"] = [[char, round(cost, 4)] for char, cost in costs]
        lines += [f"{cost:8.4f}  {char if char.isprintable() else repr(char)[1:-1]}" for char, cost in costs]
    report(options.json, values, lines)
    return 0


def export(options: argparse.Namespace) -> int:
    path = _new_file(options.file, options)
    model_file.export(path_of(options.model), path)
    size = path.stat().st_size
    report(options.json, {"file": str(path), "bytes": size}, [f"{path}: {size / MEGABYTE:,.1f} MB"])
    return 0


def import_(options: argparse.Namespace) -> int:
    model = _new_file(options.model, options)
    model_file.export(path_of(options.file), model)
    description = describe(model)
    values = {
        "model": str(model),
        "recipe": description.recipe,
        "corpus": description.corpus.title,
        "licence": description.corpus.licence,
        "parameters": description.network.parameters(),
    }
    lines = [
        f"{model}: {description.recipe}, {description.network.parameters():,} parameters, "
        f"learned from {description.corpus.title}",
        *([description.corpus.licence] if description.corpus.licence else []),
        *_verdict_lines(verdict(description.training, description.options)),
    ]
    report(options.json, values, lines)
    return 0


def _verdict_lines(judgement: Verdict) -> list[str]:
    figures = [f"{name}: {value}" for name, value in judgement.figures.items()]
    return [judgement.headline, *figures] if judgement.headline else figures


def _new_file(name: Path, options: argparse.Namespace) -> Path:
    """Return where to write a model. Raises UserError if a file is there and `--force` was not given."""
    path = path_for(name)
    if path.exists() and not options.force:
        raise UserError(f"{path} is there already.", "Name another file, or add --force to replace that model.")
    return path


def _load(path: Path) -> TextModel:
    from galvanic.generate import load_model

    return load_model(path_of(path))


EX_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def train(options: argparse.Namespace, cli: Cli) -> int:
    out = _new_file(options.out.absolute(), options)
    workdir = out.with_name(f".{out.stem}.source")
    try:
        return _train(options, cli, out, workdir)
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _train(options: argparse.Namespace, cli: Cli, out: Path, workdir: Path) -> int:
    text, info = cli.find_source(options, workdir)
    if options.name:
        info = info.model_copy(update={"name": options.name})
    typed = typed_options(TrainOptions, options)
    parent = None
    if (start := start_of(options.parent)) is not None:
        typed["start"] = start
    elif options.parent is not None:
        parent = path_of(options.parent)
        if options.recipe is None:
            typed["recipe"] = describe(parent).recipe
    chosen = TrainOptions(**typed)
    checkpoint = out.with_name(f"{out.stem}.checkpoint")
    for line in (f"{info.title}: {count(info.chars, 'character')}, recipe {chosen.recipe}", *info.notes):
        print(line, file=sys.stderr)

    from galvanic import training

    places: dict[str, Any] = {"out": out, "checkpoint": checkpoint, "parent": parent, "starter": STARTER_FILE}
    try:
        with Bar("interrupt") as hooks:
            result = training.train(text, chosen, info, **places, hooks=hooks, limits=cli.limits(), quiet=True)
    except (TrainingInterrupted, KeyboardInterrupt):
        kept = f"The checkpoint is in {checkpoint}. The same command resumes from there."
        print(f"\nInterrupted. {kept if checkpoint.exists() else 'Nothing was saved yet.'}", file=sys.stderr)
        return EX_INTERRUPTED
    shutil.rmtree(checkpoint, ignore_errors=True)
    _report_training(options, chosen, out, result)
    return 0


def _report_training(options: argparse.Namespace, chosen: TrainOptions, out: Path, result: TrainResult) -> None:
    judgement = verdict(result, chosen)
    values = {
        "model": str(out),
        **result.model_dump(),
        "seconds": round(result.seconds, 1),
        "verdict": judgement.kind,
        "next": judgement.step,
    }
    went = course(result.epochs, result.seconds, result.stopped, result.epochs_before)
    lines = [
        *(f"--- sample {number} ---\n{sample}\n" for number, sample in enumerate(result.samples, 1)),
        *_verdict_lines(judgement),
        f"Training: {went}",
        f"Network: {result.parameters:,} parameters, {result.network_because}",
        f"model: {out}",
        *result.notes,
    ]
    report(options.json, values, lines)
