"""The package as a release brings it: what is in it, and that it works where nothing else of ours is."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from galvanic import __version__
from tests.worker.texts import babble

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMMANDS = {"train", "generate", "evaluate", "inspect", "export", "import", "serve", "completion"}

WRITE = """
import sys
import galvanic

model = galvanic.load("boats")
text = model.generate("The ", length=60, random_seed=3)
model.save("copy.safetensors")
assert 20 < len(text) <= 60, text
assert galvanic.load("copy").generate("The ", length=60, random_seed=3) == text
assert model.evaluate("The red boat came home. " * 20).bits_per_char < 8
print(galvanic.__file__)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def requirements(group: str | None = None) -> Iterator[Requirement]:
    """Yield what a dependency group asks for with all that it includes, or what the package does."""
    for entry in PROJECT["dependency-groups"][group] if group else PROJECT["project"]["dependencies"]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from requirements(entry["include-group"])


def imports(path: Path) -> set[str]:
    """Return the top-level names of all modules that a file imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_the_package_asks_for_what_it_imports() -> None:
    names = set[str]().union(*map(imports, (ROOT / "galvanic").rglob("*.py")))
    distributions = packages_distributions()
    used = {
        canonicalize_name(distributions[name][0]).removesuffix("-cpu")
        for name in names - sys.stdlib_module_names - {"galvanic"}
    }
    assert used == {canonicalize_name(requirement.name) for requirement in requirements()}


def test_a_worker_has_what_the_engine_asks_for() -> None:
    ours = {str(requirement) for requirement in requirements("worker-gpu")}
    ours = {requirement.replace("tensorflow[and-cuda]", "tensorflow") for requirement in ours}
    assert {str(requirement) for requirement in requirements()} <= ours
    heavy = {"tensorflow", "tensorflow-cpu", "keras"}
    for group in ("bot", "run", "playground"):
        assert not heavy & {requirement.name for requirement in requirements(group)}


def needed() -> Iterator[Distribution]:
    """Yield the packages that the wheel asks for, and those that they ask for, as they are installed here."""
    asked = list(requirements())
    seen = set[str]()
    for requirement in asked:  # which grows
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            package = distribution(f"{requirement.name}-cpu")  # of TensorFlow
        if package.name not in seen:
            seen.add(package.name)
            yield package
            asked += map(Requirement, package.requires or ())


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the source distribution, and of the wheel that was built from it."""
    source = tmp_path_factory.mktemp("release") / "source"
    for name in ("galvanic", "shared", "bot", "worker", "launcher", "playground"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "tests/test_docs.py"):
        (source / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(source.parent)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return source.parent


@pytest.fixture(scope="module")
def installed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of an environment with the wheel and the packages that it asks for, and no others."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, *release.glob("*.whl")], env=environment, check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for package in needed():
        for name in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(str(package.locate_file(name)))
    return python.parent


@pytest.mark.slow
@pytest.mark.process
def test_the_wheel_holds_the_engine_alone(release: Path) -> None:
    (path,) = release.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    assert {name.split("/")[0] for name in names} == {"galvanic", f"galvanic-{__version__}.dist-info"}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "galvanic").rglob("*") if path.is_file()}
    assert {name for name in names if name.startswith("galvanic/")} == {
        name for name in files if "__pycache__" not in name
    }
    with tarfile.open(next(release.glob("*.tar.gz"))) as archive:
        folders = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert folders & {"bot", "worker", "tests", "galvanic", "CHANGELOG.md"} == {"galvanic", "CHANGELOG.md"}


@pytest.mark.slow
@pytest.mark.process
def test_it_trains_and_writes_beside_somebodys_own_modules(installed: Path, tmp_path: Path) -> None:
    (packages,) = installed.parent.glob("lib/python3*/site-packages")
    for folder in (tmp_path, packages):
        (folder / "pyproject.toml").touch()
        for name in ("bot", "worker", "launcher", "shared"):
            (folder / f"{name}.py").write_text("raise SystemExit('this is mine')\n")

    def run(*command: str | Path) -> str:
        environment = {"PATH": f"{installed}:{os.environ['PATH']}", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("galvanic", "--version") == f"galvanic {__version__}\n"
    for program in (["galvanic"], [installed / "python", "-m", "galvanic"]):
        commands = set(re.findall(r"^    (\w+)", run(*program, "--help"), re.MULTILINE))
        assert commands == COMMANDS
    for command in COMMANDS:
        assert run("galvanic", command, "--help").startswith(f"usage: galvanic {command}")
    complete = "COMP_WORDS=(galvanic gen); COMP_CWORD=1; _shtab_galvanic; echo ${COMPREPLY[*]}"
    assert run("bash", "-c", f'eval "$(galvanic completion bash)"; {complete}') == "generate\n"

    (tmp_path / "boats.txt").write_text(babble(3_000), "utf-8")
    run("galvanic", "train", "boats.txt", "--out", "boats", "--epochs", "2", "--units", "16", "--log-dir", "log")
    place, modules = run(installed / "python", "-c", WRITE).splitlines()
    assert Path(place).is_relative_to(installed.parent)
    assert not {"tensorflow", "keras", "celery", "redis", "discord", "shared", "worker"} & set(modules.split())
