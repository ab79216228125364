"""PPMd's size of a text, in an environment of its own: text on standard input, sizes in bytes on standard output.

    python rival_ppmd.py CHARACTERS < TEXT

prints `{"first": bytes of the first CHARACTERS characters, "whole": bytes of all}`.
"""

from __future__ import annotations

import json
import sys

import pyppmd

ORDER = 8
MEMORY = 64 << 20


def main() -> None:
    """See above."""
    text = sys.stdin.buffer.read().decode()
    first = text[: int(sys.argv[1])]
    sizes = {
        name: len(pyppmd.compress(part.encode(), max_order=ORDER, mem_size=MEMORY))
        for name, part in (("first", first), ("whole", text))
    }
    print(json.dumps(sizes))


if __name__ == "__main__":
    main()
