"""`galvanic`: the engine on the command line, and whatever is installed around it.

The server's commands join as plugins: entry points of the group `galvanic.commands`, each a function that gets a `Cli`.
TensorFlow is imported only by the commands that need it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from galvanic.cli.base import Cli, positive_int
from galvanic.errors import UserError
from galvanic.options import RECIPES, Encoding, StopAt, TrainOptions

MOST_WEIGHT = 1_000

Plugin = Callable[[Cli], None]


def main(arguments: list[str] | None = None, plugins: Iterable[Plugin] | None = None, program: str = "galvanic") -> int:
    """Run one command; return its exit status (2: the person's own error). `plugins`: None: those installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    cli = Cli(program)
    _add_engine(cli)
    for plugin in _installed() if plugins is None else plugins:
        plugin(cli)
    try:
        return cli.run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # The reader of the output has gone; Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _installed() -> Iterable[Plugin]:
    """The plugins that can be imported, with all that they need; somebody's own `worker.py` is none of them."""
    for entry in entry_points(group="galvanic.commands"):
        try:
            plugin: Plugin = entry.load()
        except (ImportError, AttributeError):
            continue
        yield plugin


def _add_engine(cli: Cli) -> None:
    from galvanic.cli import commands
    from galvanic.cli.training import train_command

    def add_text(command: argparse.ArgumentParser) -> None:
        command.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")
        command.add_argument("--until", metavar="START", help="only what is before the last line that begins so")
        command.add_argument("--keep-licence", action="store_true", help="keep Project Gutenberg's header and licence")

    inspect = cli.add("inspect", "Say what a recipe makes of a text.", lambda given: commands.inspect(given, cli))
    add_text(inspect)
    inspect.add_argument("--recipe", choices=RECIPES, default="char", help="default: %(default)s")

    train = cli.add("train", "Train a model.", lambda given: train_command(given, cli))
    add_text(train)
    _add_training(train)

    generate = cli.add("generate", "Continue a seed.", lambda given: commands.generate(given, cli))
    _add_generating(generate)

    score = "Score a text: nats and bits per character."
    evaluate = cli.add("evaluate", score, lambda given: commands.evaluate(given, cli))
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    evaluate.add_argument("text", metavar="TEXT", help="a file, or a name from the catalogue")
    evaluate.add_argument("--surprise", action="store_true", help="also the nats of each character")

    export = cli.add("export", "Check a model, and write it into another file.", commands.export)
    export.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    export.add_argument("file", type=Path, metavar="FILE", help="the file to write, NAME.safetensors")

    import_ = cli.add("import", "Check an exported model, and copy it.", commands.import_)
    import_.add_argument("file", type=Path, metavar="FILE", help="a file that export wrote")
    import_.add_argument("model", type=Path, metavar="MODEL", help="the file to write, NAME.safetensors")


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
    train.add_argument("--epochs", type=positive_int, metavar="N", help="default: as many as the minutes allow")
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
    generate.add_argument("--length", type=positive_int, metavar="N", help="characters to write (default: 300)")
    generate.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="0 (always the likeliest) to 2 (default: 0.8; classic: 0)",
    )
    generate.add_argument("--top-k", type=positive_int, metavar="K", help="draw from the K likeliest symbols only")
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
