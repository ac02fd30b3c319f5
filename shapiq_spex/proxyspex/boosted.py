"""The boosted-tree surrogate of ProxySPEX (Butler et al., 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.coalitions import checked_coalitions
from shapiq_spex.spectral.refit import ridge_refit
from shapiq_spex.spectral.series import FourierSeries

from .ensembles import Ensemble, fit_ensemble
from .proxies import Surrogate
from .tree_fourier import trees_to_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .proxies import Finish


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient-boosted trees, tuned by cross-validation and read out as a Fourier series.

    1. Every depth x number of trees x rate is judged by its squared error out of fold; smaller
       numbers of trees are prefixes of the largest fit and cost nothing.
    2. The best setting, fitted to all rows, is read out exactly.
    3. The fewest terms that hold a share of the non-constant energy are kept, and the constant.
    4. Their coefficients may be fitted anew by ridge regression. The share, and whether to refit,
       are those of the least error out of fold: every fold reads out, cuts and refits its own
       trees.

    The paper leaves the cut open and its reference code always keeps 95% and always refits. Both
    help on some games and harm on others; ``energies=(0.95,)`` brings the fixed cut back.

    Args:
        depths: Depths of the trees to try, None for no bound but 31 leaves.
        trees: Numbers of trees to try.
        rates: Learning rates to try.
        folds: Folds of the cross-validation; with fewer rows than that, one row each.
        energies: Shares of the non-constant energy to try, each in (0, 1].

    Raises:
        ValueError: If a grid is empty, there are fewer than two folds, or a share is outside
            (0, 1].

    Example:
        >>> coalitions = np.random.default_rng(0).random((200, 5)) < 0.5
        >>> values = 2.0 * (coalitions[:, 0] & coalitions[:, 3])
        >>> surrogate = BoostedTrees(trees=(100,)).fit(
        ...     coalitions, values, np.random.default_rng(0), finish=lambda series: series
        ... )
        >>> {players: round(value, 2) for players, value in surrogate.series.terms().items()}
        {(): 0.5, (0,): -0.5, (3,): -0.5, (0, 3): 0.5}
    """

    depths: tuple[int | None, ...] = (3, 5, None)
    trees: tuple[int, ...] = (500, 1000)
    rates: tuple[float, ...] = (0.01, 0.1)
    folds: int = 5
    energies: tuple[float, ...] = (0.95, 0.98, 0.99)

    def __post_init__(self) -> None:
        grids = (self.depths, self.trees, self.rates, self.energies)
        if not all(grids) or min(self.trees) < 1:
            msg = (
                "BoostedTrees needs at least one depth, number of trees (1 or more), rate and "
                f"energy, got {grids}."
            )
            raise ValueError(msg)
        if self.folds < 2 or not 0 < min(self.energies) <= max(self.energies) <= 1:
            msg = (
                "BoostedTrees needs at least 2 folds and energies in (0, 1], "
                f"got folds={self.folds} and energies={self.energies}."
            )
            raise ValueError(msg)

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """Fit values on coalitions; generators in equal states give equal answers.

        The R² is that of the series returned, every row held out once: what is cut, and the refit
        if used, is found anew in each fold. The setting, the cut and the refit are chosen on
        the same folds, which flatters it slightly. Constant values give that constant and no R².

        Args:
            coalitions: Bool or 0/1 matrix (m, n), m >= 1.
            values: Finite floats (m,).
            rng: Shuffles the rows into folds and seeds the trees.
            finish: Last step applied to every series before it is judged or returned.

        Raises:
            ValueError: If the shapes do not fit together or a value is not finite.
        """
        data = _checked(coalitions, values)
        mean, scale = data.values.mean(), data.values.std()
        if np.ptp(data.values) ** 2 == 0:
            return Surrogate(finish(FourierSeries.constant(data.n, data.values[0])), r2=None)
        constant = FourierSeries.constant(data.n, mean)

        def settle(series: FourierSeries) -> FourierSeries:
            return (finish(series * scale + constant) - constant) * (1 / scale)

        # The boosters round values to single precision and ignore gains below a fixed epsilon.
        scaled = data._replace(values=(data.values - mean) / scale)
        series, residuals = self._fit(scaled, rng, settle)
        r2 = 1 - float((residuals**2).sum() / (scaled.values**2).sum())
        return Surrogate(finish(series * scale + constant), r2, residuals * scale)

    def _fit(
        self, data: _Data, rng: np.random.Generator, settle: Finish
    ) -> tuple[FourierSeries, np.ndarray]:
        """The four steps, for values of mean 0, and the residuals out of fold."""
        parts = data.parts(self.folds, rng)
        folds = [data.split(part) for part in parts]
        best = min(self._trials(folds, seed=int(rng.integers(2**31))), key=lambda t: t.error)
        own = [_read(ensemble, best, data.n) for ensemble in best.ensembles]
        ways = list(product(self.energies, (False, True)))
        residuals = np.empty((len(ways), len(data.values)))
        for series, part, (rest, held) in zip(own, parts, folds, strict=True):
            for row, way in zip(residuals, ways, strict=True):
                row[part] = held.residuals(settle(_cut(series, rest, *way)))
        chosen = np.argmin((residuals**2).sum(axis=1))
        final = _cut(_read(best.fit(data), best, data.n), data, *ways[chosen])
        return final, residuals[chosen]

    def _trials(self, folds: list[tuple[_Data, _Data]], seed: int) -> Iterator[_Trial]:
        for depth, rate in product(self.depths, self.rates):
            longest = _Trial(depth, max(self.trees), rate, seed)
            ensembles = tuple(longest.fit(rest) for rest, _ in folds)
            for count in self.trees:
                yield longest._replace(trees=count, ensembles=ensembles).judged(folds)


