"""The example notebooks, executed again, and as they are kept."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "examples" / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_executed_and_runs(path, tmp_path):
    kept = nbformat.read(path, as_version=4)
    nbformat.validate(kept)
    assert [cell.execution_count for cell in code_cells(kept)] == list(range(1, len(code_cells(kept)) + 1))
    done = NotebookClient(
        nbformat.read(path, as_version=4), timeout=250, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()  # which raises what a cell raises
    for before, now in zip(code_cells(kept), code_cells(done)):
        assert kinds(now) == kinds(before), now.source


def kinds(cell):
    """What a cell puts out: an error's or a warning's stream would be one more."""
    return sorted({output.get("name", output.output_type) for output in cell.outputs})


def test_both_chapters_are_told():
    assert [path.stem for path in NOTEBOOKS] == ["alexnet", "nin"]
