"""Run the notebooks in `examples/` anew, and keep their outputs: `make notebooks`.

The book lies in `examples/frankenstein.txt`, or is downloaded. Run it while the machine does nothing else, and correct
the last cell of each, which names the processor.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = [EXAMPLES / "train-and-compare.ipynb", EXAMPLES / "look-inside.ipynb"]  # the second takes the first's model


def run(notebook: Any, folder: Path) -> None:
    """Run a notebook's cells in a folder, and put their outputs into it."""
    NotebookClient(notebook, timeout=800, record_timing=False, resources={"metadata": {"path": str(folder)}}).execute()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if (book := EXAMPLES / "frankenstein.txt").exists():
            shutil.copy(book, folder)
        for path in NOTEBOOKS:
            notebook = nbformat.read(path, as_version=4)
            run(notebook, Path(folder))
            for cell in notebook.cells:
                if cell.cell_type == "code":  # without the progress bar
                    cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            notebook.metadata.language_info = {"name": "python"}
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
