"""The matrix: what was seen in each cell, kept for docs/reliability.md."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_VARIABLE = "FAULTS_OUT"
"""Names a file to which each cell is added as a line of JSON; none: nothing is kept."""


@dataclass(frozen=True)
class Cell:
    """What was seen.

    Attributes:
        fault: what went wrong.
        moment: and when.
        outcome: what people saw in the end.
        recovered_s: seconds from the fault, or the end of an outage, until the job went on or was told.
        lost_s: seconds of training that were done twice; None: none could be.
    """

    fault: str
    moment: str
    outcome: str
    recovered_s: float
    lost_s: float | None = None


def record(
    fault: str, moment: str, outcome: str, *, since: float, until: float | None = None, lost_s: float | None = None
) -> None:
    """Keep what was seen in a cell.

    Args:
        fault, moment, outcome, lost_s: as of a `Cell`.
        since: when it went wrong, or the outage was over (`time.monotonic`).
        until: when the job went on or was told; None: now.
    """
    recovered = (time.monotonic() if until is None else until) - since
    cell = Cell(fault, moment, outcome, round(max(0.0, recovered), 1), None if lost_s is None else round(lost_s, 1))
    path = os.environ.get(FILE_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
