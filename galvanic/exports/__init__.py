"""The formats that `galvanic export` writes.

To add one, write a module with a function like `Write`, and name it in `FORMATS`. It imports heavy libraries inside its
functions, so that the command line starts fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from galvanic import model_file
from galvanic.exports import hub, keras_file, page

Write = Callable[[Path, Path], tuple[str, ...]]
"""Write the model of a file (the first path) to a new place (the second), and return notes for people.

A file is written atomically (`galvanic.files.replacing`); what is there is replaced. Raises UserError if there is no
such model or the format can't hold it, and OSError if the place can't be written.
"""


@dataclass(frozen=True)
class Format:
    """A format of exported models."""

    summary: str  # for the help, in a few words
    suffix: str  # ending of its files; empty: it is a folder
    write: Write


def _safetensors(model: Path, target: Path) -> tuple[str, ...]:
    model_file.export(model, target)
    return ()


FORMATS = {
    "safetensors": Format("a model file of Galvanic", model_file.SUFFIX, _safetensors),
    "hf": Format("a folder for the Hugging Face Hub", "", hub.write),
    "keras": Format("the network alone, for Keras", keras_file.SUFFIX, keras_file.write),
    "html": Format("a page that writes in a browser, offline", ".html", page.write),
}


def export(model: Path, target: Path, name: str) -> tuple[str, ...]:
    """Write a model in the format of this name, and return notes for people. Raises UserError if that can't be."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return FORMATS[name].write(model, target)
    except OSError as error:
        raise model_file.not_written(target, error) from error
