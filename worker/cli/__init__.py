"""The command line of the worker. TensorFlow is imported only by the commands that need it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, RECIPES, TRAIN_QUEUE
from shared.settings import SettingsError

EX_USAGE = 2
EX_CONFIG = 78  # sysexits.h: retrying cannot help


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


def _run(options: argparse.Namespace) -> int:
    if options.command == "serve":
        from worker.serve import serve

        return serve(options.queue)
    if options.command == "health":
        from worker.serve import health

        return health(options.queue)
    if options.command == "train":
        from worker.cli.training import train_command

        return train_command(options)
    if options.command == "doctor":
        from worker.cli.doctor import doctor

        return doctor(options)
    from worker.cli import commands

    run = {"inspect": commands.inspect, "generate": commands.generate, "evaluate": commands.evaluate}
    return run[options.command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=summary)

    def add_text(command: argparse.ArgumentParser) -> None:
        command.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")
        command.add_argument("--recipe", choices=RECIPES, default="char", help="default: %(default)s")
        command.add_argument("--until", metavar="START", help="only what is before the last line that begins so")
        command.add_argument("--keep-licence", action="store_true", help="keep Project Gutenberg's header and footer")

    inspect = add("inspect", "Say what a recipe makes of a text.")
    add_text(inspect)

    train = add("train", "Train a model.")
    add_text(train)
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model folder to write")
    train.add_argument("--epochs", type=_positive_int, metavar="N")
    train.add_argument("--minutes", type=_positive, metavar="M")
    train.add_argument("--name", help="name of the text, as the model remembers it")
    train.add_argument("--random-seed", type=_seed, metavar="S")

    generate = add("generate", "Continue a seed.")
    generate.add_argument("model", type=Path, metavar="DIR", help="a model folder")
    generate.add_argument("seed", metavar="SEED", nargs="?", default="", help="the text to continue")
    generate.add_argument("--length", type=_positive_int, metavar="N", help="characters to write (default: 300)")
    generate.add_argument("--temperature", type=float, metavar="T", help="0 (always the likeliest) to 2")
    generate.add_argument("--random-seed", type=_seed, metavar="S")
    generate.add_argument(
        "--from-corpus", action="store_true", help="begin with a random window of the corpus, 1,000 characters"
    )

    evaluate = add("evaluate", "Score a text: nats and bits per character.")
    evaluate.add_argument("model", type=Path, metavar="DIR", help="a model folder")
    evaluate.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")

    doctor = add("doctor", "Check this installation.")
    for command in (inspect, train, generate, evaluate, doctor):
        command.add_argument("--json", action="store_true", help="one JSON object on the last line of output")

    for name, summary in (
        ("serve", "Serve a queue until told to stop."),
        ("health", "End with 0 when a worker of this host serves the queue."),
    ):
        add(name, summary).add_argument("queue", choices=(TRAIN_QUEUE, GENERATE_QUEUE))
    return parser


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
