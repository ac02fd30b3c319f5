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
        main_effects (the same for main), coalitions (judged on) and masks (paid for).
    """
    import pandas as pd

    share, table = purse.left // (len(KEEP) + 1), []
    for keep in (None, *KEEP):  # one half comes last and gets what the others could not use
        count = purse.left if keep == KEEP[-1] else share
        rows = _near_full(purse, count, rng) if keep is None else purse.draw(count, rng, keep)
        before, values = purse.n_new, purse(rows)
        table.append(
            {
                "kept": "near full" if keep is None else f"{keep:.0%} kept",
                "r2": _r2(series(rows), values),
                "main_effects": _r2(main(rows), values),
                "coalitions": len(rows),
                "masks": purse.n_new - before,
            }
        )
    return pd.DataFrame(sorted(table, key=lambda row: str(row["kept"])))


def _near_full(purse: Purse, count: int, rng: np.random.Generator) -> np.ndarray:
    """Unknown coalitions without one to three players."""
    rows = np.ones((4 * count, purse.n), dtype=bool)
    for row in rows:
        removed = rng.integers(NEAR[0], min(NEAR[1], purse.n) + 1)
        row[rng.choice(purse.n, removed, replace=False)] = False
    rows = np.unique(rows, axis=0)
    new = purse.unknown(rows)
    return new[rng.permutation(len(new))[:count]]


def _r2(predicted: np.ndarray, values: np.ndarray) -> float:
    if len(values) < FEWEST or values.var() == 0:
        return float("nan")
    return float(1 - ((values - predicted) ** 2).mean() / values.var())
