"""The exact Fourier series of a sum of trees, leaf by leaf and without a loop over leaves."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.coalitions import sum_rows
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import walsh_hadamard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .ensembles import Tree

# Pairs (path, set) read out when no degree is asked for, at most: about 2 s.
MAX_PAIRS = 4_000_000
# And at most that many pairs times players, since a series holds a bool for each: about 2 GB.
MAX_ENTRIES = 2**30


def trees_to_series(
    trees: Sequence[Tree], n: int, *, max_degree: int | None = None
) -> FourierSeries:
    """Read the Fourier coefficients of a sum of trees out of its leaves.

    A leaf of value v whose path decides the players P, with s_i = +1 where it takes the absent
    branch and -1 where the present one, is the function v prod_{i in P} (1 + s_i chi_i) / 2, so

        F(S) += v 2^-|P| prod_{i in S} s_i      for every S within P

    (Kushilevitz and Mansour, 1993). A player met twice on a path counts once. Every coefficient
    given is that of the whole sum, exact up to rounding; sets above the degree are left out.

    Args:
        trees: Trees on players 0, ..., n - 1.
        n: Number of players.
        max_degree: Largest |S| to read out. None reads every degree, or, where deep trees would
            need over four million pairs of a path and a set within it (2^30 / n from n = 269
            on), the largest that stays below, and at least 1.

    Raises:
        ValueError: If a tree asks for a player outside range(n) or the degree is negative.

    Example:
        >>> from shapiq_spex.proxyspex.ensembles import Tree
        >>> tree = Tree(np.array([1, -1, -1]), np.array([1, 0, 0]), np.array([2, 0, 0]),
        ...             np.array([0.0, 3.0, 5.0]))
        >>> trees_to_series([tree], 2).terms()
        {(): 4.0, (1,): -1.0}
    """
    if any(tree.feature.max(initial=-1) >= n for tree in trees):
        msg = f"trees_to_series needs trees on {n} players, got one that asks for another."
        raise ValueError(msg)
    if max_degree is not None and max_degree < 0:
        msg = f"trees_to_series needs a degree of at least 0, got {max_degree}."
        raise ValueError(msg)
    paths = [_Paths.of(*group) for group in _leaves_by_size(trees)]
    degree = _affordable_degree(paths, n) if max_degree is None else max_degree
    parts: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for each in paths:
        for d, rows, values in each.coefficients(degree):
            parts.setdefault(d, []).append(sum_rows(rows, values, n))
    groups = [[np.concatenate(part) for part in zip(*same, strict=True)] for same in parts.values()]
    return FourierSeries.from_rows(n, [sum_rows(rows, values, n) for rows, values in groups])


class _Paths(NamedTuple):
    """All leaves whose paths decide p players; the paths of equal players share a number."""

    sets: np.ndarray  # int (k, p), the distinct sets of players, sorted
    which: np.ndarray  # int (l,), the set of each leaf
    present: np.ndarray  # bool (l, p), the branch taken at each of its players
    values: np.ndarray  # float64 (l,)

    @classmethod
    def of(cls, players: np.ndarray, present: np.ndarray, values: np.ndarray) -> _Paths:
        if players.shape[1] == 0:
            return cls(players[:1], np.zeros(len(values), dtype=np.int64), present, values)
        sets, which = np.unique(players, axis=0, return_inverse=True)
        return cls(sets, which.ravel(), present, values)

    @property
    def dense(self) -> bool:
        """Whether all sign patterns of all sets fit into a table."""
        return len(self.sets) << self.sets.shape[1] <= MAX_PAIRS

    def pairs(self, degree: int) -> int:
        p = self.sets.shape[1]
        paths = len(self.sets) if self.dense else len(self.values)
        return paths * sum(comb(p, d) for d in range(min(p, degree) + 1))

    def coefficients(self, degree: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For each size d: the players (k, d) of sets and what these leaves give to them."""
        p = self.sets.shape[1]
        table = self._table() if self.dense else None
        for d in range(min(p, degree) + 1):
            chosen = np.array(list(combinations(range(p), d)), dtype=np.int64)
            if table is not None:
                sets, values = self.sets, table[:, (1 << chosen).sum(axis=1)]
            else:
                odd = self.present[:, chosen].sum(axis=2) & 1
                sets, values = self.sets[self.which], (1 - 2 * odd) * self.values[:, None]
            yield d, sets[:, chosen].reshape(values.size, d), np.ldexp(values, -p).ravel()

    def _table(self) -> np.ndarray:
        """Sums over leaves (k, 2^p): sign patterns scattered, then transformed."""
        k, p = self.sets.shape
        place = (self.which << p) + self.present @ (1 << np.arange(p))
        return walsh_hadamard(np.bincount(place, self.values, k << p).reshape(k, 1 << p))


def _affordable_degree(paths: list[_Paths], n: int) -> int:
    most = min(MAX_PAIRS, MAX_ENTRIES // n)
    degree = max((each.sets.shape[1] for each in paths), default=0)
    while degree > 1 and sum(each.pairs(degree) for each in paths) > most:
        degree -= 1
    return degree


def _leaves_by_size(
    trees: Sequence[Tree],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Leaves by the number p of players they decide: players (l, p), present (l, p), values."""
    groups: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    for walked, values in _walk(trees):
        sizes = (walked != 0).sum(axis=1)
        # Sorted by player, the places of players met again come first.
        signed = np.take_along_axis(walked, np.argsort(np.abs(walked), axis=1), axis=1)
        for p in np.unique(sizes):
            path = signed[sizes == p, signed.shape[1] - p :]
            groups.setdefault(int(p), []).append((np.abs(path) - 1, path < 0, values[sizes == p]))
    for p in sorted(groups):
        players, present, values = (np.concatenate(part) for part in zip(*groups[p], strict=True))
        yield players, present, values


def _walk(trees: Sequence[Tree]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Walk all trees level by level: paths (l, depth) and values (l,) of the leaves of each.

    A path holds i + 1 where player i is absent, -(i + 1) where present, and 0 where i was met
    before; a branch that contradicts its own path leads nowhere and is dropped.
    """
    start = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    feature, value = (_joined(trees, name) for name in ("feature", "value"))
    shift = np.repeat(start[:-1], np.diff(start))
    absent, present = (_joined(trees, name) + shift for name in ("absent", "present"))
    node, path = start[:-1], np.zeros((len(trees), 0), dtype=np.int64)
    while len(node):
        leaf = feature[node] < 0
        yield path[leaf], value[node[leaf]]
        node, path = node[~leaf], path[~leaf]
        player = feature[node][:, None] + 1
        out, inside = (path == player).any(axis=1), (path == -player).any(axis=1)
        step = np.where((out | inside)[:, None], 0, player)
        node = np.concatenate([absent[node[~inside]], present[node[~out]]])
        path = np.concatenate([np.hstack([path, step])[~inside], np.hstack([path, -step])[~out]])


def _joined(trees: Sequence[Tree], name: str) -> np.ndarray:
    return np.concatenate([getattr(tree, name) for tree in trees] or [np.zeros(0, dtype=np.int64)])
