"""Install Galvanic with some of its extras into the environment that runs this: `python install.py EXTRA...`.

Runs before anything is installed, so it needs the standard library alone. pip prints hundreds of lines or, with `-q`,
nothing for minutes; this prints that it goes on.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
_LARGE_MB = 5.0
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def rival(extras: Iterable[str], system: str, machine: str) -> str | None:
    """The other build of TensorFlow, which must go: both fill one folder. `system`, `machine`: as `platform` says."""
    if "worker-gpu" in extras:
        return "tensorflow-cpu"
    if "worker" in extras and (system, machine) == ("Linux", "x86_64"):
        return "tensorflow"
    return None


def progress(lines: Iterable[str]) -> Iterator[str]:
    """Yield what is worth telling: large downloads, and the end of the downloading."""
    for line in lines:
        large = re.match(r"\s*Downloading (?P<file>\S+?)(?:\.metadata)? \((?P<size>[\d.]+) (?P<unit>[MG]B)\)", line)
        if large:
            size = float(large["size"]) * (1000 if large["unit"] == "GB" else 1)
            if size >= _LARGE_MB:
                name = "-".join(large["file"].rsplit("/", 1)[-1].split("-")[:2])
                yield f"  downloading {name} ({size:.0f} MB)"
        elif line.startswith("Installing collected packages:"):
            yield f"  unpacking {line.count(',') + 1} packages"


def _installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def main(extras: list[str]) -> int:
    """Return pip's exit code."""
    if importlib.util.find_spec("pip") is None:  # making the environment was cut short
        subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
    other = rival(extras, platform.system(), platform.machine())
    if other is not None and _installed(other):
        subprocess.run([*_PIP, "uninstall", "--quiet", "--yes", other], check=True)

    log = Path(sys.prefix) / "install.log"
    command = [*_PIP, "install", "--progress-bar", "off", "-c", str(CONSTRAINTS), "-e", f"{ROOT}[{','.join(extras)}]"]
    last: deque[str] = deque(maxlen=15)
    with log.open("w", encoding="utf-8") as file:
        pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        assert pip.stdout is not None

        def lines() -> Iterator[str]:
            for line in pip.stdout or ():
                file.write(line)
                last.append(line)
                yield line

        for news in progress(lines()):
            print(news, flush=True)
        code = pip.wait()
    if code != 0:
        sys.stderr.write("".join(last))
        print(
            f"error: the installation failed. Check the connection to the internet and the space on the disk "
            f"(3 GB are needed, 8 GB with a GPU), then run make again. The whole output: {log}",
            file=sys.stderr,
        )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
