"""Run one part of the benchmark: `python -m benchmarks.part NAME --work DIR --rivals PYTHON --to FILE`.

`python -m benchmarks` calls it. In a process of its own each part begins alike, and a crash ends no other part.
"""

import argparse
import os
import sys
import traceback
from pathlib import Path

from benchmarks.record import Context, Record


def main(arguments: list[str] | None = None) -> int:
    """Run the part and write its record; return 1 if something failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.part", description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rivals", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from galvanic.machine import import_tensorflow

    record = Record()
    try:
        # Not where memory is measured, whose parent must be small, nor where the import is part of the measured time.
        if options.name not in (
            "bot",
            "clean",
            "first-sample",
            "history",
            "memory",
            "ppmd",
            "read",
            "speaking",
            "text",
        ):
            import_tensorflow()
        from benchmarks.parts import find

        find(options.name)(Context(record, options.work, options.quick, options.rivals))
    except Exception as error:  # the record says why, and the other parts go on
        traceback.print_exc()
        message = " ".join(str(error).split())
        record.errors[options.name] = f"{type(error).__name__}: {message[:300]}"
    finally:
        record.save(options.to)
    return int(bool(record.errors))


if __name__ == "__main__":
    sys.exit(main())
