"""What happens when the players the series points at are removed, or are all that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.optimise import optimise
from shapiq_spex.spectral.indices import interactions
from shapiq_spex.spectral.walsh import all_coalitions

if TYPE_CHECKING:
    import pandas as pd

    from shapiq_spex.spectral.series import FourierSeries
    from shapiq_spex.validation.purse import Purse

COLUMNS = ["curve", "players", "series", "main_effects", "chance", "exact", "masks"]
SIZES = (1, 2, 3, 5, 10, 20)
DRAWS = 2  # random choices of each size
TABLE = 16  # players up to which the series is optimised over all coalitions
TERMS = 3000  # largest terms that choose players beyond


def curves(
    series: FourierSeries,
    main: FourierSeries,
    purse: Purse,
    count: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Real changes by the best r players of the series, by main effects alone, and by chance.

    Removal takes r players out of the full input, insertion adds r to the empty one. The r players
    are those with which the series moves farthest from where it starts towards the other end. Up
    to 16 players they are the best of all; beyond, see :func:`shapiq_spex.optimise.optimise`,
    which is exact where that is feasible, and sees the 3,000 largest terms.

    Args:
        series: What was recovered.
        main: The best additive series on the same values; its players are ranked.
        purse: Where the values come from.
        count: How many unknown coalitions may be spent.
        rng: Source of all randomness.

    Returns:
        Columns curve ("removal" or "insertion"), players (r), series, main_effects, chance (the
        shares of v(N) - v(empty) that are gone, or there; the share of the change itself where both
        ends are alike), exact (whether no r players are better in the whole series) and masks.
    """
    import pandas as pd

    n, start = purse.n, purse.n_new
    both = np.array([[False] * n, [True] * n])
    if purse.cost(both) > min(count, purse.left):
        return pd.DataFrame(columns=COLUMNS)
    ends = purse(both)
    change = float(ends[1] - ends[0])
    way = 1.0 if change >= 0 else -1.0
    unit = abs(change) or 1.0
    best = Best(series)
    found = interactions(main, "BV", 1)
    order = np.argsort([-way * found.get((i,), 0.0) for i in range(n)], kind="stable")
    table = []
    for size in (size for size in SIZES if size < n):
        for curve in ("removal", "insertion"):
            rows, exact = _rows(best, order, size, curve=curve, way=way, rng=rng)
            if purse.n_new - start + purse.cost(rows) > min(
                count, purse.left + purse.n_new - start
            ):
                continue
            before = purse.n_new
            values = purse(rows)
            moved = way * (ends[1] - values if curve == "removal" else values - ends[0]) / unit
            table.append(
                {
                    "curve": curve,
                    "players": size,
                    "series": moved[0],
                    "main_effects": moved[1],
                    "chance": moved[2:].mean(),
                    "exact": exact,
                    "masks": purse.n_new - before,
                }
            )
    return pd.DataFrame(table, columns=COLUMNS)


class Best:
    """The best coalitions of a size, by a series."""

    def __init__(self, series: FourierSeries) -> None:
        """Evaluate it on every coalition, if there are few."""
        self.whole = series
        self.few = series.truncate(count=TERMS)
        self.table = series.to_table() if series.n <= TABLE else None

    def of_size(self, kept: int, way: float) -> tuple[np.ndarray, bool]:
        """The row of so many players for which way times the series is largest; whether it is."""
        if self.table is not None:
            rows = all_coalitions(self.whole.n)
            value = np.where(rows.sum(axis=1) == kept, way * self.table, -np.inf)
            return rows[int(value.argmax())], True
        found = optimise(self.few, goal="max" if way > 0 else "min", keep=kept)
        return found.coalition, found.gap == 0 and len(self.few) == len(self.whole)


def _rows(
    best: Best,
    order: np.ndarray,
    size: int,
    *,
    curve: str,
    way: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, bool]:
    """The coalitions by series, by main effects and by chance, and whether the first is optimal."""
    removal = curve == "removal"
    kept, sign = (len(order) - size, -way) if removal else (size, way)
    row_of_series, exact = best.of_size(kept, sign)
    chosen = [order[:size], *(rng.choice(len(order), size, replace=False) for _ in range(DRAWS))]
    rows = np.full((len(chosen), len(order)), removal)
    for row, players in zip(rows, chosen, strict=True):
        row[players] = not removal
    return np.concatenate([row_of_series[np.newaxis], rows]), exact
