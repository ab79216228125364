"""Finding a Python, and what make does with its variables."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.launcher.running import ROOT

pytestmark = pytest.mark.process

SCRIPT = ROOT / "launcher" / "find-python.sh"
CONSTRAINTS = ROOT / "constraints.txt"


def find_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing but `folder` and the system's basic tools on the PATH."""
    for tool in ("basename", "uname"):
        found = next(path for path in (Path("/usr/bin") / tool, Path("/bin") / tool) if path.exists())
        (folder / tool).symlink_to(found)
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *arguments], env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )


def fake_python(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


REAL = f'exec "{sys.executable}" "$@"'
OLD = 'case "$2" in *version_info*) exit 1;; *python_version*) echo 3.9.2;; esac'
NO_VENV = f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'


def test_the_first_that_suits_is_taken(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3.13", "exit 127")  # a shim for a version that is not there
    fake_python(tmp_path / "python3.12", NO_VENV)
    fake_python(tmp_path / "python3", REAL)
    assert find_python(tmp_path).stdout == "python3\n"


def test_one_that_is_too_old_is_named(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3", OLD)
    result = find_python(tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert "python3 is 3.9.2" in result.stderr


def test_a_missing_venv_module_is_explained(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3.11", NO_VENV)
    result = find_python(tmp_path)
    assert result.returncode == 1
    assert "apt install python3.11-venv" in result.stderr


def test_the_one_that_was_named_is_the_only_one_tried(tmp_path: Path) -> None:
    fake_python(tmp_path / "python3", REAL)
    fake_python(tmp_path / "mine", OLD)
    assert find_python(tmp_path, "mine").returncode == 1


def test_constraints_hold_versions_and_no_addresses() -> None:
    lines = [line for line in CONSTRAINTS.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    for line in lines:
        name, _, version = line.partition("==")
        assert version, line
        assert "@" not in line
        assert "/" not in line
        assert "[" not in name, "pip refuses extras in constraints"


def test_what_builds_and_what_is_compared_with_is_pinned_as_in_the_constraints() -> None:
    pinned = {line.partition(" ;")[0] for line in CONSTRAINTS.read_text("utf-8").splitlines()}
    (builds,) = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert builds in pinned
    for name in ("benchmarks/requirements.txt", "docs/requirements.txt", "tools/audit-requirements.txt"):
        lines = [line for line in (ROOT / name).read_text("utf-8").splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), name


def planned(*arguments: str, **environment: str) -> str:
    """Return the commands that make would run."""
    make = ["make", "-C", str(ROOT), "-n", *arguments]
    return subprocess.run(make, env=os.environ | environment, capture_output=True, text=True, check=True).stdout


def test_two_builds_of_tensorflow_never_share_an_environment() -> None:
    cuda = planned("-B", "install", "WORKER=worker-gpu")
    assert cuda.index("uninstall --quiet --quiet --yes tensorflow-cpu\n") < cuda.index("--group worker-gpu ")


def test_the_playground_can_be_left_out() -> None:
    assert "--group playground" not in planned("-B", "install", "PLAYGROUND=")
    assert "--group playground" in planned("-B", "install")


def test_a_variable_of_the_environment_counts_like_one_of_make() -> None:
    assert "--minutes 10 --seed 4" in planned("soak", MINUTES="10", SEED="4")
    assert "--minutes" not in planned("soak")
    assert "--minutes 10 --trainings 3 --generates 7" in planned("load", MINUTES="10", TRAININGS="3", GENERATES="7")
