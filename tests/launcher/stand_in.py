"""The real launcher with other parts: `python -m tests.launcher.stand_in DATA_DIR PARTS`.

PARTS is a JSON list of the fields of `launcher.parts.Part`; a part with a `ready_file` is ready once that exists,
and one with a `trouble_file` has the trouble that stands in it.
"""

import json
import sys
from pathlib import Path
from typing import Any

from launcher.__main__ import reporting
from launcher.parts import Part, Plan, Stage
from launcher.run import run_plan


def part(fields: dict[str, Any]) -> Part:
    if ready_file := fields.pop("ready_file", None):
        fields["ready"] = Path(ready_file).exists
    if trouble_file := fields.pop("trouble_file", None):
        fields["trouble"] = lambda: Path(trouble_file).read_text() or None
    return Part(**fields | {"stage": Stage(fields["stage"]), "command": tuple(fields["command"])})


def main() -> int:
    parts = tuple(part(fields) for fields in json.loads(sys.argv[2]))
    plan = Plan(parts, {}, lambda: "all parts are up")
    return reporting(lambda: run_plan(Path(sys.argv[1]), lambda _folders, _sockets: plan))


if __name__ == "__main__":
    sys.exit(main())
