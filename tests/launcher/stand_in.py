"""The real launcher with other parts: `python -m tests.launcher.stand_in DATA_DIR PARTS [--with-parent]`.

PARTS is a JSON list of the fields of `launcher.parts.Part`; a part with a `ready_file` is ready once that exists,
and one with a `trouble_file` has the trouble that stands in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from launcher.cli import reporting, run_plan
from launcher.parts import Part, Plan, Stage


def part(fields: dict[str, Any]) -> Part:
    file = fields.pop("ready_file", None)
    ready = Path(file).exists if file else None
    trouble_file = fields.pop("trouble_file", None)
    trouble = (lambda: Path(trouble_file).read_text() or None) if trouble_file else None
    fields["stage"] = Stage(fields["stage"])
    fields["command"] = tuple(fields["command"])
    return Part(ready=ready, trouble=trouble, **fields)


def main() -> int:
    parts = tuple(part(fields) for fields in json.loads(sys.argv[2]))
    names = tuple(part.name for part in parts)
    plan = Plan(parts, {"FROM_THE_PLAN": "yes"}, lambda: "all parts are up", announce_after=names)
    return reporting(
        lambda: run_plan(Path(sys.argv[1]), lambda _folders, _sockets: plan, with_parent="--with-parent" in sys.argv)
    )


if __name__ == "__main__":
    sys.exit(main())
