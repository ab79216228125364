"""Draw pictures (PNG): a training's loss curve, and how surprising each character of a text was."""

from __future__ import annotations

import functools
import io
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageDraw, ImageFont

from galvanic.results import CurvePoint, best_point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SANS, MONO = "DejaVuSans.ttf", "DejaVuSansMono.ttf"
_MISSING = "□"


def font_path(name: str) -> Path:
    """Return the file of a font that comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@functools.cache
def code_points(name: str) -> frozenset[int]:
    """Return the code points that a font has."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_path(name))).get_charmap())


def drawable(text: str) -> str:
    """Replace each character that the charts' font lacks with a box. Matplotlib would log a warning for each."""
    in_font = code_points(SANS)
    return "".join(char if ord(char) in in_font and char.isprintable() else _MISSING for char in text)


# A dark grey that reads the same in Discord's light and dark themes.
BACKGROUND, GRID, TEXT, MUTED = "#2b2d31", "#43464d", "#f2f3f5", "#b5bac1"
_LOSS, _BEST = "#f0b232", "#57f287"
_BITS = 1 / math.log(2)
_DOTTED = 30  # with fewer epochs, each has a dot


def loss_chart(curve: tuple[CurvePoint, ...], title: str) -> bytes:
    """Draw the loss over epochs, the best one marked: a PNG of 800 x 500 pixels. `curve` may be empty.

    Its letters are large enough for a phone, which shows it at a width of 300 pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2.5), dpi=200, facecolor=BACKGROUND, layout="constrained")
    axes = figure.add_subplot()
    _draw_curve(axes, curve)
    # parse_math off: a dollar sign in a title is a dollar sign.
    axes.set_title(drawable(title), color=TEXT, fontsize=12, fontweight="bold", loc="left", parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=BACKGROUND)
    return buffer.getvalue()


def _draw_curve(axes: Axes, curve: tuple[CurvePoint, ...]) -> None:
    """Draw the loss on unseen text over epochs, in bits per character, the best epoch marked and named.

    If nothing was kept apart, it is the loss on the model's own text. `curve` may be empty.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(BACKGROUND)
    epochs = [point.epoch for point in curve]
    losses = [point.watched * _BITS for point in curve]
    label = "unseen text" if all(point.heldout_loss is not None for point in curve) else "its own text"
    marker = "o" if len(curve) < _DOTTED else None
    axes.plot(epochs, losses, color=_LOSS, label=label, marker=marker, markersize=3, linewidth=1.6)
    if curve:
        best = best_point(curve)
        height = best.watched * _BITS
        label = f"best: {height:.2f} in epoch {best.epoch}"
        edge: dict[str, Any] = {"markeredgecolor": BACKGROUND, "markeredgewidth": 1}
        axes.axvline(best.epoch, color=_BEST, linewidth=1, linestyle=(0, (3, 4)), alpha=0.7, zorder=1)
        axes.plot(best.epoch, height, "o", color=_BEST, markersize=7, label=label, zorder=5, **edge)
        axes.legend(facecolor=BACKGROUND, edgecolor=GRID, labelcolor=TEXT, framealpha=0.85, fontsize=10)
    axes.set_xlabel("epoch", color=MUTED, fontsize=10)
    axes.set_ylabel("bits per character", color=MUTED, fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(colors=MUTED, labelsize=10)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)


COLUMNS = 48
_MOST_ROWS = 40  # with more, lines no longer begin rows of their own: the picture would be too high
_LEAST_COLUMNS = 34  # for the legend
_CELL_W, _CELL_H, _GAP = 17, 34, 1
_PADDING, _LEGEND_H = 20, 74
_SIZE, _SMALL, _TINY = 25, 17, 8
_MOST_BITS = 8.0  # end of the scale; more surprising characters look the same
# From "as expected" to "never", in equal steps of brightness, so that it can be read without colours.
_SCALE = ((0.0, "#33363d"), (0.25, "#2f5f8f"), (0.5, "#7a5ea8"), (0.75, "#d9705a"), (1.0, "#ffd866"))
_DARK, _LIGHT = (25, 26, 29), (233, 235, 238)
_SHOWN = {" ": "·", "\n": "↵", "\t": "→"}
_Colour = tuple[int, int, int]


