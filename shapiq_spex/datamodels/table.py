"""Tables of retrainings, as published for datamodels (Ilyas et al., 2022), recovered to order 2.

Tens of thousands of players and hundreds of thousands of rows fit in memory: the subsets stay
packed in bits and are only ever unpacked a block of rows at a time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.ledger import Ledger
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.coalitions import PackedCoalitions, checked_coalitions
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.versions import loaded_versions

from .ridge import BLOCK_ENTRIES, Rows, ridge_predictions
from .screening import Screened, signs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RetrainingTable", "from_retrainings"]

FEWEST_ROWS = 20
HALF = 0.4, 0.6  # shares of the examples in the subsets for which these pass as uniform
SOME = 1000  # subsets that tell this share


@dataclass(frozen=True)
class RetrainingTable:
    """Subsets on which models were trained; stands for the plan of a `Recovery`.

    Attributes:
        packed: The subsets, packed.
        uniform: Whether they hold about half of the examples, as uniform ones do. Of others no
            errors of single interactions are known.
    """

    packed: PackedCoalitions
    uniform: bool = True

    @property
    def coalitions(self) -> np.ndarray:
        """The subsets as bool (m, n); made anew, and as large as that, each time."""
        return self.packed[:]

    def __str__(self) -> str:
        """One line."""
        return f"a table of {len(self.packed)} retrainings on subsets of {self.packed.n} examples"


def from_retrainings(
    masks: np.ndarray | PackedCoalitions,
    margins: np.ndarray,
    *,
    players: int = 1000,
    pairs: int = 1000,
    proxy: Any = None,
    held_out: float = 0.1,
    random_state: int = 0,
) -> list[Recovery]:
    """Recover what a table of retrainings says, main effects and pairs, for each test point.

    1. All n main effects by ridge regression, with conjugate gradients on the packed subsets; all
       test points and penalties share each pass over them.
    2. The players with the largest ones are kept, and the pairs of them ranked by the covariance
       of their centred product with the residual.
    3. Numbers of main effects and pairs, and the penalty, are those with the least error on rows
       set aside; the terms are then fitted jointly.

    This is the way of ProxySPEX, with a surrogate that tens of thousands of players do not stop.
    Where they are few, its own surrogates find interactions of any order: give one as ``proxy``.

    The R² of each result is on rows that had no part in any of this. It is a share of the variance
    over subsets like those of the table, of whatever size they are. The errors that ``to_frame``
    tells of a pair leave out that it was chosen for being large; what it calls significant takes
    that into account.

    Args:
        masks: Bool or 0/1 (m, n): which of n training examples each of m models was trained on; a
            memory-mapped array will do, and so will packed rows.
        margins: Finite (m, t), a column for each test point, or (m,) for a single one.
        players: The most players kept, and main effects in a result.
        pairs: The most pairs in a result; 0 leaves it at main effects.
        proxy: A surrogate of ProxySPEX, such as
            ``shapiq_spex.proxyspex.gaussian_process.GaussianProcess()``, to take the place of the
            three steps; players and pairs are then without effect.
        held_out: Share of the rows held out, and as many are set aside, in (0, 0.4].
        random_state: Seed of the rows held out and set aside.

    Returns:
        One recovery for each test point.

    Raises:
        ValueError: If shapes or entries are wrong, there are fewer than 20 rows, or a setting is
            out of its range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> masks = rng.random((600, 40)) < 0.5
        >>> margins = 2.0 * masks[:, 3] - 1.0 * masks[:, 5] * masks[:, 8]
        >>> (found,) = from_retrainings(masks, margins)
        >>> round(float(found.interactions("Moebius")[(5, 8)]), 2), found.r2 > 0.99
        (-1.0, True)
    """
    started = time.perf_counter()
    packed, columns = _checked(masks, margins, (players, pairs), held_out)
    order = np.random.default_rng(random_state).permutation(len(packed))
    held, check, train = np.split(
        order, [int(held_out * len(order)), int(2 * held_out * len(order))]
    )
    rows = Rows(train, check)
    if proxy is None:
        found = _screened(packed, columns, rows, players, pairs)
    else:
        found = (_by_proxy(proxy, packed, values, rows, random_state) for values in columns.T)
    some = packed[:: -(-len(packed) // SOME)]
    plan = RetrainingTable(packed, HALF[0] <= some.mean() <= HALF[1])
    out = []
    for values, series in zip(columns.T, found, strict=True):
        left = values[held] - series(PackedCoalitions(packed.bits[held], packed.n))
        r2 = _r2(left, values[held]) if np.ptp(values) else None
        residuals = placed(left, held, len(packed))
        out.append(Recovery(series, plan, values, r2, "held-out", residuals, status=status_of(r2)))
    settings = {"players": players, "pairs": pairs, "proxy": proxy, "held_out": held_out}
    settings |= {"random_state": random_state}
    bill = _ledger(plan, settings, time.perf_counter() - started)
    return [replace(each, ledger=bill) for each in out]


def _screened(
    packed: PackedCoalitions, columns: np.ndarray, rows: Rows, players: int, pairs: int
) -> Iterator[FourierSeries]:
    """Main effects and pairs of each column."""
    ridge = ridge_predictions(packed, columns, rows)
    for values, weights, predicted in zip(columns.T, *ridge, strict=True):
        if np.ptp(values):
            strongest = np.argsort(-np.abs(weights), kind="stable")[:players]
            screened = Screened(signs_of(packed, strongest), values, rows)
            yield screened.recover(strongest, packed.n, predicted, pairs)
        else:
            yield FourierSeries.constant(packed.n, values[0])


def _by_proxy(
    proxy: Any, packed: PackedCoalitions, values: np.ndarray, rows: Rows, seed: int
) -> FourierSeries:
    """What a surrogate of ProxySPEX makes of the mean margins of all subsets not held out."""
    seen = np.concatenate(rows)
    keys = PackedCoalitions(packed.bits[seen], packed.n).keys
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    means = np.bincount(which.ravel(), weights=values[seen]) / np.bincount(which.ravel())
    rng = np.random.default_rng(seed)
    series: FourierSeries = proxy.fit(packed[seen[first]], means, rng, lambda one: one).series
    return series


def _ledger(plan: RetrainingTable, settings: dict[str, Any], seconds: float) -> Ledger:
    """The bill of a table: nothing was asked of a game."""
    m, distinct = len(plan.packed), len(np.unique(plan.packed.keys))
    return Ledger(
        method="from_retrainings",
        settings=settings,
        budget=m,
        drawn=str(plan),
        masks=m,
        distinct=distinct,
        cached=distinct,
        tokens=None,
        game_seconds=0.0,
        seconds=seconds,
        versions=loaded_versions(),
    )


def _r2(left: np.ndarray, values: np.ndarray) -> float | None:
    total = ((values - values.mean()) ** 2).sum()
    return float(1 - (left**2).sum() / total) if total else None


def _checked(
    masks: np.ndarray | PackedCoalitions,
    margins: np.ndarray,
    counts: tuple[int, int],
    held_out: float,
) -> tuple[PackedCoalitions, np.ndarray]:
    """Packed subsets, and margins as float64 (m, t)."""
    columns = np.asarray(margins, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    shape = (len(masks), masks.n) if isinstance(masks, PackedCoalitions) else np.shape(masks)
    if len(shape) != 2 or len(columns) != shape[0] or columns.ndim != 2 or shape[0] < FEWEST_ROWS:
        msg = (
            "from_retrainings needs subsets (m, n) and margins (m,) or (m, t) of at least "
            f"{FEWEST_ROWS} retrainings, got the shapes {shape} and {np.shape(margins)}."
        )
        raise ValueError(msg)
    if broken := int((~np.isfinite(columns)).any(axis=1).sum()):
        msg = f"from_retrainings needs finite margins, got NaN or infinity in {broken} rows."
        raise ValueError(msg)
    players, pairs = counts
    if players < 1 or pairs < 0 or not 0 < held_out <= 0.4:
        msg = (
            "from_retrainings needs players >= 1, pairs >= 0 and held_out in (0, 0.4], got "
            f"{players}, {pairs} and {held_out}."
        )
        raise ValueError(msg)
    return masks if isinstance(masks, PackedCoalitions) else _packed(masks), columns


def _packed(masks: np.ndarray) -> PackedCoalitions:
    """Packed a block at a time, so that a memory-mapped table is never read as a whole."""
    m, n = masks.shape
    bits = np.empty((m, -(-n // 8)), dtype=np.uint8)
    step = max(1, BLOCK_ENTRIES // n)
    for start in range(0, m, step):
        rows = slice(start, start + step)
        bits[rows] = np.packbits(checked_coalitions(masks[rows], n), axis=1)
    return PackedCoalitions(bits, n)
