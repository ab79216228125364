"""Draw pictures (PNG): a training's loss curve, and how surprising each character of a text was."""

from __future__ import annotations

import functools
import io
import itertools
import math
import unicodedata
from collections.abc import Iterable, Sequence
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
def code_points(path: Path) -> frozenset[int]:
    """Return the code points that a font has; none if it can't be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@functools.cache
def _installed_fonts() -> tuple[Path, ...]:
    """Return this machine's regular fonts, emoji first, then those without serifs."""
    from matplotlib.font_manager import OSXFontDirectories, X11FontDirectories, findSystemFonts

    # With folders, it starts no `fc-list`.
    fonts = [Path(path) for path in findSystemFonts([*X11FontDirectories, *OSXFontDirectories])]
    regular = [path for path in fonts if not any(style in path.stem for style in _STYLES)]
    return tuple(sorted(regular, key=lambda path: ("Emoji" not in path.stem, "Sans" not in path.stem, str(path))))


@functools.lru_cache(10_000)
def _font_for(char: str) -> Path | None:
    """Return a font that has a character, or None: ours, but for wide ones an installed font first."""
    ours = font_path(MONO), font_path(SANS)
    fonts = (*_installed_fonts(), *ours) if _cells(char) == 2 else (*ours, *_installed_fonts())
    return next((path for path in fonts if ord(char) in code_points(path)), None)


def drawable(text: str) -> str:
    """Replace each character that the charts' font lacks with a box. Matplotlib would log a warning for each."""
    in_font = code_points(font_path(SANS))
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
_STYLES = ("Bold", "Black", "Italic", "Light", "Medium", "Oblique", "Serif", "Thin")  # of fonts that are left alone
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_EMOJI_SIZE = 109  # that of the pictures in Noto Color Emoji
_NOT_JOINED_ON = set("اأإآٱدذرزوؤةىءڈڑژےۓ")  # Arabic letters that aren't joined to the next one
_Colour = tuple[int, int, int]


