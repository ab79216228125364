"""Compress a text with PPMd, in an environment of its own: text on standard input, bytes on standard output.

    python rival_ppmd.py CHARACTERS < TEXT

prints `{"first": bytes of the first CHARACTERS characters, "whole": bytes of all, "frozen": bytes of the rest}`. The
last is the sum over pieces of 2,000 characters, each compressed right after the first CHARACTERS, so that it hardly
learns.
"""

import json
import sys

import pyppmd

ORDER = 8
MEMORY = 64 << 20
PIECE = 2_000


def main() -> None:
    """Read the text and print the sizes."""
    text, at = sys.stdin.buffer.read().decode(), int(sys.argv[1])
    first = _size(text[:at])
    pieces = [text[start : start + PIECE] for start in range(at, len(text), PIECE)]
    frozen = sum(_size(text[:at] + piece) - first for piece in pieces)
    print(json.dumps({"first": first, "whole": _size(text), "frozen": frozen}))


def _size(text: str) -> int:
    return len(pyppmd.compress(text.encode(), max_order=ORDER, mem_size=MEMORY))


if __name__ == "__main__":
    main()
