"""`inspect`, `generate` and `evaluate`."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from shared.settings import get_settings
from worker.cli.texts import find_source, find_text, report
from worker.model import folder as model_folder
from worker.text import TextOptions, prepare

if TYPE_CHECKING:
    from worker.model.generate import TextModel

DEMONSTRATION_LENGTH = 1_000
"""Characters that the tutorial writes from a window of its corpus."""


def inspect(options: argparse.Namespace) -> int:
    """Say what a recipe makes of a text."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        source, info = find_source(options.text, workdir, until=options.until, keep_licence=options.keep_licence)
        # A large text's ids lie in a file too, which goes with the folder.
        prepared = prepare(
            source,
            TextOptions(options.recipe, info.hard_wrapped),
            workdir=None if isinstance(source, str) else workdir,
        )
    values = {
        "recipe": prepared.recipe,
        "characters": prepared.characters,
        "symbols": len(prepared.ids),
        "distinct": prepared.distinct,
        "patterns": prepared.patterns,
        "training": prepared.learned_chars,
        "heldout": prepared.heldout_chars,
        "given": info.chars,
        "notes": prepared.notes,
    }
    lines = [
        f"text         {info.title}, {info.chars:,} characters as given",
        f"recipe       {prepared.recipe}",
        f"characters   {prepared.characters:,}",
        *([f"symbols      {len(prepared.ids):,}"] if len(prepared.ids) != prepared.characters else []),
        f"distinct     {prepared.distinct:,}",
        f"patterns     {prepared.patterns:,}",
        f"held out     {prepared.heldout_chars:,}, the rest is learned from",
        *prepared.notes,
    ]
    report(options.json, values, lines)
    return 0


def generate(options: argparse.Namespace) -> int:
    """Continue a seed."""
    model = _load(options.model)
    default = DEMONSTRATION_LENGTH if options.from_corpus else get_settings().generate_length
    written = model.generate(
        options.seed,
        length=options.length or default,
        temperature=options.temperature,
        random_seed=options.random_seed,
        from_corpus=options.from_corpus,
    )
    told = f"[temperature {written.temperature:g}, random seed {written.random_seed}, {written.seconds:.2f} s]"
    report(options.json, asdict(written), [written.seed + written.text, "", told, *written.notes])
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score a text."""
    text, _ = find_text(options.text)
    model = _load(options.model)
    score = model.score(text)
    values = {
        "nats_per_char": score.nats_per_char,
        "bits_per_char": score.bits_per_char,
        "chars": score.chars,
        "notes": score.notes,
    }
    figures = (
        f"{score.nats_per_char:.4f} nats, {score.bits_per_char:.4f} bits a character over {score.chars:,} characters"
    )
    report(options.json, values, [figures, *score.notes])
    return 0


def _load(folder: Path) -> TextModel:
    """The model of a folder, which is checked before the seconds that TensorFlow takes to import."""
    model_folder.load(folder)
    from worker.model.quiet import import_tensorflow

    import_tensorflow()
    from worker.model.generate import load_model

    return load_model(folder)