def surprise_map(text: str, nats: Sequence[float]) -> bytes:
    """Draw a text in rows, each character coloured by its surprise, and the scale below: a PNG.

    `text`: not empty. `nats`: the loss of each character. Rows of right-to-left scripts begin at the right.
    """
    rows = _rows(text)
    widths = [sum(_cells(text[place]) for place in row) for row in rows]
    columns = max(_LEAST_COLUMNS, *widths)
    size = columns * _CELL_W + 2 * _PADDING, len(rows) * _CELL_H + 2 * _PADDING + _LEGEND_H
    image = Image.new("RGB", size, BACKGROUND)
    pen = _Pen(image)
    for down, row in enumerate(rows):
        base = next(filter(None, (_direction(text[place]) for place in row)), "L")
        across = columns - widths[down] if base == "R" else 0
        for place, direction in _left_to_right(text, row, base):
            x, y = _PADDING + across * _CELL_W, _PADDING + down * _CELL_H
            shape = text[place].translate(_MIRRORED) if direction == "R" else text[place]
            pen.cell(x, y, text[place], _joined(text, place, shape), max(0.0, nats[place]) / math.log(2))
            across += _cells(text[place])
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
    start = width = 0
    for place in range(1, len(text)):
        width += _cells(text[place - 1])
        # Blank lines stay in the row of the line before them.
        if lines and text[place - 1] == "\n" and text[place] != "\n":
            cut = place
        elif width + _cells(text[place]) > COLUMNS:
            cut = text.rfind(" ", (start + place) // 2, place) + 1 or place
        else:
            continue
        rows.append(range(start, cut))
        start, width = cut, sum(_cells(char) for char in text[cut:place])
    rows.append(range(start, len(text)))
    return _rows(text, lines=False) if lines and len(rows) > _MOST_ROWS else rows


def _cells(char: str) -> int:
    """Return how many cells a character takes: 2 if it is Chinese, Japanese, Korean or an emoji."""
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _direction(char: str) -> str:
    """Return "L" or "R", or "" for what goes with its neighbours: blank space and most signs."""
    return {"L": "L", "EN": "L", "AN": "L", "R": "R", "AL": "R"}.get(unicodedata.bidirectional(char), "")


def _left_to_right(text: str, row: range, base: str) -> Iterable[tuple[int, str]]:
    """Return the places of a row as they stand and their directions, by the main rules of Unicode's algorithm.

    `base`: the direction of the row.
    """
    directions = [_direction(text[place]) for place in row]
    for at, direction in enumerate(directions):
        if not direction:
            before = directions[at - 1] if at else base
            after = next(filter(None, directions[at:]), base)
            directions[at] = before if before == after else base
    runs = [list(run) for _, run in itertools.groupby(range(len(row)), directions.__getitem__)]
    for run in reversed(runs) if base == "R" else runs:
        direction = directions[run[0]]
        yield from ((row[at], direction) for at in (reversed(run) if direction == "R" else run))


def _joined(text: str, place: int, shape: str) -> str:
    """Return a character's shape with zero-width joiners where an Arabic letter is joined to its neighbours."""
    letters = [
        0 <= at < len(text) and unicodedata.bidirectional(text[at]) == "AL" and text[at].isalpha() and text[at] != "ء"
        for at in (place - 1, place, place + 1)
    ]
    before = "\u200d" if letters[0] and letters[1] and text[place - 1] not in _NOT_JOINED_ON else ""
    after = "\u200d" if letters[1] and letters[2] and text[place] not in _NOT_JOINED_ON else ""
    return f"{before}{shape}{after}"


class _Pen:
    """Draws the cells and the legend of a surprise map."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._font = functools.cache(ImageFont.truetype)
        self._small = self._font(font_path(SANS), _SMALL)

    def cell(self, x: int, y: int, char: str, shape: str, bits: float) -> None:
        """Draw a character by its shape. `bits`: how surprising it was."""
        colour = _colour(bits)
        right, bottom = x + _cells(char) * _CELL_W - _GAP - 1, y + _CELL_H - 2 * _GAP - 1
        self._draw.rectangle((x, y, right, bottom), fill=colour)
        red, green, blue = colour
        ink = _DARK if (0.299 * red + 0.587 * green + 0.114 * blue) / 255 > 0.48 else _LIGHT
        if char in _SHOWN:  # blank space is fainter than letters
            ink = cast(_Colour, tuple(round(a + (b - a) * 0.6) for a, b in zip(colour, ink, strict=True)))
        invisible = unicodedata.category(char) in ("Cf", "Zs") or unicodedata.name(char, "").startswith("VARIATION")
        path = _font_for(char) if char.isprintable() and char not in _SHOWN and not invisible else None
        if path is not None and "Emoji" in path.stem:
            self._emoji(x, y, right, char, path)
            return
        shown = _SHOWN.get(char) or ("" if invisible else _MISSING)
        if path is not None:
            shown = f"◌{char}" if unicodedata.combining(char) else shape
        font = self._font(path or font_path(MONO), _SIZE)
        width, room = font.getlength("◌" if unicodedata.combining(char) else shown), right - x + 1
        if width > room:
            font = self._font(path or font_path(MONO), max(_TINY, int(_SIZE * room / width)))
        # All on one base line, as in a row of text.
        self._draw.text(((x + right + 1) / 2, bottom - 9), shown, fill=ink, font=font, anchor="ms")

    def _emoji(self, x: int, y: int, right: int, char: str, path: Path) -> None:
        """Draw an emoji, which a font has as a picture of one size."""
        font = self._font(path, _EMOJI_SIZE)
        picture = Image.new("RGBA", (_EMOJI_SIZE * 5 // 4, _EMOJI_SIZE * 5 // 4))
        ImageDraw.Draw(picture).text((0, 0), char, font=font, embedded_color=True)
        picture = picture.crop(picture.getbbox())
        picture.thumbnail((right - x - 2, _CELL_H - 6))
        self._image.paste(picture, ((x + right - picture.width) // 2 + 1, y + (_CELL_H - picture.height) // 2), picture)

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
