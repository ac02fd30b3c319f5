"""The modules beside the notebooks, and the tiny model of one of them, trained once a session."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"

sys.path.insert(0, str(NOTEBOOKS))  # they import each other by name, as in the notebook

import classic_cases  # noqa: E402
import stand_ins  # noqa: E402

__all__ = ["NOTEBOOKS", "classic_cases", "stand_ins", "trained_folder"]


@cache
def trained_folder():
    """Where the model lies that `classic_cases.answer_model` trains when none is named."""
    for name in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(name)
    import torch

    torch.set_num_threads(1)
    trained, folder = classic_cases.answer_model(), mkdtemp(prefix="two-hop-")
    trained["model"].save_pretrained(folder)
    trained["tokenizer"].save_pretrained(folder)
    return folder
