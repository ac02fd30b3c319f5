"""Reads the strongest coefficients of a Gaussian process out, one player at a time.

The posterior mean of F(S) is its prior variance times sum_j alpha_j chi_S(x_j), alpha = K^-1 y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .product_kernel import CONSTANT

if TYPE_CHECKING:
    from .product_kernel import Kernel

PARENTS = 1000  # sets of one size that are extended


def grow(
    kernel: Kernel, z: np.ndarray, alpha: np.ndarray, count: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Posterior means of the constant, all players and the ``count`` strongest other sets found.

    Args:
        kernel: Hyper-parameters.
        z: Signs 1 - 2 x of the observed coalitions, (m, n).
        alpha: K^-1 y, (m,).
        count: Number of sets of two players and more to keep.

    Returns:
        For each size 0, 1, 2, ...: players int (k, size) and coefficients (k,).
    """
    n = z.shape[1]
    log_l, base = kernel.log_l, kernel.log_base
    constant = np.array([(np.exp(base) + CONSTANT) * alpha.sum()])
    singles = (np.exp(base + log_l) + kernel.singles) * (alpha @ z)
    groups = [(np.zeros((1, 0), dtype=np.int64), constant), (np.arange(n)[:, None], singles)]
    parents = np.argsort(-np.abs(singles), kind="stable")[:PARENTS, None]
    larger: list[tuple[np.ndarray, np.ndarray]] = []
    while len(parents) > 0 and parents.shape[1] < n:
        chi = z[:, parents].prod(axis=2)
        values = (alpha[:, None] * chi).T @ z
        values *= np.exp(base + log_l[parents].sum(axis=1)[:, None] + log_l)
        larger.append(_children(parents, values, count))
        sets, strength = larger[-1]
        # A set below the count-th strongest so far can have no place, and hardly a strong child.
        parents = sets[np.abs(strength) >= _floor(larger, count)][:PARENTS]
    floor = _floor(larger, count)
    return groups + [(s[np.abs(f) >= floor], f[np.abs(f) >= floor]) for s, f in larger]


def _children(parents: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest distinct sets parent + one player, strongest first."""
    k, n = values.shape
    size = np.abs(values)
    size[np.arange(k)[:, None], parents] = -1.0  # already a member
    # A set is reached from each of its players at most once.
    limit = min(count * (parents.shape[1] + 1), size.size)
    top = np.argpartition(-size.ravel(), limit - 1)[:limit]
    top = top[size.ravel()[top] >= 0]
    rows = np.sort(np.concatenate([parents[top // n], (top % n)[:, None]], axis=1), axis=1)
    rows, first = np.unique(rows, axis=0, return_index=True)
    strength = values.ravel()[top[first]]
    best = np.argsort(-np.abs(strength), kind="stable")[:count]
    return rows[best], strength[best]


def _floor(groups: list[tuple[np.ndarray, np.ndarray]], count: int) -> float:
    """Size of the count-th strongest coefficient, 0 where there are not as many."""
    size = np.abs(np.concatenate([np.zeros(0), *(values for _, values in groups)]))
    return 0.0 if len(size) <= count else float(np.partition(size, -count)[-count])
