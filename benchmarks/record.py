"""The record that a part of the benchmark fills, and what it works with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Raw = float | int | str | bool | list[float] | None


@dataclass
class Record:
    """The values of a part by key, the raw values behind them, and errors."""

    values: dict[str, float] = field(default_factory=dict)
    raw: dict[str, Raw] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the record into a file."""
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record; an empty one if there is no file."""
        if not path.is_file():
            return cls()
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return cls(**data)


@dataclass(frozen=True)
class Context:
    """The surroundings of a part.

    Attributes:
        record: for its results.
        work: a folder for files, shared by the parts of one run.
        quick: fewer repetitions, shorter trainings.
        rivals: Python interpreter of the environment that has PyTorch and pyppmd.
    """

    record: Record
    work: Path
    quick: bool
    rivals: Path
