"""The command line of the worker. TensorFlow is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, RECIPES, TRAIN_QUEUE, Encoding, StopAt, TrainOptions
from shared.logging import configure_logging
from shared.settings import SettingsError, read_settings

EX_USAGE = 2
EX_CONFIG = 78  # sysexits.h: retrying cannot help
MOST_WEIGHT = 1_000


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status (2: the person's own error, told on stderr)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EX_CONFIG if isinstance(error, SettingsError) else EX_USAGE
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "serve":
        return _serve(options)
    if options.command == "health":
        from worker.serve import health

        return health(options.queue)
    if options.command == "train":
        from worker.cli.training import train_command

        return train_command(options)
    if options.command in ("backup", "restore"):
        from worker.cli.backup import backup_command, restore_command

        return backup_command(options) if options.command == "backup" else restore_command(options)
    if options.command == "doctor":
        from worker.cli.doctor import doctor

        return doctor(options)
    if options.command == "devices":
        from worker.cli.devices import devices

        return devices(options)
    from worker.cli import commands

    run = {
        "inspect": commands.inspect,
        "generate": commands.generate,
        "evaluate": commands.evaluate,
        "export": commands.export,
        "import": commands.import_,
    }
    return run[options.command](options)


def _serve(options: argparse.Namespace) -> int:
    """What is wrong with the settings is told to whoever started it; all after that is in the log."""
    settings = read_settings()
    if options.gpu is not None:
        from worker import gpus

        gpus.use(options.gpu)
    if options.cores is not None:
        from worker.hardware import limit_cores

        limit_cores(options.cores)
    from worker.app import app

    configure_logging(options.queue, settings)  # for what Celery says before it is a worker
    app.start(argv=["worker", "-Q", options.queue])  # ends the process when it is told to stop
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=summary)

    def add_text(command: argparse.ArgumentParser) -> None:
        command.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")
        command.add_argument("--until", metavar="START", help="only what is before the last line that begins so")
        command.add_argument("--keep-licence", action="store_true", help="keep Project Gutenberg's header and licence")

    inspect = add("inspect", "Say what a recipe makes of a text.")
    add_text(inspect)
    inspect.add_argument("--recipe", choices=RECIPES, default="char", help="default: %(default)s")

    train = add("train", "Train a model.")
    add_text(train)
    _add_training(train)

    generate = add("generate", "Continue a seed.")
    _add_generating(generate)

    evaluate = add("evaluate", "Score a text: nats and bits per character.")
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    evaluate.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")
    evaluate.add_argument("--surprise", action="store_true", help="also the nats of each character")

    export = add("export", "Check a model, and write it into another file.")
    export.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    export.add_argument("file", type=Path, metavar="FILE", help="the file to write, NAME.safetensors")

    import_ = add("import", "Check an exported model, and copy it.")
    import_.add_argument("file", type=Path, metavar="FILE", help="a file that export wrote")
    import_.add_argument("model", type=Path, metavar="MODEL", help="the file to write, NAME.safetensors")

    doctor = add("doctor", "Check this installation, and say what to do where it cannot work as it should.")
    devices = add("devices", "List what trainings can run on here: GPUs, or the cores of the processor.")

    backup = add("backup", "Write Redis' state, models and checkpoints into one file; nothing need be stopped.")
    backup.add_argument("file", metavar="FILE", help="the file to write; -: standard output")

    restore = add("restore", "Bring a backup back onto an empty installation.")
    restore.add_argument("file", metavar="FILE", help="a file that backup wrote; -: standard input")
    for command in (inspect, train, generate, evaluate, export, import_, doctor, devices, backup, restore):
        command.add_argument("--json", action="store_true", help="one JSON object on the last line of output")

    serve = add("serve", "Serve a queue until told to stop.")
    serve.add_argument("--gpu", metavar="GPU", help="see this one alone: its number or UUID, as `devices` lists them")
    serve.add_argument("--cores", type=_positive_int, metavar="N", help="compute on so many cores (default: all)")
    health = add("health", "End with 0 when a worker of this host serves the queue.")
    for service in (serve, health):
        service.add_argument("queue", choices=(TRAIN_QUEUE, GENERATE_QUEUE))
    return parser


def _add_training(train: argparse.ArgumentParser) -> None:
    train.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the file to write, NAME.safetensors")
    train.add_argument("--force", action="store_true", help="replace the model that is in --out")
    train.add_argument("--recipe", choices=RECIPES, help="default: char, or that of the model to start from")
    train.add_argument(
        "--from",
        dest="parent",
        type=Path,
        metavar="MODEL",
        help="a model to start from: on its own text or on another, at half the learning rate",
    )
    train.add_argument("--epochs", type=_positive_int, metavar="N", help="default: as many as the minutes allow")
    train.add_argument(
        "--minutes", type=_positive, metavar="M", help="default: TRAIN_MINUTES (8); classic: none, but 4 epochs"
    )
    chosen = train.add_argument_group(
        "network", "By default chosen by the size of the text and the speed of the machine."
    )
    for name, metavar, summary in (
        ("layers", "N", "LSTM layers, 1 to 8 (default: 1; classic: 3)"),
        ("units", "N", "units in each layer, 8 to 4096 (default: 128 to 768; classic: 256, 256, 128)"),
        ("embedding", "N", "width of the embedding, 1 to 4096 (default: char 64, word 256)"),
        ("encoding", None, "how a symbol enters the network (default: embedding)"),
        (
            "dropout",
            "P",
            "share of each layer's outputs dropped, 0 to 0.9 (default: char 0 to 0.5, word 0 to 0.7; classic: 0.2)",
        ),
        ("batch", "N", "texts read side by side, 1 to 4096 (default: at most 64; classic: 256 windows)"),
        ("length", "N", "symbols that each of them shows in a step, 8 to 4096 (default: 64)"),
        ("lr", "R", "the largest learning rate, above 0 to 1 (default: 0.003; classic: 0.001)"),
    ):
        field = "learning_rate" if name == "lr" else name
        if metavar is None:
            chosen.add_argument(f"--{name}", choices=get_args(Encoding), help=summary)
        else:
            chosen.add_argument(f"--{name}", dest=field, type=_option(field), metavar=metavar, help=summary)
    train.add_argument("--name", help="name of the text, as the model remembers it")
    train.add_argument("--random-seed", type=_seed, metavar="S", help="default: random; the output names it")


def _add_generating(generate: argparse.ArgumentParser) -> None:
    generate.add_argument("model", metavar="MODEL", nargs="?", help="the file of a model; left out with --mix")
    generate.add_argument("seed", metavar="SEED", nargs="?", default="", help="the text to continue")
    generate.add_argument(
        "--mix",
        type=_mix,
        metavar="MODEL:0.7,MODEL:0.3",
        help="mix the predictions of several models, by weight; the only other argument is then SEED",
    )
    generate.add_argument("--length", type=_positive_int, metavar="N", help="characters to write (default: 300)")
    generate.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="0 (always the likeliest) to 2 (default: 0.8; classic: 0)",
    )
    generate.add_argument("--top-k", type=_positive_int, metavar="K", help="draw from the K likeliest symbols only")
    generate.add_argument("--top-p", type=float, metavar="P", help="draw from the likeliest that together have P only")
    generate.add_argument(
        "--min-p", type=float, metavar="P", help="draw from those with P of the likeliest one's probability only"
    )
    generate.add_argument(
        "--guard",
        action=argparse.BooleanOptionalAction,
        help="break out of loops (default: yes; classic: no)",
    )
    generate.add_argument("--stop", choices=get_args(StopAt), help="end at the last end of a sentence or line")
    generate.add_argument("--random-seed", type=_seed, metavar="S", help="default: random; the output names it")
    generate.add_argument(
        "--from-corpus", action="store_true", help="begin with a random window of the corpus, 1,000 characters"
    )


def _option(name: str) -> Callable[[str], float]:
    """Reads a number that `TrainOptions` allows for this field."""

    def read(text: str) -> float:
        try:
            number: float = getattr(TrainOptions.model_validate({name: text}), name)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].partition(",")[0]
            raise argparse.ArgumentTypeError(reason.replace("Input should", "must")) from None
        return number

    return read


def _mix(text: str) -> list[tuple[Path, float]]:
    """`MODEL:WEIGHT` pairs; a weight left out is 1."""
    parts: list[tuple[Path, float]] = []
    for part in text.split(","):
        folder, colon, weight = part.rpartition(":")
        try:
            number = float(weight) if colon else 1.0
        except ValueError:
            folder, number = part, 1.0  # a colon of the path, as in C:\models
        if not 0 < number <= MOST_WEIGHT:
            raise argparse.ArgumentTypeError(f"{weight} is no weight: it must be above 0, at most {MOST_WEIGHT:,}")
        parts.append((Path(folder if colon else part), number))
    if len(parts) < 2:
        raise argparse.ArgumentTypeError("name at least two models, as in MODEL:0.7,MODEL:0.3")
    return parts


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError("must be from 0 to 4294967295")
    return number
