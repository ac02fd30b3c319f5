"""A Gaussian process with a product kernel as a surrogate, read out as a Fourier series."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.refit import characters, posterior_means
from shapiq_spex.spectral.series import FourierSeries

from .growth import grow
from .product_kernel import inverse_and_log_det, tune
from .proxies import Surrogate

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .product_kernel import Kernel
    from .proxies import Finish

SERIAL_ROWS = 1500  # below, a matrix is too small for several threads to be worth it
CONSTANT_SHARE = 1e-12  # a smaller spread of the values is rounding


@dataclass(frozen=True)
class GaussianProcess:
    """The product-kernel Gaussian process as a surrogate of a game.

    The hyper-parameters maximise the marginal likelihood of the values with log b_i shrunk towards
    their common mean, log b_i ~ N(mean, 1 / shrinkage). The posterior mean is read out by
    extending the strongest sets one player at a time, from all pairs upwards. Beyond
    ``dense_rows`` values the sets are chosen on that many of them, and their coefficients have
    their posterior means given all values.

    Attributes:
        shrinkage: Precision of the prior that ties the relevances together.
        terms: Number of terms kept beside the constant and the single players, at least; never
            fewer than there are values (up to ``dense_rows``).
        tuning_rows: Number of values at most from which the hyper-parameters are learned.
        dense_rows: Number of values up to which the process is conditioned on all of them.
        folds: Number of folds of the cross-validated R².

    Example:
        >>> import itertools
        >>> x = np.array(list(itertools.product([0, 1], repeat=4)), dtype=bool)
        >>> y = 2.0 * x[:, 0] + x[:, 1] * x[:, 2]
        >>> fit = GaussianProcess().fit(x, y, np.random.default_rng(0), lambda series: series)
        >>> bool(abs(fit.series(x) - y).max() < 0.05)
        True
    """

    shrinkage: float = 4.0
    terms: int = 2000
    tuning_rows: int = 1000
    dense_rows: int = 2000
    folds: int = 5

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
        *,
        known: FourierSeries | None = None,
        judged: np.ndarray | None = None,
    ) -> Surrogate:
        """Fit the values of distinct coalitions.

        Args:
            coalitions: Bool (m, n), with m >= 1.
            values: Finite float64 (m,).
            rng: Source of the folds.
            finish: Last step applied to every series before it is judged or returned.
            known: Terms that another method found. Each gets its squared coefficient as additional
                prior variance, if the marginal likelihood is better for it.
            judged: Rows to hold out in turn; all of them if left out.

        Returns:
            The finished series and its R² on folds left out of the fit. The hyper-parameters are
            those of all values in every fold. R² is None where the values are constant or fewer
            than two a fold.
        """
        with blas_threads(len(values)):
            return self._fit(coalitions, values, rng, finish, known=known, judged=judged)

    def _fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
        *,
        known: FourierSeries | None,
        judged: np.ndarray | None,
    ) -> Surrogate:
        n, center, spread = coalitions.shape[1], values.mean(), values.std()
        if spread <= CONSTANT_SHARE * np.abs(values).max():
            return Surrogate(finish(FourierSeries.constant(n, values[0])), None)
        data = _Data(1.0 - 2.0 * coalitions, (values - center) / spread)
        model = self._model(data, known and known * (1 / spread), rng)

        def settle(series: FourierSeries) -> FourierSeries:
            return finish(series * spread + FourierSeries.constant(n, center))

        fitted = (_Dense if len(values) <= self.dense_rows else _Sparse).of(self, model, data)
        rows = rng.permutation(len(values) if judged is None else judged)
        folds = np.array_split(rows, self.folds) if len(rows) >= 2 * self.folds else []
        errors = [values[out] - settle(fitted.series(out))(coalitions[out]) for out in folds]
        series = settle(fitted.series(np.zeros(0, dtype=np.int64)))
        judged_values = values[rows] if folds else values[:0]
        return Surrogate(series, share_explained(np.concatenate([*errors, []]), judged_values))

    def _model(self, data: _Data, known: FourierSeries | None, rng: np.random.Generator) -> _Model:
        """The kernel, and the known terms if the values are more likely with them."""
        rows = rng.permutation(len(data.y))[: self.tuning_rows]
        z, y = data.z[rows], data.y[rows]
        none = FourierSeries(np.zeros((0, z.shape[1]), dtype=bool), np.zeros(0))
        kernel, cost = tune(z, y, self.shrinkage)
        if known is not None and len(known):
            model = _Model(kernel, known * 1.0)
            kernel_with, cost_with = tune(z, y, self.shrinkage, model.known_gram(z))
            if cost_with < cost:
                return model._replace(kernel=kernel_with)
        return _Model(kernel, none)


class _Data(NamedTuple):
    z: np.ndarray  # signs, (m, n)
    y: np.ndarray  # values of mean 0 and variance 1, (m,)


class _Model(NamedTuple):
    """The prior: a kernel, and terms that have their squared coefficient as further variance."""

    kernel: Kernel
    known: FourierSeries

    def known_gram(self, z: np.ndarray) -> np.ndarray:
        chi = characters(z < 0, self.known.support)
        return (chi * self.known.coefficients**2) @ chi.T

    def prior(self, support: np.ndarray) -> np.ndarray:
        """Prior variances of the coefficients of a support that holds the known terms."""
        grown = FourierSeries(support, self.kernel.prior(support))
        return (grown + FourierSeries(self.known.support, self.known.coefficients**2)).coefficients


class _Dense(NamedTuple):
    """The process conditioned on all values."""

    model: _Model
    data: _Data
    inverse: np.ndarray
    alpha: np.ndarray
    terms: int

    @classmethod
    def of(cls, settings: GaussianProcess, model: _Model, data: _Data) -> _Dense:
        gram = model.kernel.gram(data.z) + model.known_gram(data.z)
        inverse, _ = inverse_and_log_det(gram)
        return cls(model, data, inverse, inverse @ data.y, max(settings.terms, len(data.y)))

    def series(self, out: np.ndarray) -> FourierSeries:
        """The largest posterior means without the rows ``out``."""
        rest, alpha = leave_out(self.inverse, self.alpha, out)
        z = self.data.z[rest]
        grown = FourierSeries.from_rows(z.shape[1], grow(self.model.kernel, z, alpha, self.terms))
        known = self.model.known
        weights = characters(z < 0, known.support).T @ alpha
        return grown + FourierSeries(known.support, known.coefficients**2 * weights)


class _Sparse(NamedTuple):
    """The largest terms of a process on some of the values, conditioned on all of them."""

    model: _Model
    data: _Data
    support: np.ndarray
    gram: np.ndarray
    moment: np.ndarray

    @classmethod
    def of(cls, settings: GaussianProcess, model: _Model, data: _Data) -> _Sparse:
        some = _Data(data.z[: settings.dense_rows], data.y[: settings.dense_rows])
        support = _Dense.of(settings, model, some).series(np.zeros(0, dtype=np.int64)).support
        return cls(model, data, support, *cls._moments(data, support, slice(None)))

    @staticmethod
    def _moments(
        data: _Data, support: np.ndarray, rows: np.ndarray | slice
    ) -> tuple[np.ndarray, np.ndarray]:
        # Sums of signs are exact in single precision up to 2^24 rows.
        chi = characters(data.z[rows] < 0, support).astype(np.float32)
        return (chi.T @ chi).astype(np.float64), chi.T.astype(np.float64) @ data.y[rows]

    def series(self, out: np.ndarray) -> FourierSeries:
        """The posterior means without the rows ``out``."""
        gram, moment = self.gram, self.moment
        if len(out):
            gone = self._moments(self.data, self.support, out)
            gram, moment = gram - gone[0], moment - gone[1]
        prior = self.model.prior(self.support)
        # What the left-out terms may contribute looks like noise to the ones that are kept.
        left_out = self.model.kernel.total - self.model.kernel.prior(self.support).sum()
        noise = self.model.kernel.noise + max(left_out, 0.0)
        return FourierSeries(self.support, posterior_means(gram, moment, prior, noise))


def blas_threads(rows: int) -> AbstractContextManager[object]:
    """One thread for small matrices: beside other work several mostly wait for each other."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(1, user_api="blas") if rows < SERIAL_ROWS else nullcontext()


def leave_out(
    inverse: np.ndarray, alpha: np.ndarray, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rows T that stay when the rows I go, and alpha of a process that never saw I.

    alpha_T - K^-1[T, I] (K^-1[I, I])^-1 alpha_I: one inverse serves all folds.
    """
    rest = np.setdiff1d(np.arange(len(alpha)), out)
    gone = np.linalg.solve(inverse[np.ix_(out, out)], alpha[out])
    return rest, alpha[rest] - inverse[np.ix_(rest, out)] @ gone


def share_explained(errors: np.ndarray, values: np.ndarray) -> float | None:
    """R² = 1 - mean error^2 / variance, None without values or where they do not vary."""
    variance = values.var() if len(values) else 0.0
    return float(1 - (errors**2).mean() / variance) if variance > 0 else None
