"""Ridge regression on all players of a packed table, by products with it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.coalitions import PackedCoalitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK_ENTRIES = 2**24  # numbers unpacked at once: 64 MB
PENALTIES = (0.01, 0.1, 1.0)  # of the variance of a column, times max(1, n / m)
STEPS, ENOUGH = 25, 1e-3  # of conjugate gradients; the residual's share at which to stop


class Rows(NamedTuple):
    """Rows to fit, and rows to choose by."""

    train: np.ndarray
    check: np.ndarray


def ridge_predictions(
    packed: PackedCoalitions, columns: np.ndarray, rows: Rows
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression on all players: weights (t, n), and predictions (t, m) of all rows."""
    table = _Centred(PackedCoalitions(packed.bits[rows.train], packed.n))
    y = columns[rows.train]
    n, m = packed.n, len(rows.train)
    spread = (table.means * (1 - table.means)).mean() * m * max(1.0, n / m)
    alphas = np.repeat(np.array(PENALTIES) * spread, y.shape[1])
    target = np.tile(table.moment(y), len(PENALTIES))
    weights = _conjugate_gradients(table.gram_times, target, alphas)
    check = _times(PackedCoalitions(packed.bits[rows.check], n), weights) - table.means @ weights
    wanted = columns[rows.check] - y.mean(axis=0)
    errors = ((np.tile(wanted, len(PENALTIES)) - check) ** 2).sum(axis=0)
    best = errors.reshape(len(PENALTIES), -1).argmin(axis=0)
    chosen = weights[:, best * y.shape[1] + np.arange(y.shape[1])]
    predicted = _times(packed, chosen) - table.means @ chosen + y.mean(axis=0)
    return chosen.T, predicted.T


class _Centred:
    """The matrix X of packed rows, its column means taken off, known by its products only."""

    def __init__(self, packed: PackedCoalitions) -> None:
        self.packed = packed
        self.means = _transposed_times(packed, np.ones((len(packed), 1)))[:, 0] / len(packed)

    def moment(self, y: np.ndarray) -> np.ndarray:
        """X^T y for columns y (m, t): (n, t)."""
        return _transposed_times(self.packed, y - y.mean(axis=0))

    def gram_times(self, vectors: np.ndarray) -> np.ndarray:
        """X^T X times vectors (n, c), in one pass."""
        shift = self.means @ vectors
        out = np.zeros(vectors.shape)
        right = vectors.astype(np.float32)
        for _, block in _blocks(self.packed):
            out += block.T @ (block @ right - shift).astype(np.float32)
        return out


def _conjugate_gradients(
    gram_times: Callable[[np.ndarray], np.ndarray], target: np.ndarray, alphas: np.ndarray
) -> np.ndarray:
    """Solve (X^T X + alpha) w = target for each column and its own alpha, near enough to rank."""
    weights = np.zeros(target.shape)
    residual, direction = target.copy(), target.copy()
    size = (residual**2).sum(axis=0)
    goal = np.maximum(ENOUGH**2 * size, np.finfo(float).tiny)
    for _ in range(STEPS):
        if (size <= goal).all():
            break
        image = gram_times(direction) + alphas * direction
        length = size / np.maximum((direction * image).sum(axis=0), np.finfo(float).tiny)
        weights += length * direction
        residual -= length * image
        size, before = (residual**2).sum(axis=0), size
        direction = residual + size / np.maximum(before, np.finfo(float).tiny) * direction
    return weights


def _blocks(packed: PackedCoalitions) -> Iterator[tuple[slice, np.ndarray]]:
    step = max(1, BLOCK_ENTRIES // packed.n)
    for start in range(0, len(packed), step):
        rows = slice(start, start + step)
        yield rows, np.unpackbits(packed.bits[rows], axis=1, count=packed.n).astype(np.float32)


def _times(packed: PackedCoalitions, vectors: np.ndarray) -> np.ndarray:
    right = vectors.astype(np.float32)
    out = [block @ right for _, block in _blocks(packed)]
    return np.concatenate(out).astype(np.float64)


def _transposed_times(packed: PackedCoalitions, vectors: np.ndarray) -> np.ndarray:
    left = vectors.astype(np.float32)
    out = np.zeros((packed.n, left.shape[1]))
    for rows, block in _blocks(packed):
        out += block.T @ left[rows]
    return out
