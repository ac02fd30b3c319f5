"""Methods that learn from uniform masks, judged by folds that they did not see."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.approximator import SpectralApproximator
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.proxyspex.gaussian_process import CONSTANT_SHARE, share_explained
from shapiq_spex.proxyspex.proxies import Surrogate
from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapiq_spex.approximator import Game
    from shapiq_spex.proxyspex.proxies import Finish, Proxy
    from shapiq_spex.result import Recovery

    Fit = Callable[[np.ndarray, np.ndarray], FourierSeries]

FOLDS = 5


class Learner(SpectralApproximator):
    """ProxySPEX with the surrogate of a subclass.

    The masks lie apart, where the others tell least, so the R² is on the cautious side.
    """

    @property
    @abstractmethod
    def proxy(self) -> Proxy:
        """What learns the values."""

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        del rng
        common = {name: getattr(self, name) for name in ("n", "max_order", "index", "top_order")}
        learner = ProxySPEX(**common, proxy=self.proxy, random_state=self.seed)
        return learner.recover(budget, game)


def is_constant(values: np.ndarray) -> bool:
    """Whether the spread of values is no more than rounding."""
    return bool(values.std() <= CONSTANT_SHARE * np.abs(values).max())


def cross_validated(
    fit: Fit,
    coalitions: np.ndarray,
    values: np.ndarray,
    rng: np.random.Generator,
    finish: Finish,
) -> Surrogate:
    """Fit to all rows, and judge by fits to four fifths of them.

    Args:
        fit: Makes a series of coalitions and values.
        coalitions: Bool (m, n).
        values: Float64 (m,).
        rng: Source of the folds.
        finish: Last step applied to every series.
    """
    if is_constant(values):
        return Surrogate(finish(FourierSeries.constant(coalitions.shape[1], values[0])), None)
    series, order = finish(fit(coalitions, values)), rng.permutation(len(values))
    if len(values) < 2 * FOLDS:
        return Surrogate(series, None)
    residuals = np.empty(len(values))
    for fold in np.array_split(order, FOLDS):
        others = np.delete(np.arange(len(values)), fold)
        unseen = finish(fit(coalitions[others], values[others]))
        residuals[fold] = values[fold] - unseen(coalitions[fold])
    return Surrogate(series, share_explained(residuals, values), residuals)


def signs_of(coalitions: np.ndarray) -> np.ndarray:
    """chi_i(x) = 1 - 2 x_i as float64 (m, n)."""
    return 1.0 - 2.0 * coalitions
