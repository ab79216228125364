"""The results file and its tables."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.keys import QUICK, Part, target_of
from benchmarks.record import Record

Results = dict[str, Any]
"""Each key with its value, and the blocks `machine`, `targets`, `raw`, `errors` and `parts`."""
_BLOCKS = ("machine", "targets", "raw", "errors", "parts")
_MADE_WITH = ("cpu", "cores", "float32_gflops", "bfloat16_gflops", "python", "tensorflow", "keras", "torch")
_LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy")


def read(path: Path) -> Results:
    """Read the results so far; empty if there are none.

    Raises:
        ValueError: the file holds something else.
    """
    if not path.is_file():
        return {block: {} for block in _BLOCKS}
    results = json.loads(path.read_text("utf-8"))
    if not isinstance(results, dict) or not all(isinstance(results.get(block), dict) for block in _BLOCKS):
        raise ValueError(f"{path} does not hold results of this benchmark: move it away")
    return results


def write(path: Path, results: Results) -> None:
    """Write the results: the keys first, in alphabetical order."""
    keys = sorted(set(results) - set(_BLOCKS))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    ordered = {key: results[key] for key in (*keys, *_BLOCKS)}
    partial.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(path)


def merge(results: Results, name: str, part: Part, record: Record, stamp: dict[str, Any], *, quick: bool) -> None:
    """Replace the results of a part's former run with those of its new run.

    Args:
        results: all results, which are changed.
        name: the part's name.
        part: the part.
        record: what it measured.
        stamp: when and how it was run.
        quick: whether its keys get the prefix of quick runs.
    """
    prefix = QUICK if quick else ""
    for key in part.keys:
        results.pop(prefix + key, None)
        results["targets"].pop(prefix + key, None)
    earlier = results["parts"].get(name, {})
    for key in earlier.get("raw", ()):
        results["raw"].pop(key, None)
    for key in earlier.get("errors", ()):
        results["errors"].pop(key, None)

    for key, value in record.values.items():
        if not math.isfinite(value):
            record.errors[key] = "the value is not a number"
            continue
        target = target_of(key)
        target = target and target.on(results["machine"])
        number = float(f"{value:.5g}")
        results[prefix + key] = number
        results["targets"][prefix + key] = {
            "value": number,
            "target": None if target is None else str(target),
            "met": None if target is None else target.met(number),
        }
    for key, target in part.keys.items():
        if target is not None and key not in record.values and not record.errors:
            record.errors[key] = "was not measured"
    raw = {prefix + key: _rounded(value) for key, value in record.raw.items()}
    errors = {prefix + key: message for key, message in record.errors.items()}
    results["raw"] |= raw
    results["errors"] |= errors
    machine_facts = {what: results["machine"][what] for what in _MADE_WITH if what in results["machine"]}
    results["parts"][name] = {**stamp, "machine": machine_facts, "raw": sorted(raw), "errors": sorted(errors)}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def machine(rivals: Path) -> dict[str, Any]:
    """Describe the machine and the software of the results."""
    versions: dict[str, str] = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name.removesuffix("-cpu")] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name in ("torch", "pyppmd"):
        code = f"import importlib.metadata as m; print(m.version('{name}'))"
        versions[name] = _output([str(rivals), "-c", code]) or "not installed"
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        **versions,
        **json.loads(_output([sys.executable, "-m", "benchmarks.products"]) or "{}"),
        **stamp(),
    }


def stamp() -> dict[str, Any]:
    """Return the time, the commit, and the machine's load of the last minute."""
    commit = _output(["git", "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results*.json"])
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": f"{commit}, changed" if commit and changed else commit or "unknown",
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _cpu() -> str:
    held = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return _processor() + (f" held to {held}" if held else "")


def _processor() -> str:
    linux = Path("/proc/cpuinfo")
    if linux.is_file():
        for line in linux.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _rows(results: Results, keys: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    for key in keys:
        if key in results["targets"]:
            row = results["targets"][key]
            met = {True: "yes", False: "NO", None: ""}[row["met"]]
            yield key, _short(row["value"]), row["target"] or "", met
        elif key in results["errors"]:
            message = results["errors"][key]
            yield key, "failed", message.splitlines()[0] if message else "", "NO"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def table(results: Results, keys: Iterable[str]) -> str:
    """Return a table of keys, values and targets for a terminal."""
    rows = [("key", "value", "target", "met"), *_rows(results, dict.fromkeys([*keys, *results["errors"]]))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    targets = max(len(row[2]) for row in rows if row[1] != "failed")
    lines = [f"{key:{widths[0]}}  {value:>{widths[1]}}  {target:<{targets}}  {met}" for key, value, target, met in rows]
    return "\n".join(line.rstrip() for line in lines)


def markdown(results: Results, parts: Mapping[str, Part], *, quick: bool = False) -> str:
    """Return the keys that have a target as Markdown: a table for each machine, under a line about it.

    Args:
        results: what was measured.
        parts: all there are, in the order of their rows.
        quick: their keys have the prefix of quick runs.
    """
    prefix = QUICK if quick else ""
    keys_by_run: dict[str, list[str]] = {}
    for name, part in parts.items():
        if run := results["parts"].get(name):
            aimed_at = [prefix + key for key, target in part.keys.items() if target is not None]
            if aimed_at or run["errors"]:
                keys_by_run.setdefault(made_on(run), []).extend([*aimed_at, *run["errors"]])
    lines = []
    for machine_line, keys in keys_by_run.items():
        lines += [machine_line, "", "| key | value | target | met |", "|---|---|---|---|"]
        lines += [
            f"| `{key}` | {value} | {target} | {met} |"
            for key, value, target, met in _rows(results, dict.fromkeys(keys))
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


def made_on(run: Mapping[str, Any]) -> str:
    """A line about the machine, what it ran with, and when: of a stamp with a block `machine`."""
    facts = run["machine"]
    line = f"{facts.get('cpu', 'Unknown CPU')}, {facts.get('cores')} cores{_speed(facts)}; Python {facts.get('python')}"
    for name, key in (("TensorFlow", "tensorflow"), ("Keras", "keras"), ("PyTorch", "torch")):
        if key in facts and facts[key] != "not installed":
            line += f", {name} {facts[key]}"
    return f"{line}; {str(run.get('date', ''))[:10]}, commit {run.get('commit')}."


def _speed(facts: Mapping[str, Any]) -> str:
    if "float32_gflops" not in facts:
        return ""
    return f" ({facts['float32_gflops']:.0f} GFLOP/s in float32, {facts['bfloat16_gflops']:.0f} in bfloat16)"


def fill(document: Path, content: str, what: str = "results") -> None:
    """Put content between the marks of a document.

    Raises:
        ValueError: the document has no such marks.
    """
    first, last = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    text = document.read_text("utf-8")
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{document} has no place for the {what} ({first} and {last})")
    document.write_text(f"{before}{begin}\n{content}\n{end}{after}", "utf-8")
