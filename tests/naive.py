"""Slow, obvious twins: every definition straight from its paper, over all 2^n coalitions.

A game is a table of 2^n values; entry i belongs to the coalition of the players whose bit in i is
set. Players are counted from 0, sets are sorted tuples.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import comb, factorial

import numpy as np

BERNOULLI = (1, -1 / 2, 1 / 6, 0, -1 / 30, 0, 1 / 42, 0, -1 / 30)


def subsets(players, *, smallest=0, largest=None):
    """All sorted subsets, by size."""
    players = sorted(players)
    top = len(players) if largest is None else min(largest, len(players))
    return [s for size in range(smallest, top + 1) for s in combinations(players, size)]


def code(coalition):
    """Where a coalition stands in a table."""
    return sum(1 << player for player in coalition)


def players_of(table):
    return range(len(table).bit_length() - 1)


def rows(n):
    """All coalitions as a bool matrix in table order."""
    return np.array([[bool(i >> j & 1) for j in range(n)] for i in range(2**n)])


def as_game(table):
    """The function of coalition matrices that looks a table up."""
    n = len(players_of(table))
    return lambda x: table[np.asarray(x, dtype=np.int64) @ (1 << np.arange(n))]


# ---------------------------------------------------------------------- Fourier
def fourier(table):
    """F(S) = 2^-n sum_x f(x) (-1)^|S and x| for every S, also the zeros."""
    everyone = players_of(table)
    return {
        s: sum(table[code(x)] * (-1) ** len(set(s) & set(x)) for x in subsets(everyone))
        / len(table)
        for s in subsets(everyone)
    }


def evaluate(terms, x):
    """sum_S F(S) (-1)^|S and x| at one coalition given as a 0/1 vector."""
    return sum(f * (-1) ** sum(int(x[i]) for i in s) for s, f in terms.items())


# ---------------------------------------------------------------------- indices
def derivative(table, t, s):
    """The discrete derivative: sum over L of T of (-1)^(t-l) v(S and L)."""
    return sum((-1) ** (len(t) - len(part)) * table[code(s + part)] for part in subsets(t))


def others(table, t):
    return subsets(set(players_of(table)) - set(t))


def moebius(table, _order):
    """m(T) = sum over L in T of (-1)^(t-l) v(L)."""
    return {t: derivative(table, t, ()) for t in subsets(players_of(table), largest=_order)}


def sii(table, order):
    """Grabisch and Roubens 1999: weights (n-t-s)! s! / (n-t+1)!."""
    n = len(players_of(table))

    def value(t):
        size = n - len(t)
        return sum(
            factorial(size - len(s)) * factorial(len(s)) / factorial(size + 1)
            * derivative(table, t, s)
            for s in others(table, t)
        )  # fmt: skip

    return {t: value(t) for t in subsets(range(n), largest=order)}


def bii(table, order):
    """The mean of the discrete derivative over all coalitions of the other players."""
    return {
        t: np.mean([derivative(table, t, s) for s in others(table, t)])
        for t in subsets(players_of(table), largest=order)
    }


def bv(table, _order):
    return bii(table, 1)


def sv(table, _order):
    """The mean marginal contribution over all orderings, or the subset formula beyond six."""
    n = len(players_of(table))
    single = _by_orderings(table, n) if n <= 6 else sii(table, 1)
    return {(): table[0], **{(i,): single[(i,)] for i in range(n)}}


def _by_orderings(table, n):
    total = dict.fromkeys(subsets(range(n), smallest=1, largest=1), 0.0)
    for ordering in permutations(range(n)):
        for place, player in enumerate(ordering):
            before = ordering[:place]
            total[(player,)] += table[code((*before, player))] - table[code(before)]
    return {player: value / factorial(n) for player, value in total.items()}


def k_sii(table, order):
    """Bordt and von Luxburg 2023: order by order, each SII is handed down with Bernoulli numbers.

    Phi^k(T) = Phi^(k-1)(T) + B_(k-t) sum of SII(T and K) over K outside T with k - t players.
    """
    n = len(players_of(table))
    shapley = sii(table, order)
    values = {}
    for k in range(1, min(order, n) + 1):
        for t in subsets(range(n), smallest=1, largest=k):
            rest = combinations(sorted(set(range(n)) - set(t)), k - len(t))
            more = sum(shapley[tuple(sorted(t + extra))] for extra in rest)
            values[t] = values.get(t, 0.0) + BERNOULLI[k - len(t)] * more
    return {(): table[0], **values}


def stii(table, order):
    """Sundararajan et al. 2020: derivatives at the empty set below the top order."""
    n = len(players_of(table))

    def value(t):
        if len(t) < order:
            return derivative(table, t, ())
        terms = (derivative(table, t, s) / comb(n - 1, len(s)) for s in others(table, t))
        return order / n * sum(terms)

    return {t: value(t) for t in subsets(range(n), largest=order)}


def _design(table, order):
    sets = subsets(players_of(table), largest=order)
    coalitions = [set(x) for x in subsets(players_of(table))]
    values = np.array([table[code(x)] for x in coalitions])
    return sets, coalitions, np.array([[set(t) <= x for t in sets] for x in coalitions]), values


def fbii(table, order):
    """Tsai et al. 2023: the least squares fit over all coalitions."""
    sets, _, design, values = _design(table, order)
    fit = np.linalg.lstsq(design.astype(float), values, rcond=None)[0]
    return dict(zip(sets, fit, strict=True))


def fsii(table, order):
    """Tsai et al. 2023: Shapley-weighted least squares that is exact at both ends.

    The fit is p + N z, with p one solution of the two constraints and N their null space.
    """
    n = len(players_of(table))
    sets, coalitions, design, values = _design(table, order)
    ends = np.array([len(x) in (0, n) for x in coalitions])
    sizes = [len(x) for x in coalitions if 0 < len(x) < n]
    root = np.sqrt([(n - 1) / (comb(n, s) * s * (n - s)) for s in sizes])
    exact, free = design[ends].astype(float), root[:, None] * design[~ends]
    start = np.linalg.pinv(exact) @ values[ends]
    null = np.linalg.svd(exact)[2][2:].T
    step = np.linalg.lstsq(free @ null, root * values[~ends] - free @ start, rcond=None)[0]
    return dict(zip(sets, start + null @ step, strict=True))


INDICES = {
    "Moebius": moebius,
    "SV": sv,
    "BV": bv,
    "SII": sii,
    "k-SII": k_sii,
    "BII": bii,
    "STII": stii,
    "FSII": fsii,
    "FBII": fbii,
}
EFFICIENT = ("SV", "k-SII", "STII", "FSII")


def index(table, name, order):
    """An index of a table by its name: {sorted players: value} for every set, () included."""
    return INDICES[name](table, order)


# ---------------------------------------------------------------------- constrained least squares
def nearest_with_ends(terms, empty, full, variances):
    """The terms of least sum of shift^2 / variance that meet both ends, by one KKT system."""
    sets = list(terms)
    ends = np.array([[1.0] * len(sets), [(-1.0) ** len(s) for s in sets]])
    now = np.array(list(terms.values()))
    system = np.block([[np.diag(1 / np.asarray(variances)), ends.T], [ends, np.zeros((2, 2))]])
    target = np.concatenate([np.zeros(len(sets)), np.array([empty, full]) - ends @ now])
    shift = np.linalg.solve(system, target)[: len(sets)]
    return dict(zip(sets, now + shift, strict=True))
