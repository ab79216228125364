"""Put what `make test-faults` has seen into docs/reliability.md: `python -m tests.faults.table FILE`.

FILE is what `FAULTS_OUT` named in that run.
"""

import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_MOMENTS = ("queued", "reading text", "training", "saving", "posting the result", "the worker is stopped")


def table(lines: list[str]) -> str:
    """Return the cells as a Markdown table: a row for each fault, with the slowest of its recoveries."""
    cells_by_fault: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        cell = json.loads(line)
        cells_by_fault.setdefault(cell["fault"], []).append(cell)
    rows = [_row(fault, sorted(cells, key=_order)) for fault, cells in sorted(cells_by_fault.items())]
    head = ["| fault | at which moments | outcomes | recovered within | training repeated |", "|---|---|---|---|---|"]
    return "\n".join(head + rows)


def _row(fault: str, cells: list[dict[str, Any]]) -> str:
    moments, outcomes = ("; ".join(dict.fromkeys(cell[name] for cell in cells)) for name in ("moment", "outcome"))
    repeated = [cell["lost_s"] for cell in cells if cell["lost_s"] is not None]
    slowest = max(cell["recovered_s"] for cell in cells)
    return f"| {fault} | {moments} | {outcomes} | {slowest:.0f} s | {f'{max(repeated):.0f} s' if repeated else ''} |"


def _order(cell: dict[str, Any]) -> int:
    return _MOMENTS.index(cell["moment"]) if cell["moment"] in _MOMENTS else len(_MOMENTS)


def main() -> int:
    """Fill the table."""
    text = DOCS.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    rows = table(Path(sys.argv[1]).read_text("utf-8").splitlines())
    DOCS.write_text(f"{before}{BEGIN}\n\n{rows}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