def surprise_map(text: str, nats: Sequence[float]) -> bytes:
    """Draw a text in rows, each character coloured by its surprise, and the scale below: a PNG.

    `text`: not empty. `nats`: the loss of each character.
    """
    rows = _rows(text)
    columns = max(_LEAST_COLUMNS, *(len(row) for row in rows))
    size = columns * _CELL_W + 2 * _PADDING, len(rows) * _CELL_H + 2 * _PADDING + _LEGEND_H
    image = Image.new("RGB", size, BACKGROUND)
    pen = _Pen(image)
    for down, row in enumerate(rows):
        for across, place in enumerate(row):
            x, y = _PADDING + across * _CELL_W, _PADDING + down * _CELL_H
            pen.cell(x, y, text[place], max(0.0, nats[place]) / math.log(2))
    mean = sum(nats) / len(nats) / math.log(2)
    pen.legend(_PADDING, _PADDING + len(rows) * _CELL_H + 18, size[0] - 2 * _PADDING, mean)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _rows(text: str, *, lines: bool = True) -> list[range]:
    """Return the places of each row's characters.

    A row ends after a line end, or after a word if it is full. If that makes more than `_MOST_ROWS`, line ends end
    none.
    """
    rows: list[range] = []
    start = 0
    for place in range(1, len(text)):
        # Blank lines stay in the row of the line before them.
        if lines and text[place - 1] == "\n" and text[place] != "\n":
            cut = place
        elif place - start == COLUMNS:
            cut = text.rfind(" ", start + COLUMNS // 2, place) + 1 or place
        else:
            continue
        rows.append(range(start, cut))
        start = cut
    rows.append(range(start, len(text)))
    return _rows(text, lines=False) if lines and len(rows) > _MOST_ROWS else rows


class _Pen:
    """Draws the cells and the legend of a surprise map."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        # The other layout engine joins and reorders characters, and here each has a cell of its own.
        load = functools.partial(ImageFont.truetype, layout_engine=ImageFont.Layout.BASIC)
        self._fonts = {name: load(font_path(name), _SIZE) for name in (MONO, SANS)}
        self._small = load(font_path(SANS), _SMALL)

    def cell(self, x: int, y: int, char: str, bits: float) -> None:
        colour = _colour(bits)
        right, bottom = x + _CELL_W - _GAP - 1, y + _CELL_H - 2 * _GAP - 1
        self._draw.rectangle((x, y, right, bottom), fill=colour)
        red, green, blue = colour
        ink = _DARK if (0.299 * red + 0.587 * green + 0.114 * blue) / 255 > 0.48 else _LIGHT
        if char in _SHOWN:  # blank space is fainter than letters
            ink = cast(_Colour, tuple(round(a + (b - a) * 0.6) for a, b in zip(colour, ink, strict=True)))
        name = next((name for name in self._fonts if ord(char) in code_points(name)), MONO)
        has_glyph = char.isprintable() and ord(char) in code_points(name)
        shown = _SHOWN.get(char) or (char if has_glyph else _MISSING)
        font = self._fonts[name]
        width = font.getlength("◌" if unicodedata.combining(char) else shown)
        if width > _CELL_W - _GAP:
            font = font.font_variant(size=max(_TINY, int(_SIZE * (_CELL_W - _GAP) / width)))
        shown = f"◌{char}" if has_glyph and unicodedata.combining(char) else shown
        # All on one base line, as in a row of text.
        self._draw.text(((x + right + 1) / 2, bottom - 9), shown, fill=ink, font=font, anchor="ms")

    def legend(self, x: int, y: int, width: int, mean: float) -> None:
        for step in range(width):
            line = (x + step, y, x + step, y + 13)
            self._draw.line(line, fill=_colour(_MOST_BITS * step / (width - 1)))
        at = x + min(1.0, mean / _MOST_BITS) * (width - 1)
        self._draw.polygon([(at, y - 2), (at - 6, y - 11), (at + 6, y - 11)], fill=_LIGHT)
        for place, words, colour, anchor in (
            (x, "0 bits: expected", MUTED, "la"),
            (x + width, f"{_MOST_BITS:.0f} or more: a surprise", MUTED, "ra"),
            (x + width / 2, f"▾ mean {mean:.2f}", TEXT, "ma"),
        ):
            self._draw.text((place, y + 22), words, fill=colour, font=self._small, anchor=anchor)


def _colour(bits: float) -> _Colour:
    red, green, blue, _ = _scale()(min(1.0, bits / _MOST_BITS), bytes=True)
    return int(red), int(green), int(blue)


@functools.cache
def _scale() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("surprise", _SCALE)
