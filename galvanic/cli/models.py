"""The commands on model files: `inspect`, `export` and `import`. Each returns its exit status."""

import argparse
from pathlib import Path

from galvanic import exports, model_file
from galvanic.cli.base import report
from galvanic.errors import UserError
from galvanic.exports import hub
from galvanic.facts import MOST_TITLE, facts_of, one_line
from galvanic.model_file import SUFFIX, path_for, path_of
from galvanic.options import RECIPE_WORDS
from galvanic.units import MEGABYTE, count

MOST_IMPORTED = 250 * MEGABYTE  # of a model that is imported; checking it takes several times as much memory


def new_path(name: Path, suffix: str = SUFFIX, *, force: bool) -> Path:
    """Return where to write what a person named, with its ending.

    Raises UserError if it is there, without `force`, or if it is a folder and has to be a file.
    """
    path = path_for(name, suffix)
    if suffix and path.is_dir():
        raise UserError(f"{path} is a folder.", "Give the name of a file.")
    if path.exists() and not force:
        raise UserError(f"{path} is there already.", "Give another name, or add --force to replace it.")
    return path


def export(options: argparse.Namespace) -> int:
    ending = options.file.suffix.lower()
    by_ending = next((name for name, form in exports.FORMATS.items() if form.suffix and form.suffix == ending), None)
    chosen = options.format or by_ending or "safetensors"
    path = new_path(options.file, exports.FORMATS[chosen].suffix, force=options.force)
    notes = exports.export(path_of(options.model), path, chosen)
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    values = {"file": str(path), "bytes": size, "notes": list(notes)}
    report(options.json, values, [f"{path}: {size / MEGABYTE:,.1f} MB", *notes])
    return 0


def inspect(options: argparse.Namespace) -> int:
    path = _find(options.model)
    description, _, _, companion = model_file.load(path)
    size, parameters = path.stat().st_size, description.network.parameters()
    corpus, readings = description.corpus, len(description.readings)
    values = {"file": str(path), "bytes": size, "parameters": parameters, "table": companion is not None}
    lines = [
        f"{one_line(corpus.title, MOST_TITLE)}: {corpus.extent}, {RECIPE_WORDS[description.recipe]}",
        *(f"{name}: {value}" for name, value in facts_of(description)),
        f"N-gram table: {'yes' if companion else 'no'}",
        f"Size: {count(parameters, 'parameter')} in {description.packed or 'float32'}, {size / MEGABYTE:,.1f} MB",
        *([f"Messages: of {count(readings, 'reading')} of channels"] if readings else []),
    ]
    report(options.json, {**values, **description.model_dump(mode="json")}, lines)
    return 0


def import_(options: argparse.Namespace) -> int:
    """Check a model that may come from anybody, and write it as a model file."""
    out, path = new_path(options.out, force=options.force), _find(options.model)
    if not path.is_file():  # nor a device or a pipe, which would never end
        raise UserError(f"There is no model file {path}.", "Give a model file, or the folder of a model.")
    if path.stat().st_size > MOST_IMPORTED:
        raise UserError(f"{path.name} has more than {MOST_IMPORTED / MEGABYTE:,.0f} MB.", "Import a smaller model.")
    description, weights, windows, companion = model_file.load(path, MOST_IMPORTED)
    try:
        model_file.save(out, description, weights, windows, companion, description.packed)
    except OSError as error:
        raise model_file.not_written(out, error) from error
    title = one_line(description.corpus.title, MOST_TITLE) or "an unnamed text"
    claim = "Who trained it, and on what, is only what the file claims."
    report(options.json, {"model": str(out), "title": title, "notes": [claim]}, [f"{out}: {title}", claim])
    return 0


def _find(name: Path) -> Path:
    """Return the path of a model file that a person names, or whose folder."""
    inside = name / hub.MODEL
    return inside if inside.exists() else path_of(name)
