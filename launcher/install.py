"""Install Galvanic with some of its extras into the environment that runs this: `python install.py EXTRA...`.

Runs before anything is installed, so it needs the standard library alone. pip prints hundreds of lines or, with `-q`,
nothing for minutes; this prints that it goes on.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
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


def news(line: str) -> str | None:
    """What is worth telling of a line of pip's: large downloads, and the end of the downloading."""
    if line.startswith("Installing collected packages:"):
        return f"  unpacking {line.count(',') + 1} packages"
    large = re.match(r"\s*Downloading (?P<file>\S+?)(?:\.metadata)? \((?P<size>[\d.]+) (?P<unit>[MG]B)\)", line)
    if not large:
        return None
    size = float(large["size"]) * (1000 if large["unit"] == "GB" else 1)
    name = "-".join(large["file"].rsplit("/", 1)[-1].split("-")[:2])
    return f"  downloading {name} ({size:.0f} MB)" if size >= _LARGE_MB else None


def main(extras: list[str]) -> int:
    """Return pip's exit code."""
    if importlib.util.find_spec("pip") is None:  # making the environment was cut short
        subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
    if other := rival(extras, platform.system(), platform.machine()):
        subprocess.run([*_PIP, "uninstall", "-qq", "--yes", other], check=True)

    log = Path(sys.prefix) / "install.log"
    command = [*_PIP, "install", "--progress-bar", "off", "-c", str(CONSTRAINTS), "-e", f"{ROOT}[{','.join(extras)}]"]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    assert pip.stdout is not None
    with log.open("w", encoding="utf-8") as file:
        for line in pip.stdout:
            file.write(line)
            if told := news(line):
                print(told, flush=True)
    if code := pip.wait():
        print(
            *log.read_text("utf-8").splitlines()[-15:],
            f"error: the installation failed. Check the connection to the internet and the space on the disk "
            f"(3 GB are needed, 8 GB with a GPU), then run make again. The whole output: {log}",
            sep="\n",
            file=sys.stderr,
        )
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
