"""Draw pictures (PNG): a training's loss curve, and how surprising each character of a text was."""

from __future__ import annotations

import functools
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageDraw, ImageFont

from galvanic.results import CurvePoint, best_point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SANS, MONO = "DejaVuSans.ttf", "DejaVuSansMono.ttf"
_EMOJI = "NotoColorEmoji.ttf"
# The first that has a character draws it. The machine may lack those that matplotlib doesn't bring.
_FONTS = (MONO, SANS, "wqy-microhei.ttc", "NotoSansCJK-Regular.ttc", "PingFang.ttc", "msyh.ttc", _EMOJI)
_MISSING = "□"


def font_path(name: str) -> Path:
    """Return the file of a font that comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@functools.cache
def _font(name: str) -> tuple[ImageFont.FreeTypeFont, frozenset[int]] | None:
    """Return a font and the code points that it has, or None: there is none of that name."""
    from matplotlib.ft2font import FT2Font

    try:
        # Pillow looks in the system's folders for what matplotlib lacks.
        font = ImageFont.truetype(font_path(name), _EMOJI_SIZE if name == _EMOJI else _SIZE)
        return font, frozenset(FT2Font(font.path).get_charmap())
    except (OSError, RuntimeError):
        return None


def _glyph(char: str) -> tuple[ImageFont.FreeTypeFont, str]:
    """Return what is drawn for a character, and the font for it."""
    shown = _SHOWN.get(char, char)
    for font in filter(None, map(_font, (_EMOJI, *_FONTS) if _cells(shown) == 2 else _FONTS)):
        if shown.isprintable() and ord(shown) in font[1]:
            return font[0], f"◌{shown}" if unicodedata.combining(shown) else shown
    return _glyph(_MISSING)


# A dark grey that reads the same in Discord's light and dark themes.
BACKGROUND, GRID, TEXT, MUTED = "#2b2d31", "#43464d", "#f2f3f5", "#b5bac1"
_LOSS, _BEST = "#f0b232", "#57f287"
_BITS = 1 / math.log(2)
_DOTTED = 30  # with fewer epochs, each has a dot
_LEAST_HEIGHT = 0.05  # bits that the scale spans at least: smaller differences mean nothing, and should look so


def loss_chart(curve: tuple[CurvePoint, ...], title: str) -> bytes:
    """Draw the loss over epochs, the best one marked: a PNG of 800 x 500 pixels. `curve` may be empty.

    Its letters are large enough for a phone, which shows it at a width of 300 pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2.5), dpi=200, facecolor=BACKGROUND, layout="constrained")
    axes = figure.add_subplot()
    _draw_curve(axes, curve)
    # parse_math off: a dollar sign in a title is a dollar sign.
    axes.set_title(title, color=TEXT, fontsize=12, fontweight="bold", loc="left", parse_math=False)
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
        low, high = axes.get_ylim()
        room = max(0.0, _LEAST_HEIGHT - (high - low)) / 2
        axes.set_ylim(low - room, high + room)
        best = best_point(curve)
        height = best.watched * _BITS
        label = f"best: epoch {best.epoch}"
        edge: dict[str, Any] = {"markeredgecolor": BACKGROUND, "markeredgewidth": 1}
        axes.axvline(best.epoch, color=_BEST, linewidth=1, linestyle=(0, (3, 4)), alpha=0.7, zorder=1)
        axes.plot(best.epoch, height, "o", color=_BEST, markersize=7, label=label, zorder=5, **edge)
        axes.legend(facecolor=BACKGROUND, edgecolor=GRID, labelcolor=TEXT, framealpha=0.85, fontsize=10)
    axes.set_xlabel("epoch", color=MUTED, fontsize=10)
    axes.set_ylabel("bits per character", color=MUTED, fontsize=10)
    axes.ticklabel_format(axis="y", useOffset=False)
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
_SHOWN = {" ": "·", "\xa0": "·", "\n": "↵", "\t": "→", **dict.fromkeys("\u200c\u200d\u200e\u200f\u3000\ufe0f", " ")}
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_EMOJI_SIZE, _EMOJI_PICTURE = 109, (136, 128)  # the only ones of Noto Color Emoji
_DIRECTIONS = {"L": "L", "EN": "L", "AN": "L", "R": "R", "AL": "R"}  # the other kinds go with their neighbours
# Characters that are a shape of one Arabic letter, by the letter and the kind of the shape, such as "<initial>".
_SHAPES = {
    (chr(int(letters[0], 16)), kind): shape
    for shape in map(chr, (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEFD)))
    for kind, *letters in [unicodedata.decomposition(shape).split() or [""]]
    if len(letters) == 1
}
_Colour = tuple[int, int, int]


