"""A Gaussian process conditioned on values: what it predicts, also without some of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.refit import characters, posterior_means
from shapiq_spex.spectral.series import FourierSeries

from .growth import grow
from .product_kernel import CONSTANT, JITTER, inverse_and_log_det, neighbours, tune

if TYPE_CHECKING:
    from .product_kernel import Kernel

NEAR_SHARE = 1e-4  # neighbours with a smaller prior variance in all are nothing special
BLOCK = 2**22  # entries of a covariance matrix computed at once


class Data(NamedTuple):
    """What is observed, in the units of the process."""

    z: np.ndarray  # signs, (m, n)
    y: np.ndarray  # values of mean 0 and variance 1, (m,)


class Model(NamedTuple):
    """The prior: a kernel's constant, linear and product part, and single terms beside them."""

    kernel: Kernel
    terms: FourierSeries  # their coefficients are prior variances

    @classmethod
    def learn(
        cls,
        data: Data,
        shrinkage: float,
        *,
        known: FourierSeries | None = None,
        start: Kernel | None = None,
    ) -> Model:
        """The most likely kernel, with the known terms if the values are more likely with them."""
        kernel, cost = tune(*data, shrinkage, start=start)
        terms = FourierSeries(np.zeros((0, data.z.shape[1]), dtype=bool), np.zeros(0))
        if known is not None and len(known):
            variances = FourierSeries(known.support, known.coefficients**2)
            kernel_with, cost_with = tune(*data, shrinkage, known=variances)
            if cost_with < cost:
                kernel, terms = kernel_with, variances
        if kernel.near > NEAR_SHARE:
            terms = terms + neighbours(data.z.shape[1]) * kernel.near
        return cls(kernel, terms)

    def covariance(self, z: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Covariance of the function at two lists of coalitions."""
        support, variances = self.terms.support, self.terms.coefficients
        chi, others = characters(z < 0, support), characters(other < 0, support)
        gram = self.kernel.product(z, other)
        gram += (z * self.kernel.singles) @ other.T + CONSTANT
        gram += (chi * variances) @ others.T
        return gram

    def prior(self, support: np.ndarray) -> np.ndarray:
        """Prior variances of the coefficients of a support in the order of a series."""
        every = FourierSeries(support, self.kernel.prior(support)) + self.terms
        wanted = FourierSeries(support, np.ones(len(support)))
        wanted = wanted + FourierSeries(self.terms.support, np.zeros(len(self.terms)))
        return every.coefficients[wanted.coefficients > 0]


class Dense:
    """The process conditioned on all values; a solution is alpha = K^-1 y, 0 at rows left out."""

    def __init__(self, model: Model, data: Data, terms: int) -> None:
        """Invert the Gram matrix."""
        gram = model.covariance(data.z, data.z)
        gram[np.diag_indices(len(gram))] += model.kernel.noise + JITTER
        self.model, self.data, self.terms = model, data, max(terms, len(data.y))
        self.inverse, _ = inverse_and_log_det(gram)
        self.alpha = self.inverse @ data.y

    def solution(self, out: np.ndarray) -> np.ndarray:
        """Alpha of a process that never saw the rows I: one inverse serves all folds.

        alpha_T - K^-1[T, I] (K^-1[I, I])^-1 alpha_I at the rows T that stay.
        """
        gone = np.linalg.solve(self.inverse[np.ix_(out, out)], self.alpha[out])
        alpha = self.alpha - self.inverse[:, out] @ gone
        alpha[out] = 0.0
        return alpha

    def values(self, z: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        """Posterior means (q, k) at the rows of z, of the k solutions that are the columns."""
        step = max(1, BLOCK // len(self.data.y))
        blocks = [z[i : i + step] for i in range(0, max(len(z), 1), step)]
        return np.concatenate([self.model.covariance(b, self.data.z) @ solutions for b in blocks])

    def series(self, alpha: np.ndarray) -> FourierSeries:
        """The posterior means of the constant and all players, and the largest others."""
        z, terms = self.data.z[alpha != 0], self.model.terms
        alpha = alpha[alpha != 0]
        groups = grow(self.model.kernel, z, alpha, self.terms)
        moment = characters(z < 0, terms.support).T @ alpha
        grown = FourierSeries.from_rows(z.shape[1], groups)
        both = grown + FourierSeries(terms.support, terms.coefficients * moment)
        size = np.where(both.degrees > 1, np.abs(both.coefficients), np.inf)
        kept = np.argsort(-size, kind="stable")[: self.terms + z.shape[1] + 1]
        return FourierSeries(both.support[kept], both.coefficients[kept])


class Sparse:
    """The largest terms of a process on some of the values, conditioned on all of them.

    A solution is the list of the terms' coefficients.
    """

    def __init__(self, model: Model, data: Data, terms: int, rows: int) -> None:
        """Choose the terms on the first rows."""
        some = Dense(model, Data(data.z[:rows], data.y[:rows]), terms)
        self.model, self.data = model, data
        self.support = some.series(some.alpha).support
        self.gram, self.moment = self._moments(slice(None))

    def _moments(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        # Sums of signs are exact in single precision up to 2^24 rows.
        chi = characters(self.data.z[rows] < 0, self.support).astype(np.float32)
        return (chi.T @ chi).astype(np.float64), chi.T.astype(np.float64) @ self.data.y[rows]

    def solution(self, out: np.ndarray) -> np.ndarray:
        """Posterior means of the coefficients without the rows ``out``."""
        gram, moment = self.gram, self.moment
        if len(out):
            gone = self._moments(out)
            gram, moment = gram - gone[0], moment - gone[1]
        prior = self.model.prior(self.support)
        # What the left-out terms may contribute looks like noise to the ones that are kept.
        left_out = self.model.kernel.total + self.model.terms.coefficients.sum() - prior.sum()
        noise = self.model.kernel.noise + max(left_out, 0.0)
        return posterior_means(gram, moment, prior, noise)

    def values(self, z: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        """Posterior means (q, k) at the rows of z, of the k solutions that are the columns."""
        step = max(1, BLOCK // len(self.support))
        blocks = [z[i : i + step] for i in range(0, max(len(z), 1), step)]
        return np.concatenate([characters(b < 0, self.support) @ solutions for b in blocks])

    def series(self, coefficients: np.ndarray) -> FourierSeries:
        """The series of a solution."""
        return FourierSeries(self.support, coefficients)


class Fitted(NamedTuple):
    """A process with its solutions without each of the folds, and last with all rows."""

    process: Dense | Sparse
    outs: list[np.ndarray]
    solutions: np.ndarray  # a column for each of the outs

    @classmethod
    def of(cls, process: Dense | Sparse, folds: list[np.ndarray]) -> Fitted:
        """Solve."""
        outs = [*folds, np.zeros(0, dtype=np.int64)]
        return cls(process, outs, np.stack([process.solution(out) for out in outs], axis=1))

    def values(self, z: np.ndarray) -> np.ndarray:
        """Predictions (q, k) at the rows of z."""
        return self.process.values(z, self.solutions)

    def held_out(self) -> np.ndarray:
        """Predictions for the rows of the folds, fold after fold."""
        z = self.process.data.z
        parts = [
            self.process.values(z[out], self.solutions[:, [fold]])[:, 0]
            for fold, out in enumerate(self.outs[:-1])
        ]
        return np.concatenate(parts)

    def series(self) -> list[FourierSeries]:
        """The series of each solution."""
        return [self.process.series(solution) for solution in self.solutions.T]
