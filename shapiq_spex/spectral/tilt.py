"""Indices of functions that are larger towards one end than towards the other.

A tilted function is a(x) g(x) with a(x) in proportion to exp(lambda (n - 2 |x|) / n), a^2 of mean 1
over uniform coalitions, and 0 at the empty and the full coalition. The index of a set T is linear
in the Fourier coefficients of g, sum_R W_T(R) G(R), and W depends on numbers of players only.
"""

from __future__ import annotations

from functools import cache
from math import comb, cosh, exp, sqrt, tanh
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from .indices import moebius_weight, weight
from .walsh import all_coalitions, table_index, walsh_hadamard

if TYPE_CHECKING:
    from .coalitions import PackedCoalitions
    from .indices import Index

REACH = 32  # sizes over which the tilt spreads an index: (2 lambda)^k / k! is 1e-16 for lambda = 2
MOST = 2000  # players up to which the two ends are taken out

BLOCK_ROWS = 1024  # coalitions unpacked at once
SLOPE, STEEPEST = 1.0, 2.0  # prior standard deviation and bound of lambda


def slope_of(coalitions: np.ndarray | PackedCoalitions, residuals: np.ndarray) -> float:
    """Lambda of largest posterior probability for normal residuals."""
    if not residuals.any():
        return 0.0
    blocks = range(0, len(coalitions), BLOCK_ROWS)
    present = [coalitions[start : start + BLOCK_ROWS].mean(axis=1) for start in blocks]
    lean = 1 - 2 * np.concatenate(present)

    def cost(slope: float) -> float:
        size = float((residuals**2 * np.exp(-2 * slope * lean)).mean())
        return slope * lean.sum() + len(lean) / 2 * np.log(size) + (slope / SLOPE) ** 2 / 2

    return float(minimize_scalar(cost, bounds=(-STEEPEST, STEEPEST), method="bounded").x)


@cache
def tilted_weights(
    index: Index, max_order: int, n: int, t: int, *, top: int, slope: float
) -> dict[tuple[int, int], float]:
    """W_T(R) for every R with a of the t players in T and b others, a + b <= top: {(a, b): W}.

    With u = tanh(lambda / n), a chi_R = const prod_{i in R} (chi_i + u) prod_{i not in R} (1 + u
    chi_i), so a set R' that differs from R in k players has the coefficient u^k in it, and the
    index gives it c(|R'|, t). The two ends, where r = 0, are taken out.
    """
    u, size = tanh(slope / n), sqrt(cosh(2 * slope / n) ** n)
    ends = _end_weights(index, max_order, n, t)
    empty, full = ends[0] * exp(slope) / size, ends[1] * exp(-slope) / size
    weights: dict[tuple[int, int], float] = {}
    for a, b in [(i, j) for i in range(t + 1) for j in range(min(top - i, n - t) + 1)]:
        total = 0.0
        for other in range(min(b + REACH, n - t) + 1):
            ways = sum(
                comb(b, both) * comb(n - t - b, other - both) * u ** (b + other - 2 * both)
                for both in range(max(0, other + b - n + t), min(b, other) + 1)
            )
            total += ways * float(weight(index, max_order, t + other, t))
        w = cosh(slope / n) ** n / size * u ** (t - a) * total
        weights[a, b] = w - empty - (-1) ** (a + b) * full
    return weights


def tilted_spectrum(
    index: Index, max_order: int, players: np.ndarray, *, slope: float, known: np.ndarray
) -> np.ndarray:
    """W_T(R) for every R of a function that is 0 at known coalitions too, float64 (2^n,).

    I(T) = sum_x w(|x|, |x and T|) f(x), so W_T is the transform of w a where nothing is known.

    Args:
        index: Which index.
        max_order: Its order.
        players: The players of T, int (t,).
        slope: Lambda.
        known: Where the function is 0 beside the ends, bool (m, n) with few players.
    """
    n, t = known.shape[1], len(players)
    every = all_coalitions(n)
    sizes, common = every.sum(axis=1), every[:, players].sum(axis=1)
    weights = np.zeros((n + 1, t + 1))
    for size, both in {(s, c) for s in range(n + 1) for c in range(t + 1) if 0 <= s - c <= n - t}:
        weights[size, both] = _value_weight(
            index, max_order, n, t, size=size, union=size + t - both
        )
    tilted = weights[sizes, common] * np.exp(slope * (n - 2 * sizes) / n)
    tilted[[0, -1]] = 0.0
    tilted[table_index(known)] = 0.0
    return walsh_hadamard(tilted / sqrt(cosh(2 * slope / n) ** n))


@cache
def _value_weight(index: Index, max_order: int, n: int, t: int, *, size: int, union: int) -> float:
    """What f(x) with |x| = size counts for in I(T), |T| = t, |x or T| = union."""
    return float(
        sum(
            (-1) ** (s - size) * comb(n - union, s - union) * moebius_weight(index, max_order, s, t)
            for s in range(union, n + 1)
        )
    )


@cache
def _end_weights(index: Index, max_order: int, n: int, t: int) -> tuple[float, float]:
    """What the values of the empty and of the full coalition count for in I(T), |T| = t.

    Beyond ``MOST`` players they are left in: the sum has terms of thousands of digits, and what
    comes out is about 1 / n for most indices.
    """
    if n > MOST:
        return 0.0, 0.0
    empty = sum(
        (-1) ** s * comb(n - t, s - t) * moebius_weight(index, max_order, s, t)
        for s in range(t, n + 1)
    )
    return float(empty), float(moebius_weight(index, max_order, n, t))
