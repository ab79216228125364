"""The command `galvanic`, as a wheel brings it, in a folder with somebody's own modules of our names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
COMMANDS = ("train", "generate", "evaluate", "export", "run", "worker", "bot", "doctor")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What installing the wheel leaves, without what it needs, which is here already."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("galvanic", "shared", "bot", "worker", "launcher", "playground"):  # a build leaves things where it is
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", folder / "site", folder / "source"], check=True, capture_output=True)
    return folder / "site"


def test_it_works_beside_somebodys_own_modules(wheel: Path, tmp_path: Path) -> None:
    for name in ("bot.py", "worker.py", "launcher.py"):
        (tmp_path / name).write_text("raise SystemExit('this is mine')\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "__init__.py").write_text("raise SystemExit('this is mine')\n")

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for galvanic in ([wheel / "bin" / "galvanic"], [sys.executable, "-m", "galvanic"]):
        said = run(*galvanic, "--help")
        for command in COMMANDS:
            assert f"\n    {command} " in said, command
    assert run(sys.executable, "-c", "import galvanic; print(galvanic.__doc__[:8])") == "Galvanic\n"
