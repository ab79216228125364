"""Measure how fast and how good the engine is: `python -m benchmarks [--quick] [PART ...]`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report, suite, texts, words
from benchmarks.keys import GROUPS, MEANS, PARTS, QUICK, QUICK_PARTS, Part
from benchmarks.record import Record

ROOT = Path(__file__).resolve().parent.parent
RIVALS = ROOT / ".venv-bench" / "bin" / "python"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
_BUSY = 0.3
"""Load of the last minute, for each core, from which the machine counts as busy."""


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for; return 1 if one of them failed."""
    options = _options(arguments)
    out: Path = options.out or ROOT / "benchmarks" / ("results-quick.json" if options.quick else "results.json")
    parts = QUICK_PARTS if options.quick else PARTS
    keys = [(QUICK if options.quick else "") + key for part in parts.values() for key in part.keys]
    try:
        results = report.read(out)
        if options.table:
            report.fill(DOCUMENT, report.markdown(results, parts, quick=options.quick))
            print(report.table(results, keys))
            return 0
        chosen = with_texts(_chosen(options.parts, parts) if options.parts else list(parts), parts)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    begun = time.monotonic()
    results["machine"] = report.machine(options.rivals)
    load = results["machine"]["load_before"]
    if load is not None and load > _BUSY * (os.cpu_count() or 1):
        print(f"warning: this machine is busy (load {load:g}): the figures will suffer", file=sys.stderr)
    failed = False
    with tempfile.TemporaryDirectory(prefix="galvanic-bench-") as work:
        for name in chosen:
            stamp = report.stamp()
            record, seconds = (
                (suite.means(results), 0.0) if name == MEANS else _run(name, parts[name], Path(work), options)
            )
            report.merge(results, name, parts[name], record, {**stamp, "seconds": seconds}, quick=options.quick)
            report.write(out, results)
            failed |= bool(record.errors)
    print(report.table(results, keys))
    print(f"\n{time.monotonic() - begun:,.0f} s; {out}")
    return int(failed)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    names = ", ".join((*PARTS, "quality (of the book)", "suite (of all texts, 1.5 hours)"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: all. Of: {names}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and shorter trainings, keys of its own")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the results go, merged into what is there")
    parser.add_argument(
        "--rivals", type=Path, default=RIVALS, metavar="PYTHON", help="interpreter that has PyTorch and pyppmd"
    )
    parser.add_argument("--table", action="store_true", help="run nothing: print the results, fill docs/benchmarks.md")
    return parser.parse_args(arguments)


def _chosen(asked: list[str], parts: dict[str, Part]) -> list[str]:
    names = [name for each in asked for name in GROUPS.get(each, (each,)) if name in parts or each not in GROUPS]
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise ValueError(f"there is no part {unknown[0]}; choose of {', '.join(parts)}")
    return names


def with_texts(chosen: list[str], parts: dict[str, Part]) -> list[str]:
    """Return the parts whose texts are there. Parts that need the suite or the list of words are left out, with a
    printed sentence, if these are missing.

    Raises:
        ValueError: the book is missing, or no part is left.
    """
    if any(parts[name].texts for name in chosen) and (lacking := texts.book_lacking()):
        raise ValueError(lacking)
    for kind, lacking in (("suite", texts.suite_lacking()), ("words", words.list_lacking())):
        without = [name for name in chosen if parts[name].texts == kind]
        if not without or not lacking:
            continue
        chosen = [name for name in chosen if name not in without]
        if not chosen:
            raise ValueError(lacking)
        print(f"left out: {', '.join(without)}. {lacking}", file=sys.stderr)
    return chosen


def _run(name: str, part: Part, work: Path, options: argparse.Namespace) -> tuple[Record, float]:
    """Run a part in a process of its own; return its record, and its seconds."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    begun = time.monotonic()
    to = work / f"{name}.json"
    command = [sys.executable, "-m", "benchmarks.part", name, "--work", work, "--rivals", options.rivals, "--to", to]
    command += ["--quick"] if options.quick else []
    # In a session of its own: a part that hangs is killed with all processes that it started.
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    reason = ""
    try:
        code = process.wait(part.timeout_s)
        reason = "" if code in (0, 1) else f"its process ended with {code}"
    except subprocess.TimeoutExpired:
        reason = f"given up after {part.timeout_s:g} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    record = Record.load(to)
    if reason or not (record.values or record.errors):
        record.errors[name] = reason or "it measured nothing"
    seconds = round(time.monotonic() - begun, 1)
    state = "; ".join(f"{key}: {message}" for key, message in record.errors.items()) or "done"
    print(f"{name}: {state} ({seconds:g} s)", file=sys.stderr, flush=True)
    return record, seconds


if __name__ == "__main__":
    # So that the running part is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted. What was finished is in the results.", file=sys.stderr)
        sys.exit(130)
