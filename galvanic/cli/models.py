"""The commands on model files: `export`. Each returns its exit status."""

import argparse
from pathlib import Path

from galvanic import exports
from galvanic.cli.base import report
from galvanic.errors import UserError
from galvanic.model_file import SUFFIX, path_of
from galvanic.units import MEGABYTE


def new_path(name: Path, suffix: str = SUFFIX, *, force: bool) -> Path:
    """Return where to write what a person named, with its ending. Raises UserError if it is there, without `force`."""
    path = name if name.suffix == suffix or not suffix else name.with_name(name.name + suffix)
    if path.exists() and not force:
        raise UserError(f"{path} is there already.", "Give another name, or add --force to replace it.")
    return path


def export(options: argparse.Namespace) -> int:
    path = new_path(options.file, exports.FORMATS[options.format].suffix, force=options.force)
    notes = exports.export(path_of(options.model), path, options.format)
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    values = {"file": str(path), "bytes": size, "notes": list(notes)}
    report(options.json, values, [f"{path}: {size / MEGABYTE:,.1f} MB", *notes])
    return 0
