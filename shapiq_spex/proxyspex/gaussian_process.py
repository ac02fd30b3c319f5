"""A Gaussian process with a product kernel as a surrogate, read out as a Fourier series."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.result import placed
from shapiq_spex.spectral.characters import signs
from shapiq_spex.spectral.series import FourierSeries

from .link import Linked, normal_scores
from .process import LARGEST_TABLE, Data, Dense, Fitted, Model, Sparse
from .proxies import Surrogate
from .pursuit import pursue
from .readout import read_table

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .proxies import Finish
    from .pursuit import Pursued

SERIAL_ROWS = 1500  # below, a matrix is too small for several threads to be worth it
CONSTANT_SHARE = 1e-12  # a smaller spread of the values is rounding


@dataclass(frozen=True)
class GaussianProcess:
    """The product-kernel Gaussian process as a surrogate of a game.

    The hyper-parameters maximise the marginal likelihood of the values with log b_i shrunk towards
    their common mean, log b_i ~ N(mean, 1 / shrinkage), and weak priors on the others. A second
    process learns the values' normal scores; its predictions, brought back through the link that
    the values show, are blended with those of the first unless that is worse on rows held out.

    With at most 16 players the series is exact, and equal to the values where they are known.
    Beyond, the posterior mean is read out by extending the strongest sets one player at a time,
    from all pairs upwards, and the link as a polynomial of such a series; beyond ``dense_rows``
    values the sets are chosen on that many of them, and their coefficients have their posterior
    means given all values. A game that a few terms explain but for rounding is recovered exactly;
    where a few terms predict rows held out better than all this, as of a noisy sparse game, they
    are the answer.

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
        >>> bool(abs(fit.series(x) - y).max() < 1e-9)
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
            rng: Source of the folds, and of the coalitions at which a link is judged.
            finish: Last step applied to every series before it is judged or returned.
            known: Terms that another method found. Each gets its squared coefficient as additional
                prior variance, if the marginal likelihood is better for it.
            judged: Rows to hold out in turn; all of them if left out.

        Returns:
            The finished series and its R² on folds left out of the fit and of the choice of the
            blend. The hyper-parameters and the link are those of all values in every fold, and so
            is the choice between a process and a sparse series. Errors of coalitions that were
            moved apart are larger than those over all coalitions, of which some are known: the
            squares that a process leaves count for as much less as it expects. A sparse series is
            pursued anew without each fold, and without what was known; its residuals are those of
            its own sets, fitted without each fold, brought to the same mean square, so that a set
            that only noise brought in shows in them. R² is None where the values are constant or
            fewer than two a fold.
        """
        n, center, spread = coalitions.shape[1], values.mean(), values.std()
        if spread <= CONSTANT_SHARE * np.abs(values).max():
            return Surrogate(finish(FourierSeries.constant(n, values[0])), None)
        data = Data(signs(coalitions), (values - center) / spread)
        order = rng.permutation(len(values) if judged is None else judged)
        folds = np.array_split(order, self.folds) if len(order) >= 2 * self.folds else []

        constant = FourierSeries.constant(n, center)

        def settle(series: FourierSeries) -> FourierSeries:
            return finish(series * spread + constant)

        def errors(held_out: list[FourierSeries]) -> np.ndarray:
            pairs = zip(folds, map(settle, held_out), strict=True)
            return np.concatenate([values[out] - one(coalitions[out]) for out, one in pairs])

        with blas_threads(len(values)):
            known = known and known * (1 / spread)
            pursued, easier = pursue(*data, known), 1.0
            sparse: tuple[Pursued, list[FourierSeries]] | None = (pursued, [])
            if not pursued.exact:
                plain, linked = self._learn(data, folds, rng, known)
                sparse = _sparser(pursued, data, folds, linked or plain)
            if sparse:
                found = sparse[0].refitted(data, folds)
            else:
                easier = plain.process.easier(folds) if folds else 1.0
                if linked and linked.read:
                    series = settle(linked.read.series)
                    lost = linked.read.lost((series - constant) * (1 / spread))
                    r2 = float(1 - (easier * (linked.left**2).mean() + lost) / data.y[order].var())
                    return Surrogate(series, r2, placed(linked.left * spread, order, len(values)))
                if n <= LARGEST_TABLE:
                    found = read_table((linked or plain).values, coalitions, data.y, plain.outs)
                else:
                    found = plain.series()
            *held_out, last = found
            if not folds:
                return Surrogate(settle(last), None)
            series, left = settle(last), errors(held_out)
            if sparse and sparse[1]:
                left *= np.sqrt((errors(sparse[1]) ** 2).mean() / (left**2).mean())
        residuals = placed(left, order, len(values))
        return Surrogate(series, share_explained(left, values[order], easier), residuals)

    def _learn(
        self,
        data: Data,
        folds: list[np.ndarray],
        rng: np.random.Generator,
        known: FourierSeries | None,
    ) -> tuple[Fitted, Linked | None]:
        """The process of the values, and its blend with one of their scores if that is better."""
        rows = rng.permutation(len(data.y))[: self.tuning_rows]

        def fitted(y: np.ndarray, **prior: Any) -> Fitted:
            given = Data(data.z, y)
            model = Model.learn(Data(data.z[rows], y[rows]), self.shrinkage, **prior)
            if len(y) <= self.dense_rows:
                return Fitted.of(Dense(model, given, self.terms), folds)
            return Fitted.of(Sparse(model, given, self.terms, self.dense_rows), folds)

        plain = fitted(data.y, known=known)
        if not folds:
            return plain, None
        scores = fitted(normal_scores(data.y), start=plain.process.model.kernel)
        return plain, Linked.of(plain, scores, rng)


def _sparser(
    pursued: Pursued, data: Data, folds: list[np.ndarray], process: Fitted | Linked
) -> tuple[Pursued, list[FourierSeries]] | None:
    """The sparse series, if it predicts rows held out better than the process.

    Of few players the process meets all values observed, and a sparse series does not.
    """
    few = data.z.shape[1] <= LARGEST_TABLE
    if few or not folds:
        return None
    return pursued.better_than(float((process.left**2).mean()), data, folds)


def blas_threads(rows: int) -> AbstractContextManager[object]:
    """One thread for small matrices: beside other work several mostly wait for each other."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    return threadpool_limits(1, user_api="blas") if rows < SERIAL_ROWS else nullcontext()


def share_explained(errors: np.ndarray, values: np.ndarray, easier: float = 1.0) -> float | None:
    """R² = 1 - easier * mean error^2 / variance, None without values or where they do not vary."""
    variance = values.var() if len(values) else 0.0
    return float(1 - easier * (errors**2).mean() / variance) if variance > 0 else None
