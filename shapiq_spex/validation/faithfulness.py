"""How well the series predicts coalitions it never saw, near and far from the full input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from shapiq_spex.spectral.series import FourierSeries
    from shapiq_spex.validation.purse import Purse

KEEP = (0.9, 0.75, 0.25, 0.1, 0.5)  # probability with which a player is present
NEAR = (1, 3)  # players removed near the full input
FEWEST = 5  # coalitions below which an R² is not told


def faithfulness(
    series: FourierSeries, main: FourierSeries, purse: Purse, rng: np.random.Generator
) -> pd.DataFrame:
    """R² on unknown coalitions at several keep-probabilities and near the full input.

    Published figures are those at one half; what happens near the full input is another question.

    Args:
        series: What was recovered.
        main: The best additive series on the same values.
        purse: Where the values come from; all that is left there is spent.
        rng: Source of all randomness.

    Returns:
        A row each, with the columns kept (in words), r2 (NaN where too few were new or all alike),
        main_effects (the same for main) and masks.
    """
    import pandas as pd

    share = purse.left // (len(KEEP) + 1)
    rows = {"near full": _near_full(purse, share, rng)}
    values = {"near full": purse(rows["near full"])}
    for keep in KEEP:  # one half comes last and gets what the others could not use
        name = f"{keep:.0%} kept"
        rows[name] = purse.draw(purse.left if keep == KEEP[-1] else share, rng, keep)
        values[name] = purse(rows[name])
    table = [
        {
            "kept": name,
            "r2": _r2(series(rows[name]), values[name]),
            "main_effects": _r2(main(rows[name]), values[name]),
            "masks": len(rows[name]),
        }
        for name in sorted(rows)
    ]
    return pd.DataFrame(table)


def _near_full(purse: Purse, count: int, rng: np.random.Generator) -> np.ndarray:
    """Unknown coalitions without one to three players."""
    rows = np.ones((4 * count, purse.n), dtype=bool)
    for row in rows:
        removed = rng.integers(NEAR[0], min(NEAR[1], purse.n) + 1)
        row[rng.choice(purse.n, removed, replace=False)] = False
    rows = np.unique(rows, axis=0)
    known = set(map(bytes, purse.known))
    new = rows[[bytes(row) not in known for row in rows]]
    return new[rng.permutation(len(new))[:count]]


def _r2(predicted: np.ndarray, values: np.ndarray) -> float:
    if len(values) < FEWEST or values.var() == 0:
        return float("nan")
    return float(1 - ((values - predicted) ** 2).mean() / values.var())
