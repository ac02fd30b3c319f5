"""Moves random coalitions apart, so that few of them tell more.

m random coalitions leave every two characters correlated by 1 / sqrt(m) or so, which is what blurs
the single players of a game with many pairs. What is made small is

    E = mean_{i, j} exp(b (z_i z_j - n)) = sum_S v_S (mean_j chi_S(x_j))^2,

with z = 1 - 2 x and v_S in proportion to tanh(b)^|S|: the mean squared discrepancy under the prior
of the product kernel (compare Hickernell and Liu, Biometrika 2002: uniform designs limit aliasing).
The steps treat all places alike, so each coalition is on its own still drawn uniformly, but for the
places that are taken; and half of them do not move at all.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from shapiq_spex.spectral.characters import signs

from .product_kernel import DEGREE

ROUNDS, FLIPS = 3, 3  # turns of each coalition, and players it may change in a turn
WORK = 2 * 10**9  # m^2 n: a second or two
EXACT = 2**24  # whole numbers to here are exact in single precision, in whatever order they add up


def spread(drawn: np.ndarray, taken: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every other coalition moved away from all of them.

    Args:
        drawn: Distinct bool (m, n); it takes a second or two with ``reach(n)`` of them.
        taken: Bool (k, n), not to be moved to; they do not count otherwise.
        rng: Source of the order in which they move.

    Returns:
        Bool (m, n), as distinct as before; the first, third, ... row as it was.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.random((40, 10)) < 0.5
        >>> correlation = [np.corrcoef(rows.T) for rows in (x, spread(x, x[:0], rng))]
        >>> [round(float(np.abs(each - np.eye(10)).mean()), 2) for each in correlation]
        [0.12, 0.04]
    """
    m, n = drawn.shape
    z = signs(np.concatenate([drawn, taken]))
    b, weights = DEGREE / n, weights_of(m, n)
    cost, gain = np.float32(np.cosh(2 * b) - 1), np.float32(np.sinh(2 * b))
    movable = np.arange(1, m, 2)
    for row in np.concatenate([rng.permutation(movable) for _ in range(ROUNDS)]):
        for _ in range(FLIPS):
            apart = ((n - z @ z[row]) / 2).astype(np.intp)  # players in one of the two alone
            pull = weights[apart[:m]]
            pull[row] = 0.0
            change = cost * pull.sum() - gain * z[row] * (pull @ z[:m])
            change[(z[apart == 1] != z[row]).any(axis=0)] = np.inf  # somebody is there
            player = change.argmin()
            if change[player] >= 0:
                break
            z[row, player] *= -1
    return z[:m] < 0


def weights_of(m: int, n: int) -> np.ndarray:
    """In proportion to exp(-2 b d) for d = 0, ..., n players, float32 (n + 1,).

    They are whole and m - 1 of them add up exactly, so that equal seeds give equal coalitions on
    every processor.
    """
    return np.rint(EXACT / max(m, 1) * np.exp(-2 * DEGREE / n * np.arange(n + 1))).astype("f4")


def reach(n: int) -> int:
    """How many coalitions of n players it is worth to move apart."""
    return isqrt(WORK // n)
