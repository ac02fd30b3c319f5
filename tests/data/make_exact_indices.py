"""Golden values of every index from shapiq 1.8's exact computer: writes exact_indices.json.

    python tests/data/make_exact_indices.py

The table is a fixed list of eighths, so that nobody's random generator stands behind it.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from shapiq.game_theory.exact import ExactComputer

TABLE = [1.5, -0.25, 2, 0.125, -3, 4.5, 0, 1, -1.75, 2.5, 3.625, -0.5, 6, -2, 0.75, 5.25]
CASES = [("SV", 1), ("BV", 1)] + [
    (index, order)
    for index in ("Moebius", "SII", "k-SII", "BII", "STII", "FSII", "FBII")
    for order in (2, 3, 4)
]


def game(coalitions):
    """Look the coalitions up: bit i of a place in the table is player i."""
    return np.array(TABLE)[np.asarray(coalitions, dtype=np.int64) @ [1, 2, 4, 8]]


def exact(index, order):
    """The case as the test reads it; the computer gives Moebius values of all orders."""
    found = ExactComputer(game, n_players=4)(index, order)
    values = [[list(t), float(found[t])] for t in found.interaction_lookup if len(t) <= order]
    return {"index": index, "order": order, "values": sorted(values, key=lambda v: (len(v[0]), v))}


if __name__ == "__main__":
    made = {
        "shapiq": version("shapiq"),
        "table": TABLE,
        "cases": [exact(*case) for case in CASES],
    }
    target = Path(__file__).with_name("exact_indices.json")
    target.write_text(json.dumps(made) + "\n")
