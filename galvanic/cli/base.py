"""The base of the command line: commands, the options that they share, and what plugins add to."""

import argparse
import functools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import shtab

from galvanic import __version__
from galvanic.cli.findings import Finding
from galvanic.errors import UserError
from galvanic.options import DRAWN, GenerateOptions, TrainLimits, TrainOptions, checked, options_of
from galvanic.read.chat import ChatOptions, refuse_for_text
from galvanic.read.formats import FileText, read_paths

Run = Callable[[argparse.Namespace], int]


def _no_text(name: str) -> FileText:
    raise UserError(f"There is no text file {name}.", "Give the path of a file.")


class _Parser(argparse.ArgumentParser):
    """Lets a shell complete the name of a file where an argument takes one."""

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        if options.get("type") is Path or options.get("metavar") == "TEXT":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        return action


class Cli:
    """The commands of the command line. Plugins add commands, texts that have a name, limits, and checks."""

    def __init__(self, program: str) -> None:
        self.named: Callable[[str], FileText] = _no_text  # finds a text by its name
        self.limits: Callable[[], TrainLimits] = TrainLimits
        self.length: Callable[[], int] = lambda: GenerateOptions().length  # of a text, by default
        self.checks: list[Callable[[], Iterable[Finding]]] = []  # what `doctor` looks at, too
        self.parser = _Parser(prog=program, description="Learns to write from any text.")
        self.parser.add_argument("--version", action="version", version=f"galvanic {__version__}")
        self._commands = self.parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, summary: str, run: Run, *, json: bool = True) -> argparse.ArgumentParser:
        """Add a command. `run` returns its exit status; `json`: it can also print its result as JSON."""
        command = self._commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run)
        if json:
            command.add_argument("--json", action="store_true", help="one JSON object on the last line of output")
        return command

    def run(self, arguments: list[str] | None) -> int:
        options = self.parser.parse_args(arguments)
        run: Run = options.run
        return run(options)

    def find_text(self, names: Sequence[str], workdir: Path | None, options: ChatOptions | None = None) -> FileText:
        """Find the text that a person names: files and folders, read by `read_paths`, or one text of a plugin.

        Raises UserError if there is no such text, or the files are no text.
        """
        lacking = [name for name in names if not (name and Path(name).exists())]  # an empty path would be this folder
        if not lacking:
            return read_paths(list(map(Path, names)), workdir, options)
        name = lacking[0]
        if "://" in name:
            raise UserError("Links are not fetched.", "Download the file, and give its path.")
        if not name or len(names) > 1 or Path(name).suffix or len(Path(name).parts) > 1:
            return _no_text(name or "``")
        refuse_for_text(options or ChatOptions())
        return self.named(name)


def add_options(
    command: argparse._ActionsContainer, model: type[TrainOptions] | type[GenerateOptions], *fields: str
) -> None:
    """Add options to a command as they are declared. One that is not typed is None, and a switch False."""
    declared = options_of(model)
    for option in (declared[field] for field in fields):
        flag, summary = f"--{option.typed}", option.summary
        if option.high is not None and option.usually != DRAWN:
            summary += f", {option.low:,.7g} to {option.high:,.7g}"
        summary += f" (default: {option.usually})" if option.usually else ""
        if option.kind is bool and model.model_fields[option.field].default is None:
            command.add_argument(flag, action=argparse.BooleanOptionalAction, help=summary)
        elif option.kind is bool:
            command.add_argument(flag, action="store_true", help=summary)
        elif option.choices:
            command.add_argument(flag, choices=option.choices, help=summary)
        else:
            metavar = "X" if option.kind is float else "N" if option.kind is int else "NAME"
            read = functools.partial(_read, model, option.field)
            command.add_argument(flag, dest=option.field, type=read, metavar=metavar, help=summary)


def _read(model: type[TrainOptions] | type[GenerateOptions], field: str, text: str) -> Any:
    try:
        return getattr(checked(model, {field: text}), field)
    except UserError as error:
        raise argparse.ArgumentTypeError(error.problem.partition(": ")[2]) from None


def typed_options(model: type[TrainOptions] | type[GenerateOptions], typed: argparse.Namespace) -> dict[str, Any]:
    """Return the options that a person typed, by the names of their fields."""
    values = {name: getattr(typed, name, None) for name in model.model_fields}
    return {name: value for name, value in values.items() if value is not None}


def report(as_json: bool, values: dict[str, Any], lines: list[str]) -> None:
    """Print a command's result, as a JSON object or as lines."""
    print(json.dumps(values) if as_json else "\n".join(lines), flush=True)
