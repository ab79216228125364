"""The notebooks in `examples/`, run from the first cell to the last, on a made-up book and for a second."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks import NOTEBOOKS, run
from tests.worker.texts import babble


def _pictures(notebook: Any) -> list[int]:
    """Return the number of pictures under each cell."""
    return [sum("image/png" in output.get("data", {}) for output in cell.get("outputs", [])) for cell in notebook.cells]


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    pictures = _pictures(notebook)
    assert any(pictures)
    (tmp_path / "story.txt").write_text("“A boat,” said the sailor. " * 20 + babble(4_000), "utf-8")
    (at,) = (at for at, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell('BOOK, MINUTES = "story.txt", 0.02'))
    run(notebook, tmp_path)
    del notebook.cells[at + 1]
    assert _pictures(notebook) == pictures


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_the_outputs_of_a_whole_run(path: Path) -> None:
    assert path.stat().st_size < 400_000
    notebook = json.loads(path.read_text("utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert "error" not in {output["output_type"] for output in outputs}
    assert "/home/" not in str(outputs)
    assert all("execution" not in cell["metadata"] for cell in cells)
