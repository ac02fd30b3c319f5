"""When more coalitions are not worth their price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapiq_spex.result import Recovery

FIRST = 4  # coalitions a player, of the first fit
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

    That is the size of the mean and one standard error.

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
    if len(less) == 0:
        return None
    # More coalitions make nothing worse: where they seem to, that much is chance.
    return float(abs(less.mean()) + less.std() / np.sqrt(len(less)))