def surprise_map(text: str, nats: Sequence[float]) -> bytes:
    """Draw a text in rows, each character coloured by its surprise, and the scale below: a PNG.

    `text`: not empty. `nats`: the loss of each character. Rows of right-to-left scripts begin at the right.
    """
    rows = _rows(text)
    columns = max(_LEAST_COLUMNS, *(_cells(text[row.start : row.stop]) for row in rows))
    size = columns * _CELL_W + 2 * _PADDING, len(rows) * _CELL_H + 2 * _PADDING + _LEGEND_H
    image = Image.new("RGB", size, BACKGROUND)
    pen = _Pen(image)
    for down, row in enumerate(rows):
        for across, place, char in _left_to_right(text, row, columns):
            x, y = _PADDING + across * _CELL_W, _PADDING + down * _CELL_H
            pen.cell(x, y, char, max(0.0, nats[place]) / math.log(2))
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
        elif _cells(text[start : place + 1]) > COLUMNS:
            cut = text.rfind(" ", (start + place) // 2, place) + 1 or place
        else:
            continue
        rows.append(range(start, cut))
        start = cut
    rows.append(range(start, len(text)))
    return _rows(text, lines=False) if lines and len(rows) > _MOST_ROWS else rows


def _cells(text: str) -> int:
    """Return how many cells a text takes: 2 for a character of Chinese, Japanese or Korean and for an emoji, else 1."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _left_to_right(text: str, row: range, columns: int) -> Iterator[tuple[int, int, str]]:
    """Yield the column, the place and the shape of each character of a row, by the main rules of Unicode's algorithm.

    The row has the direction of its first letter. Words of the other direction keep their order within it.
    """
    directions = "".join(_DIRECTIONS.get(unicodedata.bidirectional(text[place]), " ") for place in row)
    base = directions.strip()[:1] or "L"
    other = "R" if base == "L" else "L"
    order = [(place, base) for place in row]
    for words in re.finditer(f"{other}( *{other})*", directions):
        order[slice(*words.span())] = [(place, other) for place in reversed(row[slice(*words.span())])]
    if base == "R":
        order.reverse()
    across = columns - _cells(text[row.start : row.stop]) if base == "R" else 0
    for place, direction in order:
        yield across, place, _joined(text, place).translate(_MIRRORED) if direction == "R" else text[place]
        across += _cells(text[place])


def _joined(text: str, place: int) -> str:
    """Return a character of right-to-left text: of an Arabic letter, the shape that joins it to its neighbours."""
    before, char, after = text[place - 1 : place], text[place], text[place + 1 : place + 2]
    is_joined = (before, "<initial>") in _SHAPES and (char, "<final>") in _SHAPES
    joins = (char, "<initial>") in _SHAPES and (after, "<final>") in _SHAPES
    kinds = {(False, True): "<initial>", (True, True): "<medial>", (True, False): "<final>"}
    return _SHAPES.get((char, kinds.get((is_joined, joins), "<isolated>")), char)


class _Pen:
    """Draws the cells and the legend of a surprise map."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._small = ImageFont.truetype(font_path(SANS), _SMALL)

    def cell(self, x: int, y: int, char: str, bits: float) -> None:
        colour, width = _colour(bits), _cells(char) * _CELL_W - _GAP
        right, bottom = x + width - 1, y + _CELL_H - 2 * _GAP - 1
        self._draw.rectangle((x, y, right, bottom), fill=colour)
        red, green, blue = colour
        ink = _DARK if (0.299 * red + 0.587 * green + 0.114 * blue) / 255 > 0.48 else _LIGHT
        if char in _SHOWN:  # blank space is fainter than letters
            ink = cast(_Colour, tuple(round(a + (b - a) * 0.6) for a, b in zip(colour, ink, strict=True)))
        font, shown = _glyph(char)
        if font.size == _EMOJI_SIZE:
            picture = Image.new("RGBA", _EMOJI_PICTURE)
            ImageDraw.Draw(picture).text((0, 0), shown, font=font, anchor="lt", embedded_color=True)
            picture.thumbnail((width - 2, _CELL_H))
            self._image.paste(picture, (x + 1, y + (_CELL_H - picture.height) // 2), picture)
            return
        length = font.getlength(shown[0])
        if length > width:
            font = font.font_variant(size=max(_TINY, int(_SIZE * width / length)))
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
