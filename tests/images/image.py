"""What a Dockerfile of this project makes, without an engine: its steps are run in a folder.

Only what these Dockerfiles use is known. Paths of the image lie under the folder; the base image's Python is the one
that runs the tests.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.compose import ROOT

_PATHS = re.compile(r"(?<![\w./}])/(?=(?:opt|data|tmp|src|corpora)\b)")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_AS_ROOT = re.compile(r"groupadd\b|apt-get\b")
"""Makes the user, or installs fonts; nothing of it is needed here."""


@dataclass
class Image:
    """An image's folder, and how a container of it is started."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    venv_bytes: int = 0

    def inside(self, text: str) -> str:
        """The text with paths of the image where they lie."""
        return _PATHS.sub(f"{self.folder}/", text)

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.folder / "opt" / "galvanic"

    def packages(self) -> set[str]:
        """Names of what is installed, in small letters."""
        return {path.name.split("-")[0].lower() for path in self.venv.glob("lib/python3*/site-packages/*.dist-info")}

    def start(
        self, words: list[str], variables: dict[str, str], **options: Any
    ) -> subprocess.Popen[str]:  # what the container's init would start
        """Start a program as it would be in a container: the image's variables, then those given, and no others."""
        environment = {name: self.inside(value) for name, value in self.environment.items()} | variables
        program = shutil.which(words[0], path=environment["PATH"])
        assert program is not None, f"{words[0]} is not in the image"
        return subprocess.Popen([program, *words[1:]], env=environment, cwd=self.folder / "data", text=True, **options)


def build(dockerfile: Path, folder: Path, **arguments: str) -> Image:
    """Run a Dockerfile's steps; `arguments` as with `--build-arg`."""
    tools = folder / "tools"
    for name in ("data", "tmp"):
        (folder / name).mkdir(parents=True)
    tools.mkdir(parents=True)
    for name, words in (("python", [sys.executable]), ("pip", [sys.executable, "-m", "pip"])):
        (tools / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        (tools / name).chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HOME", "http"))}
    image = Image(folder)
    values: dict[str, str] = {}
    for instruction, rest in _instructions(dockerfile):
        match instruction:
            case "FROM":
                image.environment, values, workdir = {"PATH": _SYSTEM_PATH}, {}, folder
            case "ARG":
                name, _, default = rest.partition("=")
                values[name] = arguments.get(name, default)
            case "ENV":
                for word in shlex.split(rest):
                    name, _, value = word.partition("=")
                    image.environment[name] = value.replace("$PATH", image.environment["PATH"])
            case "WORKDIR":
                workdir = folder / rest.lstrip("/")
                workdir.mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(rest, folder, workdir)
            case "RUN" if not _AS_ROOT.search(rest):
                script = image.inside(re.sub(r"--mount=\S+\s*", "", rest))
                environment = (
                    outside | {name: image.inside(value) for name, value in image.environment.items()} | values
                )
                environment["PATH"] = f"{tools}:{environment['PATH']}"
                subprocess.run(["sh", "-ec", script], env=environment, cwd=workdir, check=True, timeout=1_200)
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
    image.venv_bytes = sum(path.lstat().st_blocks * 512 for path in image.venv.rglob("*"))
    return image


def _instructions(dockerfile: Path) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(words[0], words[1].strip()) for words in found]


def _copy(rest: str, folder: Path, workdir: Path) -> None:
    *sources, target = rest.split()
    if sources[0].startswith("--from="):
        assert sources[1] == target, "both stages share one folder here"
        return
    place = folder / target.lstrip("/") if target.startswith("/") else workdir / target
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
