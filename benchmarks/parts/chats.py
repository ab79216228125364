"""Measure how fast an export of a chat is read, and how much memory that takes. Without TensorFlow."""

import functools
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from benchmarks.measure import alternate, medians, repeated
from benchmarks.record import Context
from galvanic.read.formats import read_paths
from galvanic.units import MEGABYTE

TIMED_MB, LARGE_MB = 100, 1_990


def read(context: Context) -> None:
    """Measure the seconds in which an export of 100 MB is read, cleaned and counted; and the memory for one of 2 GB."""
    export = context.work / "export.json"
    _write(export, TIMED_MB)
    read_export = functools.partial(read_paths, [export], context.work / "export")
    times = medians(alternate({"read": repeated(read_export, 1)}, 1 if context.quick else 5))
    if not context.quick:
        _write(export, LARGE_MB)
        read_export()
    export.unlink()
    # KiB on Linux, bytes on macOS.
    peak = getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024) / MEGABYTE
    context.record.values |= {"read.export_100mb_s": times["read"], "read.export_peak_mb": peak}


def _write(export: Path, megabytes: int) -> None:
    """Write an export in a process of its own, whose memory doesn't count."""
    subprocess.run([sys.executable, "-m", "benchmarks.exports", str(export), str(megabytes * MEGABYTE)], check=True)
