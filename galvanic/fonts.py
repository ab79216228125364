"""The fonts of pictures: those that matplotlib brings along, so that they are there on every machine."""

from __future__ import annotations

import functools
from pathlib import Path

SANS, MONO = "DejaVuSans.ttf", "DejaVuSansMono.ttf"
_MISSING = "□"


def font_path(name: str) -> Path:
    """Where a font lies."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name


@functools.cache
def code_points(name: str) -> frozenset[int]:
    """The characters that a font can draw."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_path(name))).get_charmap())


def drawable(text: str) -> str:
    """The text with a box for each character that the font of charts lacks; matplotlib would warn of it."""
    known = code_points(SANS)
    return "".join(char if ord(char) in known and char.isprintable() else _MISSING for char in text)
