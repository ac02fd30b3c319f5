"""From Fourier coefficients straight to interaction indices.

Every index here is linear in the Moebius transform m, I(T) = sum_{S >= T} w(|S|, |T|) m(S), and
m(S) = (-2)^|S| sum_{R >= S} F(R). Collapsing the two sums leaves one weight for a pair of sizes,

    I(T) = sum_{R >= T} c(|R|, |T|) F(R),
    c(d, t) = sum_{s=t}^{d} C(d - t, s - t) (-2)^s w(s, t),

an exact rational number, so a term of degree d costs the subsets of the *requested* orders only.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from .coalitions import sum_rows
from .series import FourierSeries

if TYPE_CHECKING:
    from collections.abc import Callable

Index = Literal["Moebius", "SV", "BV", "SII", "k-SII", "BII", "STII", "FSII", "FBII"]
INDICES: tuple[Index, ...] = get_args(Index)


def interactions(
    series: FourierSeries, index: Index, max_order: int, *, min_order: int = 0
) -> dict[tuple[int, ...], float]:
    """The index of every set of size min_order to max_order that the series gives a value.

    I(T) = sum_{R >= T} c(|R|, |T|) F(R) with the exact weights of :func:`weight`. Definitions:
    SII (Grabisch and Roubens 1999), k-SII (Lundberg et al. 2020; Bordt and von Luxburg 2023),
    STII (Sundararajan et al. 2020), FSII and FBII (Tsai et al. 2023).

    Args:
        series: The function, over n players.
        index: One of "Moebius", "SV", "BV", "SII", "k-SII", "BII", "STII", "FSII", "FBII".
        max_order: Largest size of a set, at least 1; for k-SII, STII, FSII and FBII also the
            order that defines the index. SV and BV stop at 1.
        min_order: Smallest size; 0 includes the empty set.

    Returns:
        {sorted players: value}. The empty set has v(empty) for SV, k-SII, STII, FSII and Moebius
        and the index's own formula for SII, BII, BV and FBII. Single players are always there,
        zeros included; larger sets only if some term of the series contains them.

    Raises:
        ValueError: If the index is unknown or max_order is not a positive whole number.

    Example:
        >>> both = FourierSeries.from_table(np.array([0.0, 0.0, 0.0, 1.0]))
        >>> interactions(both, "k-SII", 2)
        {(): 0.0, (0,): 0.0, (1,): 0.0, (0, 1): 1.0}
    """
    check_index(index, max_order)
    top = min(max_order, 1) if index in ("SV", "BV") else max_order
    out: dict[tuple[int, ...], float] = {}
    for order in range(min_order, min(top, series.n) + 1):
        sets, values = _scatter(series, index, max_order, order)
        if order == 0:
            out[()] = float(values.sum())
        elif order == 1:
            singles = np.zeros(series.n)
            np.add.at(singles, sets.ravel(), values)
            out.update(zip([(i,) for i in range(series.n)], singles.tolist(), strict=True))
        else:
            sets, values = sum_rows(sets, values, series.n)
            out.update(zip(map(tuple, sets.tolist()), values.tolist(), strict=True))
    return out


@cache
def weight(index: Index, max_order: int, degree: int, order: int) -> Fraction:
    """The exact c(degree, order) of an index of the given max_order.

    Example:
        >>> weight("SV", 1, 3, 1), weight("BII", 2, 2, 2), weight("FBII", 2, 3, 1)
        (Fraction(-2, 3), Fraction(4, 1), Fraction(0, 1))
    """
    return sum(
        (
            comb(degree - order, size - order)
            * (-2) ** size
            * moebius_weight(index, max_order, size, order)
            for size in range(order, degree + 1)
        ),
        Fraction(0),
    )


def moebius_weight(index: Index, max_order: int, size: int, order: int) -> Fraction:
    """The exact w(size, order): what the Moebius coefficient of a set gives to a subset.

    Example:
        >>> moebius_weight("SV", 1, 3, 1), moebius_weight("BII", 2, 3, 2)
        (Fraction(1, 3), Fraction(1, 2))
    """
    return _MOEBIUS_WEIGHTS[index](size, order, max_order)


def _scatter(
    series: FourierSeries, index: Index, max_order: int, order: int
) -> tuple[np.ndarray, np.ndarray]:
    """All (T, c F(R)) with |T| = order and T in R: players (k, order) and summands (k,)."""
    sets, values = [np.zeros((0, order), dtype=np.int64)], [np.zeros(0)]
    for rows, coefficients in series.by_degree():
        degree = rows.shape[1]
        factor = weight(index, max_order, degree, order) if degree >= order else Fraction(0)
        if factor == 0:
            continue
        places = np.array(list(combinations(range(degree), order)), dtype=np.int64)
        places = places.reshape(comb(degree, order), order)
        sets.append(rows[:, places].reshape(len(rows) * len(places), order))
        values.append(np.repeat(coefficients * float(factor), len(places)))
    return np.concatenate(sets), np.concatenate(values)


def check_index(index: str, max_order: int) -> None:
    """Refuse an unknown index and an order that is not a positive whole number.

    Raises:
        ValueError: With one sentence.
    """
    if index not in INDICES:
        msg = f"index needs to be one of {', '.join(INDICES)}, got {index!r}."
        raise ValueError(msg)
    if not isinstance(max_order, int | np.integer) or isinstance(max_order, bool) or max_order < 1:
        msg = f"max_order needs to be a positive whole number, got {max_order!r}."
        raise ValueError(msg)


# Weights w(s, t) of the Moebius coefficient of a set of size s in the index of a subset of size t.
def _moebius(s: int, t: int, _order: int) -> Fraction:
    return Fraction(s == t)


def _sii(s: int, t: int, _order: int) -> Fraction:
    return Fraction(1, s - t + 1)


def _sv(s: int, t: int, _order: int) -> Fraction:
    return _moebius(s, t, 0) if t == 0 else Fraction(1, s)


def _bii(s: int, t: int, _order: int) -> Fraction:
    return Fraction(1, 2 ** (s - t))


def _k_sii(s: int, t: int, order: int) -> Fraction:
    """Bernoulli-weighted sum of the SII of all supersets up to the order (Lundberg et al.)."""
    if t == 0:
        return _moebius(s, t, order)
    return sum(
        (
            _bernoulli(extra) * comb(s - t, extra) * _sii(s, t + extra, order)
            for extra in range(min(order, s) - t + 1)
        ),
        Fraction(0),
    )


def _stii(s: int, t: int, order: int) -> Fraction:
    return Fraction(1, comb(s, order)) if t == order else _moebius(s, t, order)


def _fsii(s: int, t: int, order: int) -> Fraction:
    """Theorem 19 of Tsai et al. 2023 (Faith-Shap)."""
    if s <= order or t == 0:
        return _moebius(s, t, order)
    share = Fraction(t, order + t) * comb(order, t)
    share *= Fraction(comb(s - 1, order), comb(s + order - 1, order + t))
    return (-1) ** (order - t) * share


def _fbii(s: int, t: int, order: int) -> Fraction:
    """Theorem 17 of Tsai et al. 2023 (Faith-Banzhaf)."""
    if s <= order:
        return _moebius(s, t, order)
    return (-1) ** (order - t) * Fraction(comb(s - t - 1, order - t), 2 ** (s - t))


@cache
def _bernoulli(k: int) -> Fraction:
    """Bernoulli number B_k with B_1 = -1/2."""
    if k == 0:
        return Fraction(1)
    return -sum((comb(k + 1, j) * _bernoulli(j) for j in range(k)), Fraction(0)) / (k + 1)


_MOEBIUS_WEIGHTS: dict[str, Callable[[int, int, int], Fraction]] = {
    "Moebius": _moebius,
    "SV": _sv,
    "BV": _bii,
    "SII": _sii,
    "k-SII": _k_sii,
    "BII": _bii,
    "STII": _stii,
    "FSII": _fsii,
    "FBII": _fbii,
}
