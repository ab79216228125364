"""What commands are made of, and what plugins add to."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from galvanic.options import CorpusInfo, TrainLimits

Run = Callable[[argparse.Namespace], int]


class FindText(Protocol):
    """Finds the text that somebody names; of a large file the path of one in UTF-8."""

    def __call__(
        self, text: str, workdir: Path | None, *, keep_licence: bool = False, to_learn: bool = True
    ) -> tuple[str | Path, CorpusInfo]:
        """`workdir`: a folder where a large file is rewritten, which must stay while the text is used; None: the text
        is read into memory. `keep_licence`: keep Project Gutenberg's headers and licences. `to_learn`: refuse what is
        too short to learn from.

        Raises UserError where there is no such text, or it is none, or too short.
        """


def find_file(
    text: str, workdir: Path | None, *, keep_licence: bool = False, to_learn: bool = True
) -> tuple[str | Path, CorpusInfo]:
    """A file in UTF-8, as it is: what the engine finds by itself."""
    from galvanic.library import find_text

    del keep_licence, to_learn
    path, info = find_text(Path(text))
    return (path if workdir is not None else Path(path).read_text("utf-8")), info


class Cli:
    """The commands there are; plugins add theirs, and replace how texts are found and what a training may take."""

    def __init__(self, program: str) -> None:
        self.find_text: FindText = find_file
        self.limits: Callable[[], TrainLimits] = TrainLimits
        self.length: Callable[[], int] = lambda: 300  # characters of a text when nobody says how many
        self._parser = argparse.ArgumentParser(prog=program, description="Learns to write from any text.")
        self._commands = self._parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, summary: str, run: Run, *, json: bool = True) -> argparse.ArgumentParser:
        """`run` returns the exit status; `json`: it can tell its outcome as JSON, too."""
        command = self._commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run)
        if json:
            command.add_argument("--json", action="store_true", help="one JSON object on the last line of output")
        return command

    def run(self, arguments: list[str] | None) -> int:
        options = self._parser.parse_args(arguments)
        run: Run = options.run
        return run(options)


def positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
