"""A factorised surrogate: the matrix of all pairs as a product of low-rank factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from shapiq_spex.checks import whole
from shapiq_spex.spectral.series import FourierSeries

from .proxy import Learner, cross_validated, is_constant, signs_of

if TYPE_CHECKING:
    from shapiq_spex.proxyspex.proxies import Finish, Proxy, Surrogate
    from shapiq_spex.spectral.indices import Index

PENALTIES = (1e-3, 1e-2, 1e-1)  # of squared coefficients, values having variance 1


class FactorisedPairs(Learner):
    """A factorisation machine (Rendle, 2010): F({i, j}) = <v_i, v_j> with v_i of ``rank`` numbers.

    With z = chi(x), f(x) = b + <w, z> + (|V^T z|^2 - |V|^2) / 2, so n (rank + 1) + 1 numbers stand
    for all pairs, learned with a squared penalty from uniform masks. The penalty is the one of
    three with the best cross-validated R², which flatters that R² a little.

    Limits: no sets of three or more. Few pairs that have no player in common are no matrix of low
    rank: r disjoint pairs need a rank of about r. The factors are a local optimum.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.
        rank: Numbers a player has, at least 1.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> game = lambda x: 3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2]
        >>> found = FactorisedPairs(n=8, random_state=0).approximate(150, game)
        >>> round(float(found[(1, 2)]), 1), round(float(found[(0,)]), 1)
        (-2.0, 3.0)
    """

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        top_order: bool = False,
        random_state: int | None = None,
        rank: int = 4,
    ) -> None:
        """See the class."""
        super().__init__(
            n=n, max_order=max_order, index=index, top_order=top_order, random_state=random_state
        )
        self.rank = whole("FactorisedPairs", "rank", rank)

    @property
    def proxy(self) -> Proxy:
        """What learns the values."""
        return FactorisationMachine(self.rank)


@dataclass(frozen=True)
class FactorisationMachine:
    """The surrogate of `FactorisedPairs`."""

    rank: int = 4

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """See :class:`shapiq_spex.proxyspex.proxies.Proxy`."""
        start = 0.1 * rng.standard_normal((coalitions.shape[1], self.rank))
        folds = rng.integers(2**32)
        fits = [
            cross_validated(
                partial(_fit, start, penalty),
                coalitions,
                values,
                np.random.default_rng(folds),
                finish,
            )
            for penalty in PENALTIES
        ]
        return max(fits, key=lambda fit: -np.inf if fit.r2 is None else fit.r2)


def _fit(
    start: np.ndarray, penalty: float, coalitions: np.ndarray, values: np.ndarray
) -> FourierSeries:
    (n, rank), z = start.shape, signs_of(coalitions)
    if is_constant(values):
        return FourierSeries.constant(n, values[0])
    scale = values.std()
    y = (values - values.mean()) / scale

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        b, w, V = theta[0], theta[1 : n + 1], theta[n + 1 :].reshape(n, rank)
        zV = z @ V
        left = b + z @ w + (np.einsum("jk,jk->j", zV, zV) - (V**2).sum()) / 2 - y
        dV = z.T @ (left[:, None] * zV) - left.sum() * V
        gradient = np.concatenate([[left.sum()], z.T @ left, dV.ravel()]) / len(y)
        theta = np.concatenate([[0.0], theta[1:]])
        return float((left**2).mean() + penalty * theta @ theta) / 2, gradient + penalty * theta

    found = minimize(
        loss, np.concatenate([np.zeros(n + 1), start.ravel()]), jac=True, method="L-BFGS-B"
    ).x
    w, V = found[1 : n + 1], found[n + 1 :].reshape(n, rank)
    pairs = np.array(list(combinations(range(n), 2)), dtype=np.int64).reshape(-1, 2)
    products = np.einsum("pk,pk->p", V[pairs[:, 0]], V[pairs[:, 1]])
    groups = [
        (np.zeros((1, 0), dtype=np.int64), np.array([found[0] + values.mean() / scale])),
        (np.arange(n)[:, None], w),
        (pairs, products),
    ]
    return FourierSeries.from_rows(n, groups) * scale
