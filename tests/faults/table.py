"""Puts what `make test-faults` has seen into docs/operations.md: `python -m tests.faults.table FILE`.

FILE is what `FAULTS_OUT` named in that run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_MOMENTS = ("queued", "reading text", "training", "saving", "posting the result", "the worker is stopped")


def table(lines: list[str]) -> str:
    """The cells as a Markdown table; of one that was seen several times the slowest."""
    cells: dict[tuple[str, str], dict[str, object]] = {}
    for line in lines:
        cell = json.loads(line)
        key = (cell["fault"], cell["moment"])
        if key not in cells or cell["recovered_s"] > cells[key]["recovered_s"]:
            cells[key] = cell
    rows = [
        f"| {cell['fault']} | {cell['moment']} | {cell['outcome']} | {cell['recovered_s']:.0f} s | {_lost(cell)} |"
        for _, cell in sorted(cells.items(), key=lambda item: (item[0][0], _order(item[0][1])))
    ]
    head = ["| fault | moment | what became of it | recovered after | training done twice |", "|---|---|---|---|---|"]
    return "\n".join(head + rows)


def _order(moment: str) -> int:
    return _MOMENTS.index(moment) if moment in _MOMENTS else len(_MOMENTS)


def _lost(cell: dict[str, object]) -> str:
    return "" if cell["lost_s"] is None else f"{cell['lost_s']:.0f} s"


def main() -> int:
    """Fill the table."""
    text = DOCS.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    shown = table(Path(sys.argv[1]).read_text("utf-8").splitlines())
    DOCS.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
