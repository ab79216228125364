"""What the pages of all processes begin with: who it is, and what the operating system knows of it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Info, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

UNKNOWN = "unknown"
PATIENCE_S = 2.0
"""Within this a page says what Redis knows, or that it does not answer: whoever scrapes waits for it."""


def version_of(package: str) -> str:
    """Found without importing the package; `unknown` where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def new_registry(service: str, data: Path, libraries: Iterable[str] = ()) -> CollectorRegistry:
    """`service`: `bot`, `train` or `generate`. `data`: the folder whose disk is shown. `libraries`: packages whose
    versions are shown; of several names for one (`tensorflow|tensorflow-cpu`) the first that is installed."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info("galvanic_build", "What this process is made of.", registry=registry)
    who = {"service": service, "version": version_of("galvanic"), "python": platform.python_version()}
    build.info(who | dict(map(_library, libraries)))
    registry.register(Disk(data))
    return registry


def _library(names: str) -> tuple[str, str]:
    found = [version for version in map(version_of, names.split("|")) if version != UNKNOWN]
    label = names.partition("|")[0].replace(".", "_").replace("-", "_")
    return label, found[0] if found else UNKNOWN


class Disk(Collector):
    def __init__(self, data: Path) -> None:
        self._data = data

    def collect(self) -> Iterator[Metric]:
        """Sizes in bytes; nothing where the folder cannot be asked."""
        free = GaugeMetricFamily("galvanic_disk_free_bytes", "Room left on the disk of this process's data folder.")
        size = GaugeMetricFamily("galvanic_disk_size_bytes", "Size of the disk of this process's data folder.")
        if (usage := disk(self._data)) is not None:
            free.add_metric([], usage[0])
            size.add_metric([], usage[1])
        yield free
        yield size


def disk(data: Path) -> tuple[int, int] | None:
    """Free and all bytes of the disk on which a folder lies, or will lie; None: nobody can say."""
    for folder in (data, *data.parents):
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        return usage.free, usage.total
    return None
