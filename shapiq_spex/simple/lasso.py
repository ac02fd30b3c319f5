"""A linear surrogate with pairwise products, sparse by the LASSO."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.spectral.characters import characters
from shapiq_spex.spectral.series import FourierSeries

from .proxy import Learner, cross_validated, is_constant

if TYPE_CHECKING:
    from shapiq_spex.proxyspex.proxies import Finish, Proxy, Surrogate

PENALTIES = 20  # of which the LASSO takes one, per fit, by its own folds
MOST_PAIRS = 100_000  # beyond, the matrix of products does not fit


class LassoPairs(Learner):
    """Least squares with an L1 penalty on all single players and pairs (Tibshirani, 1996).

    Minimises sum_j (y_j - F(empty) - sum_S F(S) chi_S(x_j))^2 / 2m + alpha sum_S |F(S)| over the
    sets S of one and two players, with uniform masks and alpha by cross-validation.

    Limits: sets of three or more are not there at all; a parity of three players is nothing to it.
    The number of products grows with n^2: beyond 100,000 pairs (447 players) only single players
    are fitted. The penalty shrinks every coefficient towards 0.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.

    Example:
        >>> game = lambda x: 3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2]
        >>> found = LassoPairs(n=12, random_state=0).approximate(150, game)
        >>> round(float(found[(1, 2)]), 1), round(float(found[(0,)]), 1)
        (-2.0, 3.0)
    """

    @property
    def proxy(self) -> Proxy:
        """What learns the values."""
        return Lasso()


@dataclass(frozen=True)
class Lasso:
    """The surrogate of `LassoPairs`."""

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """See :class:`shapiq_spex.proxyspex.proxies.Proxy`."""
        fit = partial(_fit, _support(coalitions.shape[1]))
        return cross_validated(fit, coalitions, values, rng, finish)


def _fit(support: np.ndarray, coalitions: np.ndarray, values: np.ndarray) -> FourierSeries:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    n, scale = coalitions.shape[1], values.std()
    if len(values) < 4 or is_constant(values):
        return FourierSeries.constant(n, values.mean())
    alphas = np.logspace(-4, 0, PENALTIES)  # of the largest that leaves a coefficient
    matrix, centred = characters(coalitions, support), (values - values.mean()) / scale
    largest = np.abs(matrix.T @ centred).max() / len(values)
    model = LassoCV(cv=min(5, len(values) // 2), random_state=0, alphas=largest * alphas[::-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the path ends where it is exact
        model.fit(matrix, centred)
    constant = FourierSeries.constant(n, model.intercept_ * scale + values.mean())
    kept = model.coef_ != 0
    return constant + FourierSeries(support[kept], model.coef_[kept] * scale)


def _support(n: int) -> np.ndarray:
    """The sets of one and two players, bool (s, n)."""
    singles = np.eye(n, dtype=bool)
    if n * (n - 1) // 2 > MOST_PAIRS or n < 2:
        return singles
    pairs = np.array(list(combinations(range(n), 2)))
    return np.concatenate([singles, singles[pairs[:, 0]] | singles[pairs[:, 1]]])
