"""The engine's commands. Each returns its exit status."""

import argparse
import contextlib
import fcntl
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from galvanic.cli.base import Cli, report, typed_options
from galvanic.cli.models import new_path
from galvanic.errors import UserError
from galvanic.model_file import STARTER_FILE, find_parent, path_of
from galvanic.options import GenerateOptions, TrainOptions, checked
from galvanic.progress import Bar
from galvanic.read.chat import ChatOptions, preview
from galvanic.results import TrainingInterrupted, TrainResult
from galvanic.training_log import TrainingLog
from galvanic.units import count, course
from galvanic.verdict import verdict

if TYPE_CHECKING:
    from galvanic.generate import TextModel


def generate(options: argparse.Namespace, cli: Cli) -> int:
    model, seed = _load(options.model), options.seed
    chosen = {"length": cli.length(), **typed_options(GenerateOptions, options)}
    written = model.generate(seed, from_line=not seed.strip() and not options.from_corpus, **chosen)
    least = "" if written.min_p is None else f"min-p {written.min_p:g}, "
    how = f"[temperature {written.temperature:g}, {least}random seed {written.random_seed}, {written.seconds:.2f} s]"
    report(options.json, vars(written), [written.seed + written.text, "", how, *written.notes])
    return 0


def evaluate(options: argparse.Namespace, cli: Cli) -> int:
    text, info, _ = cli.find_text([options.text], None)
    assert isinstance(text, str)  # without a folder every file is read into memory
    score = _load(options.model).score(text)
    notes = [*info.notes, *score.notes]
    values: dict[str, Any] = {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "chars": score.chars,
        "notes": notes,
    }
    losses = f"{score.nats_per_char:.4f} nats, {score.bits_per_char:.4f} bits a character"
    lines = [f"{losses} over {count(score.chars, 'character')}", *notes]
    report(options.json, values, lines)
    return 0


def _load(name: str) -> "TextModel":
    """Load a model, and compile what writes and scores texts, which takes time once. Raises UserError as `load`."""
    from galvanic.compiled import KEPT_IN
    from galvanic.generate import load_model
    from galvanic.streams import compile_loop

    model = load_model(path_of(name))
    if not (KEPT_IN and any(Path(KEPT_IN).iterdir())):
        print(f"Compiling{', the first time only' if KEPT_IN else ''}: half a minute.", file=sys.stderr)
    compile_loop()
    return model


def train(options: argparse.Namespace, cli: Cli) -> int:
    out = new_path(options.out, force=options.force).absolute()
    folders = [Path(name).resolve() for name in options.text if Path(name).is_dir()]
    if options.log_dir and any(options.log_dir.resolve().is_relative_to(folder) for folder in folders):
        raise UserError("The log would be read as a part of the text.", "Name a --log-dir outside of its folder.")
    with _alone(out):
        return _train(options, cli, out)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other commands from training to the same file meanwhile. Raises UserError: one does already."""
    path = out.with_name(f".{out.stem}.lock")
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            problem = f"Another command is training {out.name}."
            raise UserError(problem, "Wait for its end, or name another --out.") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _train(options: argparse.Namespace, cli: Cli, out: Path) -> int:
    workdir, checkpoint = out.with_name(f".{out.stem}.source"), out.with_name(f"{out.stem}.checkpoint")
    try:
        chat_options = ChatOptions(**{name: getattr(options, name) for name in ChatOptions.__dataclass_fields__})
        text, info, chat = cli.find_text(options.text, workdir, chat_options)
        if chat is not None:
            print("\n".join(preview(chat, chat_options)), file=sys.stderr)
        if options.name:
            info = info.model_copy(update={"name": options.name})
        parent, implied = find_parent(options.parent)
        chosen = checked(TrainOptions, {**implied, **typed_options(TrainOptions, options)})
        for line in (f"{info.title}: {info.extent}, recipe {chosen.recipe}", *info.notes):
            print(line, file=sys.stderr)

        from galvanic import training

        if checkpoint.exists():
            print(f"Going on from {checkpoint}.", file=sys.stderr)
        places: dict[str, Any] = {"out": out, "checkpoint": checkpoint, "parent": parent, "starter": STARTER_FILE}
        with Bar("interrupt") as bar:
            hooks = TrainingLog(bar, options.log_dir) if options.log_dir else bar
            result = training.train(text, chosen, info, **places, hooks=hooks, limits=cli.limits(), quiet=True)
    except (TrainingInterrupted, KeyboardInterrupt):
        kept = f"The checkpoint is in {checkpoint}. The same command, with other --minutes if you like, resumes there."
        print(f"\nInterrupted. {kept if checkpoint.exists() else 'Nothing was saved yet.'}", file=sys.stderr)
        return 130  # 128 + SIGINT, as a shell reports it
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
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
        *filter(None, [judgement.headline]),
        *(f"{name}: {value}" for name, value in judgement.figures.items()),
        f"Training: {went}",
        f"Network: {result.parameters:,} parameters, {result.network_because}",
        f"Random seed: {result.random_seed}",
        f"model: {out}",
        *result.notes,
    ]
    report(options.json, values, lines)
