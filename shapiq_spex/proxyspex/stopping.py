"""When more coalitions are not worth their price, and which ones are worth most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .gaussian_process import signs
from .process import Data, Model
from .product_kernel import JITTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapiq_spex.result import Recovery

FIRST = 4  # coalitions a player, of the first fit
CANDIDATES = 2000  # coalitions among which the least certain are looked for
BEGUN = 0.5  # R² below which nothing has levelled off


def sizes(n: int, most: int) -> Iterator[int]:
    """Budgets 4 n, 8 n, 16 n, ... and last of all ``most``.

    Example:
        >>> list(sizes(10, 200))
        [40, 80, 160, 200]
    """
    size = FIRST * n
    while size < most:
        yield size
        size *= 2
    yield most


def gained(half: Recovery, found: Recovery, new: np.ndarray) -> float | None:
    """R² gained by twice as many coalitions, on those the smaller fit never saw, at the most.

    That is the mean and one standard error.

    Args:
        half: The smaller fit.
        found: The larger one.
        new: Which of its coalitions the smaller one did not have, bool (m,).

    Returns:
        None where that is not known: less than twice as many coalitions, none held out, or so
        little explained that nothing has levelled off.
    """
    if found.residuals is None or found.r2 is None or found.r2 < BEGUN:
        return None
    if len(found.values) < 2 * len(half.values):
        return None
    judged = np.isfinite(found.residuals)
    new = new & judged
    before = found.values[new] - half.series(found.plan.coalitions[new])
    less = (before**2 - found.residuals[new] ** 2) / found.values[judged].var()
    return float(less.mean() + less.std() / np.sqrt(len(less))) if len(less) else None


def least_certain(
    x: np.ndarray, values: np.ndarray, candidates: np.ndarray, count: int, shrinkage: float
) -> np.ndarray:
    """The candidates of largest posterior variance, each counted as known once it is chosen.

    Args:
        x: Coalitions of known values, bool (m, n).
        values: These values, (m,).
        candidates: Coalitions to choose from, bool (k, n).
        count: How many to choose.
        shrinkage: Of the Gaussian process.

    Returns:
        Their places, int (count,), of all candidates if there are fewer.
    """
    z, far = signs(x).astype(float), signs(candidates).astype(float)
    y = (values - values.mean()) / (values.std() or 1.0)
    model = Model.learn(Data(z, y), shrinkage)
    noise = model.kernel.noise + JITTER
    gram = model.covariance(z, z) + noise * np.eye(len(z))
    half = np.linalg.solve(np.linalg.cholesky(gram), model.covariance(z, far))
    variance = model.kernel.total + model.terms.coefficients.sum() - (half**2).sum(axis=0)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        best = int(np.argmax(variance))
        chosen.append(best)
        # One more row of the triangular factor.
        cross = model.covariance(far[[best]], far)[0] - half[:, best] @ half
        row = cross / np.sqrt(cross[best] + noise)
        half = np.concatenate([half, row[None]])
        variance = variance - row**2
        variance[best] = -np.inf
    return np.array(chosen, dtype=np.int64)