class _Data(NamedTuple):
    coalitions: np.ndarray
    values: np.ndarray

    @property
    def n(self) -> int:
        return self.coalitions.shape[1]

    def folds(self, count: int, rng: np.random.Generator) -> list[tuple[_Data, _Data]]:
        """Pairs of the rows to fit and the rows held out."""
        return [self.split(part) for part in self.parts(count, rng)]

    def parts(self, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The rows held out together."""
        m = len(self.values)
        return np.array_split(rng.permutation(m), min(count, m))

    def split(self, part: np.ndarray) -> tuple[_Data, _Data]:
        """The rows to fit and those held out."""
        return self._rows(np.setdiff1d(np.arange(len(self.values)), part)), self._rows(part)

    def residuals(self, predict: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Values minus predictions."""
        return self.values - predict(self.coalitions)

    def error(self, predict: Callable[[np.ndarray], np.ndarray]) -> float:
        """Sum of squared errors."""
        return float((self.residuals(predict) ** 2).sum())

    def _rows(self, rows: np.ndarray) -> _Data:
        return _Data(self.coalitions[rows], self.values[rows])


class _Trial(NamedTuple):
    """One setting, and once judged its fit in every fold and its error out of fold."""

    depth: int | None
    trees: int
    rate: float
    seed: int
    ensembles: tuple[Ensemble, ...] = ()
    error: float = np.inf

    def fit(self, data: _Data) -> Ensemble:
        return fit_ensemble(
            *data, depth=self.depth, trees=self.trees, rate=self.rate, seed=self.seed
        )

    def judged(self, folds: list[tuple[_Data, _Data]]) -> _Trial:
        pairs = zip(self.ensembles, folds, strict=True)
        error = sum(
            held.error(partial(each.predict, count=self.trees)) for each, (_, held) in pairs
        )
        return self._replace(error=error)


def _read(ensemble: Ensemble, trial: _Trial, n: int) -> FourierSeries:
    return trees_to_series(ensemble.trees(trial.trees), n)


def _cut(series: FourierSeries, data: _Data, energy: float, refit: bool) -> FourierSeries:
    """The series cut, and its coefficients fitted anew to the data if wanted."""
    cut = series.truncate(energy=energy)
    return ridge_refit(cut.support, data.coalitions, data.values) if refit else cut


def _checked(coalitions: np.ndarray, values: np.ndarray) -> _Data:
    values = np.asarray(values, dtype=np.float64)
    coalitions = checked_coalitions(coalitions, np.shape(coalitions)[-1])
    if len(values) < 1 or values.shape != (len(coalitions),) or not np.isfinite(values).all():
        msg = (
            "BoostedTrees needs at least one coalition and one finite value for each, "
            f"got {len(coalitions)} coalitions and values of shape {values.shape}."
        )
        raise ValueError(msg)
    return _Data(coalitions, values)
