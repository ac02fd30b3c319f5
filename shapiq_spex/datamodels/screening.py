"""Main effects of the players kept and the pairs that matter, fitted jointly."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapiq_spex.spectral.coalitions import PackedCoalitions

    from .ridge import Rows

BLOCK_ENTRIES = 2**22  # numbers in floats at once: 16 MB
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # of the number of rows


class _Moments(NamedTuple):
    """All that a least-squares fit of values to features needs."""

    gram: np.ndarray
    moment: np.ndarray
    sums: np.ndarray
    m: int
    y: float
    y2: float

    @classmethod
    def of(cls, features: Iterator[np.ndarray], values: np.ndarray, width: int) -> _Moments:
        """From blocks of features, +-1, whose float32 products are whole numbers."""
        gram, moment, sums, start = np.zeros((width, width)), np.zeros(width), np.zeros(width), 0
        for block in features:
            gram += block.T @ block
            moment += values[start : start + len(block)] @ block
            sums += block.sum(axis=0)
            start += len(block)
        return cls(gram, moment, sums, len(values), values.sum(), (values**2).sum())

    def joined(self, other: _Moments) -> _Moments:
        """Of all rows of both."""
        return _Moments(
            self.gram + other.gram,
            self.moment + other.moment,
            self.sums + other.sums,
            self.m + other.m,
            self.y + other.y,
            self.y2 + other.y2,
        )

    def fit(self, which: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        """Constant and weights of some features, with a penalty a row."""
        mean = self.sums[which] / self.m
        gram = self.gram[np.ix_(which, which)] - self.m * np.outer(mean, mean)
        gram[np.diag_indices(len(gram))] += penalty * self.m
        weights = cho_solve(cho_factor(gram), self.moment[which] - mean * self.y)
        return self.y / self.m - float(mean @ weights), weights

    def error(self, which: np.ndarray, constant: float, weights: np.ndarray) -> float:
        """Sum of squared errors."""
        inside = weights @ self.gram[np.ix_(which, which)] @ weights
        cross = constant * self.y + weights @ self.moment[which]
        offset = self.m * constant**2 + 2 * constant * float(weights @ self.sums[which])
        return float(self.y2 - 2 * cross + offset + inside)


class Screened:
    """The players kept, and values to be explained by them and their pairs.

    Args:
        signs: +-1 as int8 (m, k), -1 where a player is present; the strongest player first.
        values: Float64 (m,).
        rows: Which rows to fit, and which to choose by.
    """

    def __init__(self, signs: np.ndarray, values: np.ndarray, rows: Rows) -> None:
        self.signs, self.values, self.rows = signs, values, rows

    def recover(self, players: np.ndarray, n: int, ridge: np.ndarray, pairs: int) -> FourierSeries:
        """The series of n players; ``ridge`` are the predictions (m,) of all main effects."""
        k = len(players)
        found = np.zeros((0, 2), dtype=np.intp)
        train, check = self._moments(found)
        mains, penalty = _best(train, check, [np.arange(c) for c in _counts(k)])
        which = mains
        if pairs and k > 1:
            constant, weights = train.fit(mains, penalty)
            rest = self.values - ridge
            if check.error(mains, constant, weights) < (rest[self.rows.check] ** 2).sum():
                rest = self.values - constant - self._predicted(weights)
            found = self._ranked_pairs(rest[self.rows.train], pairs)
            train, check = self._moments(found)
            choices = [np.append(mains, k + np.arange(c)) for c in (0, *_counts(len(found)))]
            which, penalty = _best(train, check, choices)
        constant, weights = train.joined(check).fit(which, penalty)
        coefficients = np.zeros(k + len(found))
        coefficients[which] = weights
        single, double = which[which < k], which[which >= k]
        groups = [
            (np.zeros((1, 0), dtype=np.intp), np.array([constant])),
            (players[single, None], coefficients[single]),
            (players[found[double - k]], coefficients[double]),
        ]
        return FourierSeries.from_rows(n, groups)

    def _moments(self, pairs: np.ndarray) -> tuple[_Moments, _Moments]:
        """Of the rows to fit, and of those to choose by."""
        width = self.signs.shape[1] + len(pairs)
        train, check = (
            _Moments.of(self._features(rows, pairs), self.values[rows], width) for rows in self.rows
        )
        return train, check

    def _features(self, rows: np.ndarray, pairs: np.ndarray) -> Iterator[np.ndarray]:
        for block in self._blocks(rows):
            yield np.concatenate([block, block[:, pairs[:, 0]] * block[:, pairs[:, 1]]], axis=1)

    def _blocks(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        step = max(1, BLOCK_ENTRIES // self.signs.shape[1])
        for start in range(0, len(rows), step):
            yield self.signs[rows[start : start + step]].astype(np.float32)

    def _predicted(self, weights: np.ndarray) -> np.ndarray:
        everyone = np.arange(len(self.signs))
        few = weights.astype(np.float32)
        out = [block[:, : len(few)] @ few for block in self._blocks(everyone)]
        return np.concatenate(out).astype(np.float64)

    def _ranked_pairs(self, rest: np.ndarray, count: int) -> np.ndarray:
        """The pairs (count, 2) whose centred product goes most with the residual (m,)."""
        train = self.rows.train
        k = self.signs.shape[1]
        means = sum(block.sum(axis=0) for block in self._blocks(train)) / len(train)
        scale = np.sqrt(np.maximum(1 - means**2, np.finfo(np.float32).eps))
        covariance, start = np.zeros((k, k)), 0
        for block in self._blocks(train):
            centred = (block - means) / scale
            weight = rest[start : start + len(block), None].astype(np.float32)
            covariance += centred.T @ (centred * weight)
            start += len(block)
        first, second = np.triu_indices(k, 1)
        best = np.argsort(-np.abs(covariance[first, second]), kind="stable")[:count]
        return np.stack([first[best], second[best]], axis=1)


def _best(train: _Moments, check: _Moments, choices: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """The features and the penalty with the least error on the rows to choose by."""
    tried = list(product(choices, PENALTIES))
    errors = [check.error(which, *train.fit(which, penalty)) for which, penalty in tried]
    return tried[int(np.argmin(errors))]


def _counts(most: int) -> list[int]:
    """10, 30, 100, ... up to the most."""
    steps = [round(10 ** (1 + step / 2)) for step in range(12)]
    return [*[count for count in steps if count < most], most] if most else []


def signs_of(packed: PackedCoalitions, players: np.ndarray) -> np.ndarray:
    """-1 where one of these players is present, else 1: int8 (m, k)."""
    shift = (7 - players % 8).astype(np.uint8)
    present = (packed.bits[:, players // 8] >> shift) & 1
    return 1 - 2 * present.astype(np.int8)
