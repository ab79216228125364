"""The command `galvanic`: the engine on the command line, and in a checkout the server's commands.

The server's commands are plugins, functions that get a `Cli`. The wheel holds the engine alone.
TensorFlow is imported only by the commands that need it.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import shtab

from galvanic.cli.base import Cli, add_options
from galvanic.errors import UserError
from galvanic.options import GenerateOptions, TrainOptions

Plugin = Callable[[Cli], None]
_SERVER = ("launcher.command", "bot.command", "worker.cli")
"""Modules of a checkout that have a plugin, the function `register`."""


def main(arguments: list[str] | None = None, plugins: Iterable[Plugin] | None = None) -> int:
    """Run a command; return its exit status, which is 2 for wrong input. `plugins`: by default the checkout's."""
    cli = Cli("galvanic")
    _add_engine(cli)
    _add_completion(cli)
    for plugin in _of_checkout() if plugins is None else plugins:
        plugin(cli)
    return run(cli, arguments)


def run(cli: Cli, arguments: list[str] | None) -> int:
    """Run a command, and print what is wrong as one line; return the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # characters that the terminal's encoding lacks
    try:
        return cli.run(arguments)
    except BrokenPipeError:
        # The reader of the output is gone. Without this, Python would report it again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as a shell reports it
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}.", file=sys.stderr)
        return 1


def _add_completion(cli: Cli) -> None:
    def complete(options: argparse.Namespace) -> int:
        print(shtab.complete(cli.parser, options.shell))
        return 0

    summary = "Print a script that completes commands and options in your shell."
    cli.add("completion", summary, complete, json=False).add_argument("shell", choices=shtab.SUPPORTED_SHELLS)


def _of_checkout() -> Iterable[Plugin]:
    """Yield the server's plugins that can be imported with all that they need; none if this is no checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".env.example").is_file():  # ours; a pyproject.toml may lie beside any package
        return
    if str(root) not in sys.path:
        sys.path.append(str(root))
    for name in _SERVER:
        try:
            plugin: Plugin = importlib.import_module(name).register
        except (ImportError, AttributeError):
            continue
        yield plugin


def _add_engine(cli: Cli) -> None:
    from galvanic.cli import commands, models
    from galvanic.exports import FORMATS

    def add_force(command: argparse.ArgumentParser) -> None:
        command.add_argument("--force", action="store_true", help="replace what is there")

    train = cli.add("train", "Train a model.", lambda options: commands.train(options, cli))
    train.add_argument("text", metavar="TEXT", nargs="+", help="files or folders; in a checkout, a catalogue name")
    train.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the file to write, NAME.safetensors")
    add_force(train)
    train.add_argument("--log-dir", type=Path, metavar="DIR", help="log it there: log.csv, and files for TensorBoard")
    starts = "a model to start from, on its own text or another; starter: the English that I come with; none: nothing"
    train.add_argument(
        "--from", dest="parent", metavar="MODEL", help=f"{starts} (default: the starter where it helps the text)"
    )
    add_options(train, TrainOptions, "recipe", "epochs", "minutes", "name", "random_seed")
    chat = train.add_argument_group("chats", "Whose messages of an exported chat are learned, and how.")
    people = "whose messages are {}: names as in the chat, with commas between them"
    for name, effect in (("--only", "learned"), ("--without", "left out")):
        chat.add_argument(name, type=lambda names: (names,), default=(), metavar="NAMES", help=people.format(effect))
    chat.add_argument("--speakers", action="store_true", help="begin each line with an invented name for its author")
    column = "the column of a table, or the field of JSON lines, that holds {}"
    chat.add_argument("--text-column", default="", metavar="NAME", help=column.format("the text"))
    chat.add_argument("--speaker-column", default="", metavar="NAME", help=column.format("who wrote it"))
    chosen = train.add_argument_group("network", "By default chosen by the text's size and the machine's speed.")
    network = ("layers", "units", "embedding", "dropout", "batch", "length", "learning_rate")
    add_options(chosen, TrainOptions, *network)

    generate = cli.add("generate", "Continue a seed.", lambda options: commands.generate(options, cli))
    generate.add_argument("model", type=Path, metavar="MODEL", help="a model's file, or starter")
    generate.add_argument("seed", metavar="SEED", nargs="?", default="", help="the text to continue")
    add_options(generate, GenerateOptions, *GenerateOptions.model_fields)

    score = "Score a text: nats and bits per character."
    evaluate = cli.add("evaluate", score, lambda options: commands.evaluate(options, cli))
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    evaluate.add_argument("text", metavar="TEXT", help="a file; in a checkout, a catalogue name")

    export = cli.add("export", "Check a model, and write it in a format.", models.export)
    export.add_argument("model", type=Path, metavar="MODEL", help="the file of a model")
    export.add_argument("file", type=Path, metavar="FILE", help="what to write; an ending may be left out")
    formats = "; ".join(f"{name}: {each.summary}" for name, each in FORMATS.items())
    export.add_argument("--format", choices=FORMATS, help=f"{formats} (default: by FILE's ending, else safetensors)")
    add_force(export)

    inspect = cli.add("inspect", "Tell what a model is, and how well it writes.", models.inspect)
    inspect.add_argument("model", type=Path, metavar="MODEL", help="a model's file or folder, or starter")

    import_ = cli.add("import", "Check somebody's model, and write it as a model file.", models.import_)
    import_.add_argument("model", type=Path, metavar="MODEL", help="a model's file or folder (hf)")
    import_.add_argument("--out", type=Path, required=True, metavar="NAME", help="the file to write, NAME.safetensors")
    add_force(import_)

    def run_serve(options: argparse.Namespace) -> int:
        from galvanic.cli.serve import serve  # what it needs takes other commands long to import

        return serve(options)

    serve = cli.add("serve", "Serve models to programs, in the form of OpenAI's API.", run_serve, json=False)
    serve.add_argument("model", type=Path, metavar="MODEL", nargs="+", help="the files of models, or starter")
    host = "where to listen (default: 127.0.0.1, this machine alone); elsewhere GALVANIC_API_KEY must hold a key"
    serve.add_argument("--host", default="127.0.0.1", help=host)
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="(default: 8000)")
