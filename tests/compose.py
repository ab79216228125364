"""What Docker Compose makes of this project's files; needs its command alone, no engine."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "docker-compose.yml": {},
    "deploy/bot.compose.yml": {"REDIS_PUBLISH": "10.0.0.1"},
    "deploy/worker.compose.yml": {"REDIS_HOST": "10.0.0.1", "MODEL_STORE": "s3://bucket/folder"},
}
"""The files that can be started, and the variables that each asks for besides COMPOSE_PROFILES."""


@functools.cache
def command() -> tuple[str, ...] | None:
    """Docker Compose, as a plugin or by itself; None where it is not installed."""
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) and subprocess.run([*words, "version"], capture_output=True).returncode == 0:
            return words
    return None


def run(
    file: str, *arguments: str, variables: Mapping[str, str], folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker Compose on a file, without any variable or `.env` of the developer's."""
    words = command()
    assert words is not None
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [*words, "--env-file", "/dev/null", "-f", file, *arguments],
        env={**environment, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@functools.cache
def resolved(file: str, profiles: str) -> dict[str, Any]:
    """A file with everything that it extends, as JSON; `profiles` joined by commas."""
    done = run(file, "config", "--format", "json", variables={"COMPOSE_PROFILES": profiles} | FILES[file])
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed
