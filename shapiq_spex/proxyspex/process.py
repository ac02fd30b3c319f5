"""A Gaussian process conditioned on values: what it predicts, also without some of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shapiq_spex.spectral.characters import characters, characters_at, moments_of
from shapiq_spex.spectral.refit import posterior_means
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import all_coalitions, table_index, walsh_hadamard

from .growth import grow
from .product_kernel import (
    CONSTANT,
    JITTER,
    inverse_and_log_det,
    neighbours,
    terms_gram,
    tune,
)

if TYPE_CHECKING:
    from .product_kernel import Kernel

NEAR_SHARE = 1e-4  # neighbours with a smaller prior variance in all are nothing special
BLOCK = 2**22  # entries of a covariance matrix computed at once
LARGEST_TABLE = 16  # players whose coalitions can all be asked at once


class Data(NamedTuple):
    """What is observed, in the units of the process."""

    z: np.ndarray  # signs, (m, n)
    y: np.ndarray  # values of mean 0 and variance 1, (m,)

    def without(self, out: np.ndarray) -> Data:
        """The other rows."""
        stay = np.ones(len(self.y), dtype=bool)
        stay[out] = False
        return Data(self.z[stay], self.y[stay])


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
        """Covariance of the function at two lists of coalitions, in the precision of z."""
        variances = self.terms.coefficients.astype(z.dtype)
        gram = self.kernel.product(z, other)
        gram += (z * self.kernel.singles.astype(z.dtype)) @ other.T + z.dtype.type(CONSTANT)
        gram += (characters_at(self.terms, z) * variances) @ characters_at(self.terms, other).T
        return gram

    @property
    def total(self) -> float:
        """Prior variance of all coefficients together."""
        return self.kernel.total + float(self.terms.coefficients.sum())

    def mean_product(self, z: np.ndarray) -> np.ndarray:
        """The mean of k(z_i, x) k(x, z_j) over all coalitions x: sum_S v_S^2 chi_S chi_S."""
        n = z.shape[1]
        small = np.concatenate([np.zeros((1, n), dtype=bool), np.eye(n, dtype=bool)])
        beside = FourierSeries(small, np.zeros(n + 1)) + self.terms
        support = beside.support
        squares = self.prior(support) ** 2 - self.kernel.product_prior(support) ** 2
        more = FourierSeries(support, squares)
        return self.kernel.squared_product(z) + terms_gram(more, z)

    def prior(self, support: np.ndarray) -> np.ndarray:
        """Prior variances of the coefficients of a support in the order of a series."""
        every = FourierSeries(support, self.kernel.prior(support)) + self.terms
        wanted = FourierSeries(support, np.ones(len(support)))
        wanted = wanted + FourierSeries(self.terms.support, np.zeros(len(self.terms)))
        return every.coefficients[wanted.coefficients > 0]

    def spectrum(self) -> np.ndarray:
        """Prior variances of all 2^n coefficients, in the order of a table."""
        n = self.terms.n
        variances = self.kernel.prior(all_coalitions(n))
        variances[table_index(self.terms.support)] += self.terms.coefficients
        return variances


class Dense:
    """The process conditioned on all values; a solution is alpha = K^-1 y, 0 at rows left out."""

    def __init__(self, model: Model, data: Data, terms: int) -> None:
        """Invert the Gram matrix."""
        z = data.z.astype(np.float64)
        gram = model.covariance(z, z)
        gram[np.diag_indices(len(gram))] += model.kernel.noise + JITTER
        self.model, self.data, self.terms = model, data, max(terms, len(data.y))
        self.inverse, _ = inverse_and_log_det(gram)
        self.alpha = self.inverse @ data.y

    def solution(self, out: np.ndarray) -> np.ndarray:
        """Alpha of a process that never saw the rows I: one inverse serves all folds.

        alpha_T - K^-1[T, I] (K^-1[I, I])^-1 alpha_I at the rows T that stay.
        """
        alpha = self.alpha - self.inverse[:, out] @ self.left(out)
        alpha[out] = 0.0
        return alpha

    def values(self, z: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        """Posterior means (q, k) at the rows of z, of the k solutions that are the columns."""
        if z.shape[1] <= LARGEST_TABLE and len(z) > len(self.data.y):
            return table(self.model.spectrum(), self.data.z, solutions)[table_index(z < 0)]
        step = max(1, BLOCK // len(self.data.y))
        blocks = [z[i : i + step] for i in range(0, max(len(z), 1), step)]
        return np.concatenate([self.model.covariance(b, self.data.z) @ solutions for b in blocks])

    def left(self, out: np.ndarray, _: np.ndarray | None = None) -> np.ndarray:
        """Values at some rows minus their posterior means without these rows."""
        return np.linalg.solve(self.inverse[np.ix_(out, out)], self.alpha[out])

    def easier(self, outs: list[np.ndarray]) -> float:
        """Expected squared error over all coalitions, in units of that at the rows left out.

        Coalitions that were moved apart lie where the others tell least of them, and of few
        players a good part of all coalitions is known. The variance at the rows I left out is
        (K^-1[I, I])^-1, and over all coalitions in the mean k(x, x) less the trace of
        K_T^-1 E[k(T, x) k(x, T)], for the rows T that stay. At most 1.
        """
        model, inverse = self.model, self.inverse
        product = model.mean_product(self.data.z.astype(np.float64))
        known = float((inverse * product).sum())
        there = everywhere = 0.0
        for out in outs:
            variance = np.linalg.inv(inverse[np.ix_(out, out)])
            told = (variance * (inverse[out] @ product @ inverse[:, out])).sum()
            there += float(variance.trace())
            # Of a game that is nearly known rounding is all there is, and may be below zero.
            unknown = max(model.total - known + float(told), 0.0)
            everywhere += len(out) * (unknown + model.kernel.noise + JITTER)
        return min(everywhere / there, 1.0)

    def series(self, alpha: np.ndarray) -> FourierSeries:
        """The posterior means of the constant and all players, and the largest others."""
        z, terms = self.data.z[alpha != 0], self.model.terms
        alpha = alpha[alpha != 0]
        groups = grow(self.model.kernel, z, alpha, self.terms)
        moment = moments_of(terms, z, alpha)
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
        self.gram, self.moment = self._moments(np.arange(len(data.y)))

    def _moments(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Sums of signs are exact in single precision up to 2^24 rows.
        gram = np.zeros((len(self.support),) * 2, dtype=np.float32)
        moment = np.zeros(len(self.support))
        for block in np.array_split(rows, 1 + len(rows) * len(self.support) // BLOCK):
            chi = characters(self.data.z[block] < 0, self.support)
            moment += self.data.y[block] @ chi
            single = chi.astype(np.float32)
            gram += single.T @ single
        return gram, moment

    def solution(self, out: np.ndarray) -> np.ndarray:
        """Posterior means of the coefficients without the rows ``out``."""
        gram, moment = self.gram, self.moment
        if len(out):
            gone = self._moments(out)
            gram, moment = gram - gone[0], moment - gone[1]
        prior = self.model.prior(self.support)
        # What the left-out terms may contribute looks like noise to the ones that are kept.
        noise = self.model.kernel.noise + max(self.model.total - prior.sum(), 0.0)
        return posterior_means(gram, moment, prior, noise)

    def values(self, z: np.ndarray, solutions: np.ndarray) -> np.ndarray:
        """Posterior means (q, k) at the rows of z, of the k solutions that are the columns."""
        step = max(1, BLOCK // len(self.support))
        blocks = [z[i : i + step] for i in range(0, max(len(z), 1), step)]
        return np.concatenate([characters(b < 0, self.support) @ solutions for b in blocks])

    def left(self, out: np.ndarray, solution: np.ndarray) -> np.ndarray:
        """Values at some rows minus what a solution says of them."""
        return self.data.y[out] - self.values(self.data.z[out], solution[:, None])[:, 0]

    def easier(self, outs: list[np.ndarray]) -> float:  # noqa: ARG002
        """One: with so many values the noise is what is left."""
        return 1.0

    def series(self, coefficients: np.ndarray) -> FourierSeries:
        """The series of a solution."""
        return FourierSeries(self.support, coefficients)


def table(spectrum: np.ndarray, z: np.ndarray, solutions: np.ndarray) -> np.ndarray:
    """Posterior means (2^n, k) of solutions (m, k) at the rows of z.

    The covariance depends on where two coalitions differ alone, so two Walsh-Hadamard transforms
    stand for a matrix of all coalitions and all rows.
    """
    spread = np.zeros((solutions.shape[1], len(spectrum)))
    spread[:, table_index(z < 0)] = solutions.T
    return walsh_hadamard(spectrum * walsh_hadamard(spread)).T


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

    def last(self) -> FourierSeries:
        """The series of the solution with all rows."""
        return self.process.series(self.solutions[:, -1])

    def last_values(self, z: np.ndarray) -> np.ndarray:
        """Predictions (q,) of the solution with all rows."""
        return self.process.values(z, self.solutions[:, [-1]])[:, 0]

    @property
    def left(self) -> np.ndarray:
        """Values minus predictions at the rows of the folds, fold after fold."""
        pairs = zip(self.outs[:-1], self.solutions.T[:-1], strict=True)
        return np.concatenate([self.process.left(out, solution) for out, solution in pairs])

    def series(self) -> list[FourierSeries]:
        """The series of each solution."""
        return [self.process.series(solution) for solution in self.solutions.T]
