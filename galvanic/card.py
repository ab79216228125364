"""A model's card: what it is, what it learned from, how well it foresees, and how it got there."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any, cast

from galvanic import facts
from galvanic.chart import GRID, MUTED, TEXT, draw_curve, new_figure, to_png
from galvanic.fonts import drawable
from galvanic.model_file import Description
from galvanic.results import CurvePoint

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure
    from matplotlib.lines import Line2D

_WIDTH, _HEAD, _CURVE = 8.0, 2.6, 3.4
_ACCENT = "#f0b232"
_TITLE_CHARS, _NOTE_CHARS = 84, 104


def model_card(name: str, description: Description) -> bytes:
    """PNG of 800 pixels' width.

    Args:
        name: what the model is called here.
        description: of its file.
    """
    curve = tuple(CurvePoint(*point) for point in description.training.curve)
    figure = new_figure(_WIDTH, _HEAD + (_CURVE if curve else 0))
    if curve:
        head, below = cast(Any, figure.subfigures(2, 1, height_ratios=[_HEAD, _CURVE]))
        below.set_facecolor("none")
        draw_curve(below.add_subplot(), curve)
    else:
        head = figure.subfigures(1, 1)
    head.set_facecolor("none")
    _head(head, name, description)
    return to_png(figure)


def _head(head: SubFigure, name: str, description: Description) -> None:
    training, corpus = description.training, description.corpus
    _words(head, 0.03, 0.93, name, 22, TEXT, weight="bold")
    title = facts.one_line(f"learned from {corpus.title}", _TITLE_CHARS)
    _words(head, 0.03, 0.76, title, 12, MUTED)
    for at, (value, label) in zip((0.03, 0.29, 0.54, 0.77), _figures(description), strict=True):
        _words(head, at, 0.61, value, 20, _ACCENT if at < 0.1 else TEXT, weight="bold")
        _words(head, at, 0.46, label, 10, MUTED)
    notes = [f"{facts.network_words(description)}, recipe {description.recipe}", facts.training_words(description)]
    if lineage := facts.lineage_words(description):
        notes.append(f"goes back to {lineage}")
    lines = [textwrap.shorten(note, _NOTE_CHARS, placeholder=" …") for note in notes]
    for down, line in enumerate(lines):
        _words(head, 0.03, 0.32 - 0.105 * down, line, 10.5, TEXT)
    if training.curve:
        head.add_artist(_rule())


def _figures(description: Description) -> tuple[tuple[str, str], ...]:
    """The four figures that say most, each with what it is."""
    training = description.training
    loss = training.train_loss if training.heldout_loss is None else training.heldout_loss
    of = "its own text" if training.heldout_loss is None else "held-out text"
    copied = "–" if training.copy_share is None else f"{training.copy_share:.0%}"
    return (
        (f"{loss / math.log(2):.2f} bits", f"a character of {of}"),
        (copied, "copied word for word"),
        (_short(description.network.parameters()), "parameters"),
        (_short(description.corpus.chars), "characters of text"),
    )


def _short(number: int) -> str:
    for size, letter in ((10**9, " bn"), (10**6, " M"), (10**3, " k")):
        if number >= size:
            return f"{number / size:.3g}{letter}" if number < 1_000 * size else f"{number / size:,.0f}{letter}"
    return str(number)


def _words(head: SubFigure, x: float, y: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
    # parse_math off: a dollar sign in a title is a dollar sign.
    head.text(x, y, drawable(text), color=colour, fontsize=size, va="top", weight=weight, parse_math=False)


def _rule() -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D((0.03, 0.97), (0.005, 0.005), color=GRID, linewidth=1)
