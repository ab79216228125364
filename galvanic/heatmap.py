"""A text as a heat map: each character in a cell, brighter the less a model expected it.

Drawn with Pillow, which matplotlib needs anyway: a thousand cells take some ten milliseconds, and it never warns of
characters that a font lacks. Fonts are loaded for each picture, so that threads share nothing.
"""

from __future__ import annotations

import io
import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

from galvanic.chart import BACKGROUND, MUTED, TEXT
from galvanic.fonts import MONO, SANS, code_points, drawable, font_path

COLUMNS = 48
_MOST_ROWS = 40
"""With more, lines are no longer begun anew: a picture as high as a tower shows nothing."""
_LEAST_COLUMNS = 34
"""The legend's width."""
_CELL_W, _CELL_H, _GAP = 17, 34, 1
_PADDING, _LEGEND_H = 20, 74
_SIZE, _SMALL, _TINY = 25, 17, 8
_MOST_BITS = 8.0
"""Of the scale's end: all that is more surprising looks the same."""
# From "as expected" to "never": each step as much brighter as the one before, so that it reads without colours too.
_SCALE = ((0.0, "#33363d"), (0.25, "#2f5f8f"), (0.5, "#7a5ea8"), (0.75, "#d9705a"), (1.0, "#ffd866"))
_DARK, _LIGHT = (25, 26, 29), (233, 235, 238)
_SHOWN = {" ": "·", "\n": "↵", "\t": "→"}
_Colour = tuple[int, int, int]


def surprise_map(text: str, nats: Sequence[float]) -> bytes:
    """PNG of a text, laid out in rows, and of the scale under it.

    Args:
        text: not empty.
        nats: what each of its characters cost.
    """
    rows = _rows(text)
    columns = max(_LEAST_COLUMNS, *(len(row) for row in rows))
    size = columns * _CELL_W + 2 * _PADDING, len(rows) * _CELL_H + 2 * _PADDING + _LEGEND_H
    image = Image.new("RGB", size, BACKGROUND)
    pen = _Pen(ImageDraw.Draw(image))
    for down, row in enumerate(rows):
        for across, place in enumerate(row):
            left, top = _PADDING + across * _CELL_W, _PADDING + down * _CELL_H
            pen.cell(left, top, text[place], max(0.0, nats[place]) / math.log(2))
    mean = sum(nats) / len(nats) / math.log(2)
    pen.legend(_PADDING, _PADDING + len(rows) * _CELL_H + 18, size[0] - 2 * _PADDING, mean)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _rows(text: str) -> list[range]:
    """Places of the characters of each row: broken after line ends and, where a line is too long, after words."""
    rows = _broken(text, lines=True)
    return rows if len(rows) <= _MOST_ROWS else _broken(text, lines=False)


def _broken(text: str, *, lines: bool) -> list[range]:
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
    return rows


@dataclass
class _Pen:
    draw: ImageDraw.ImageDraw
    fonts: dict[tuple[str, int], ImageFont.FreeTypeFont] = field(default_factory=dict)

    def font(self, name: str, size: int) -> ImageFont.FreeTypeFont:
        key = (name, size)
        if key not in self.fonts:
            # The other layout engine would join and reorder what stands in cells of its own.
            self.fonts[key] = ImageFont.truetype(font_path(name), size, layout_engine=ImageFont.Layout.BASIC)
        return self.fonts[key]

    def cell(self, left: int, top: int, char: str, bits: float) -> None:
        """One character on the colour of its surprise."""
        colour = _colour(bits)
        right, bottom = left + _CELL_W - _GAP - 1, top + _CELL_H - 2 * _GAP - 1
        self.draw.rectangle((left, top, right, bottom), fill=colour)
        ink = _DARK if _luminance(colour) > 0.48 else _LIGHT
        middle = (left + right + 1) / 2, (top + bottom + 1) / 2
        if char in _SHOWN:
            # Quieter than what can be read.
            faint = _between(colour, ink, 0.6)
            self.draw.text(middle, _SHOWN[char], fill=faint, font=self.font(MONO, _SIZE), anchor="mm")
        elif (font := self._fitting(char)) is not None:
            shown = f"◌{char}" if unicodedata.combining(char) else char
            # From one base line, so that letters stand as in a row of text.
            self.draw.text((middle[0], bottom - 9), shown, fill=ink, font=font, anchor="ms")
        else:
            self._code(middle, char, ink)

    def _fitting(self, char: str) -> ImageFont.FreeTypeFont | None:
        """A font that has the character, small enough for a cell."""
        if not char.isprintable():
            return None
        for name in (MONO, SANS):
            if ord(char) in code_points(name):
                font = self.font(name, _SIZE)
                width = font.getlength("◌" if unicodedata.combining(char) else char)
                room = _CELL_W - _GAP
                return font if width <= room else self.font(name, max(_TINY, int(_SIZE * room / width)))
        return None

    def _code(self, middle: tuple[float, float], char: str, ink: _Colour) -> None:
        """A character that no font has, by its number in hexadecimal."""
        code = f"{ord(char):04X}"
        half = (len(code) + 1) // 2
        for number, part in enumerate((code[:half], code[half:])):
            place = middle[0], middle[1] - 6 + 12 * number
            self.draw.text(place, part, fill=ink, font=self.font(MONO, _TINY), anchor="mm")

    def legend(self, left: int, top: int, width: int, mean: float) -> None:
        """The scale, what its ends mean, and where the text as a whole stands on it."""
        small = self.font(SANS, _SMALL)
        for step in range(width):
            line = (left + step, top, left + step, top + 13)
            self.draw.line(line, fill=_colour(_MOST_BITS * step / (width - 1)))
        at = left + min(1.0, mean / _MOST_BITS) * (width - 1)
        self.draw.polygon([(at, top - 2), (at - 6, top - 11), (at + 6, top - 11)], fill=_LIGHT)
        under = top + 22
        self.draw.text((left, under), "0 bits: expected", fill=MUTED, font=small, anchor="la")
        self.draw.text(
            (left + width, under), f"{_MOST_BITS:.0f} or more: a surprise", fill=MUTED, font=small, anchor="ra"
        )
        words = drawable(f"▾ mean {mean:.2f}")
        self.draw.text((left + width / 2, under), words, fill=TEXT, font=small, anchor="ma")


def _colour(bits: float) -> _Colour:
    share = min(1.0, bits / _MOST_BITS)
    for (low, dark), (high, bright) in itertools.pairwise(_SCALE):
        if share <= high:
            return _between(_rgb(dark), _rgb(bright), (share - low) / (high - low))
    return _rgb(_SCALE[-1][1])


def _between(first: _Colour, second: _Colour, share: float) -> _Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _rgb(colour: str) -> _Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: _Colour) -> float:
    red, green, blue = colour
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
