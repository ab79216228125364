"""Nothing that comes from outside is ever executed: held on the sources of the product."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("galvanic", "bot", "worker", "shared", "playground", "launcher")
FORBIDDEN_IMPORTS = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
    "h5py",
}
"""They give objects of whoever wrote the file; `yaml` is needed by nobody here."""
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {
    "system": {"os"},
    "popen": {"os"},
    # With arrays of objects it is pickle.
    "load": {"np", "numpy", "pickle", "torch", "joblib"},
    "load_model": {"keras", "models", "saving", "saved_model"},
    "extractall": None,
    "unpack_archive": {"shutil"},
    "set_default_serializer": None,
}
"""Methods, of which modules; None: of anything."""


def harmful(source: str) -> list[str]:
    """What in a source may execute what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names if alias.name.split(".")[0] in FORBIDDEN_IMPORTS]
            case ast.ImportFrom(module=str(module), names=names):
                found += [module] if module.split(".")[0] in FORBIDDEN_IMPORTS else []
                owner = module.rpartition(".")[2]
                found += [f"{module}.{a.name}" for a in names if owner in (FORBIDDEN_METHODS.get(a.name) or ())]
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                found.append(name)
            case ast.Attribute(attr=name, value=of) if name in FORBIDDEN_METHODS:
                owners = FORBIDDEN_METHODS[name]
                owner = ast.unparse(of)
                if owner != "safetensors.numpy" and (owners is None or owner.rpartition(".")[2] in owners):
                    found.append(f"{owner}.{name}")
            case ast.keyword(arg="shell" | "allow_pickle", value=ast.Constant(value=True)):
                found.append(str(node.arg))
            case ast.keyword(arg="accept_content" | "task_serializer", value=value):
                if set(ast.literal_eval(value) if isinstance(value, ast.List) else [ast.literal_eval(value)]) != {
                    "json"
                }:
                    found.append(str(node.arg))
            case _:
                pass
    return found


@pytest.mark.parametrize("part", PRODUCT)
def test_no_part_reads_what_could_execute(part: str) -> None:
    files = sorted((ROOT / part).rglob("*.py"))
    assert files
    found = {str(path.relative_to(ROOT)): bad for path in files if (bad := harmful(path.read_text("utf-8")))}
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import os; os.system('x')",
        "from os import system",
        "eval(text)",
        "import numpy as np; np.load(path)",
        "numpy.load(path, allow_pickle=False)",
        "keras.models.load_model(path)",
        "from keras.models import load_model",
        "tf.saved_model.load_model(path)",
        "tarfile.open(path).extractall('.')",
        "subprocess.run(line, shell=True)",
        "import yaml",
        "app.conf.update(accept_content=['json', 'pickle'])",
        "app.conf.update(task_serializer='pickle')",
    ],
)
def test_it_would_be_found(line: str) -> None:
    assert harmful(line)


def test_what_is_safe_is_let_be() -> None:
    assert not harmful("json.loads(text); safetensors.numpy.load(data); client.eval(script, 0); load_model(folder)")
