"""Moves random coalitions apart, so that few of them tell more.

m random coalitions leave every two characters correlated by 1 / sqrt(m) or so, which is what blurs
the single players of a game with many pairs. Minus the correlation's worst is an energy,

    E = mean_{i, j} exp(b (z_i z_j - n)) = sum_S v_S (mean_j chi_S(x_j))^2,

with z = 1 - 2 x and v_S in proportion to tanh(b)^|S|: the mean squared discrepancy under the prior
of the product kernel (compare Hickernell and Liu, Biometrika 2002: uniform designs limit aliasing).
The steps treat a coalition and its neighbours alike wherever they lie, so each coalition is on its
own still drawn uniformly, and half of them do not move at all.
"""

from __future__ import annotations

import numpy as np

DEGREE = 2.0  # b = DEGREE / n: the prior's mean size of a set
ROUNDS, FLIPS = 3, 3  # turns of each coalition, and players it may change in a turn
WORK = 2 * 10**9  # m^2 n: a second or two


def spread(drawn: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Every other coalition moved away from all drawn ones, as far as that is worth a second.

    Args:
        drawn: Distinct bool (m, n).
        taken: Bool (k, n), not to be moved to; they do not count otherwise.

    Returns:
        Bool (m, n), as distinct as before; the first, third, ... row as it was.

    Example:
        >>> x = np.random.default_rng(0).random((40, 10)) < 0.5
        >>> correlation = [np.corrcoef(rows.T) for rows in (x, spread(x, x[:0]))]
        >>> [round(float(np.abs(each - np.eye(10)).mean()), 2) for each in correlation]
        [0.12, 0.04]
    """
    m, n = drawn.shape
    if m * m * n > WORK:
        return drawn
    z = np.float32(1) - np.float32(2) * np.concatenate([drawn, taken])
    b = DEGREE / n
    cost, gain = np.float32(np.cosh(2 * b) - 1), np.float32(np.sinh(2 * b))
    for row in np.tile(np.arange(1, m, 2), ROUNDS):
        for _ in range(FLIPS):
            products = z @ z[row]
            pull = np.exp(np.float32(b) * (products[:m] - n))
            pull[row] = 0.0
            change = cost * pull.sum() - gain * z[row] * (pull @ z[:m])
            change[(z[products == n - 2] != z[row]).any(axis=0)] = np.inf  # somebody is there
            player = change.argmin()
            if change[player] >= 0:
                break
            z[row, player] *= -1
    return z[:m] < 0
