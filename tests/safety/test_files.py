"""Nothing that comes from outside is ever executed: what `make lint` does not see of it (ruff's rules `S`)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("galvanic", "bot", "worker", "shared", "playground", "launcher")
FORBIDDEN = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "h5py"),
    "yaml",  # which nobody needs here
}
"""They give objects of whoever wrote the file."""
HARMFUL = re.compile(
    r"(?<![\w.])(?:compile|__import__)\(|(?<!safetensors\.)\b(?:np|numpy|torch)\.load\(|allow_pickle\s*=\s*True"
    r"|\b(?:keras|models|saving|saved_model)\.load_model\(|import load_model\b.*keras|keras.*import load_model\b"
    r"|set_default_serializer|(?:accept_content|task_serializer)\s*=(?!\s*(?:\"json\"|\[\"json\"\]))"
)
"""With arrays of objects, NumPy's files are pickle; so are Celery's messages unless it is told otherwise."""


@pytest.mark.parametrize("part", PRODUCT)
def test_no_part_reads_what_could_execute(part: str) -> None:
    files = sorted((ROOT / part).rglob("*.py"))
    assert files
    for path in files:
        source = path.read_text("utf-8")
        assert (found := HARMFUL.search(source)) is None, f"{path}: {found and found[0]}"
        for node in ast.walk(ast.parse(source)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in named} & FORBIDDEN, path
