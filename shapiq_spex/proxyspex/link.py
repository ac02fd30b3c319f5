"""A monotone link between a game's values and a function that is easier to learn.

Probabilities, scores and accuracies saturate, jump or have long tails: f = g(h) with a simpler h.
The link needs no range. Values become normal scores, u = Phi^-1((rank - 1/2) / m); a process learns
them, and its predictions h are brought back as E[g(h + e)], where g turns scores into values and e
has the variance of the errors of h at rows held out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import nnls
from scipy.stats import norm, rankdata

from shapiq_spex.spectral.characters import values_of

from .process import LARGEST_TABLE
from .readout import polynomial_of

if TYPE_CHECKING:
    from shapiq_spex.spectral.series import FourierSeries

    from .process import Fitted

GRID = np.linspace(-6.0, 6.0, 1201)  # scores, of which hardly any are larger
NORMAL = norm.ppf((np.arange(201) + 0.5) / 201)  # equally likely errors
CAUTION = 30.0  # rows' worth of evidence that both predictions are equally good
LENIENT = 1.1  # times the squared error: a blend that seems a little worse is often better
DEGREE = 5  # of the polynomial that stands for the link
PROBES = 1000  # random coalitions at which a read-out is compared with what it reads


class Linked(NamedTuple):
    """The blend of a process of the values and one of their normal scores, brought back."""

    plain: Fitted
    scores: Fitted
    squash: Squash
    weights: np.ndarray  # (k, 2): of each solution, chosen without the rows it never saw
    left: np.ndarray  # values minus predictions at rows held out, in units of ``plain``
    read: ReadOut | None = None

    @classmethod
    def of(cls, plain: Fitted, scores: Fitted, rng: np.random.Generator) -> Linked | None:
        """None where the process of the values alone is clearly better."""
        rows = np.concatenate(plain.outs)
        values = plain.process.data.y[rows]
        errors, alone = scores.left, values - plain.left
        squash = Squash.of(plain.process.data.y, errors)
        both = np.stack([alone, squash(scores.process.data.y[rows] - errors)], axis=1)
        fold = np.repeat(np.arange(len(plain.outs)), [len(out) for out in plain.outs])
        weights = np.stack(
            [blend(values[fold != k], both[fold != k]) for k in range(len(plain.outs))]
        )
        left = values - (both * weights[fold]).sum(axis=1)
        error, enough = float((left**2).mean()), float(((values - alone) ** 2).mean())
        linked = cls(plain, scores, squash, weights, left)
        n = plain.process.data.z.shape[1]
        if n <= LARGEST_TABLE:
            return linked if error < LENIENT * enough else None
        if error >= enough:
            return None
        read = linked.read_out(random_signs(n, rng))
        return linked._replace(read=read) if error + read.lost(read.series) < enough else None

    def values(self, z: np.ndarray) -> np.ndarray:
        """Predictions (q, k) at the rows of z."""
        squashed = self.squash(self.scores.values(z))
        return self.weights[:, 0] * self.plain.values(z) + self.weights[:, 1] * squashed

    def read_out(self, z: np.ndarray) -> ReadOut:
        """The series of the last solution; the link is a polynomial there, near at the rows z."""
        plain, scores = self.plain.last(), self.scores.last()
        at_plain, at = self.plain.last_values(z), self.scores.last_values(z)
        link = np.zeros(DEGREE + 1)
        fitted = np.polynomial.Polynomial.fit(at, self.squash(at), DEGREE).convert().coef
        link[: len(fitted)] = fitted  # without the zeros at the end
        # A product takes the largest terms only, so the linear part is kept out of it.
        linked = scores * float(link[1]) + polynomial_of(
            scores, link * (np.arange(DEGREE + 1) != 1)
        )
        share, linked_share = self.weights[-1].tolist()
        values = share * at_plain + linked_share * self.squash(at)
        return ReadOut(plain * share + linked * linked_share, z, values)


class ReadOut(NamedTuple):
    """A series that stands for a function, and values of the function at some coalitions."""

    series: FourierSeries
    z: np.ndarray
    values: np.ndarray

    def lost(self, series: FourierSeries) -> float:
        """Mean squared difference of a series and the function."""
        return float(((self.values - values_of(series, self.z)) ** 2).mean())


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Phi^-1((rank - 1/2) / m); equal values have equal scores."""
    return norm.ppf((rankdata(values) - 0.5) / len(values))


def random_signs(n: int, rng: np.random.Generator) -> np.ndarray:
    """Signs (PROBES, n) of uniform coalitions."""
    return 1 - 2 * (rng.random((PROBES, n), dtype=np.float32) < 0.5).astype(np.float32)


class Squash(NamedTuple):
    """From predicted scores to expected values, tabulated at GRID."""

    table: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, errors: np.ndarray) -> Squash:
        """The link that the values show, for scores predicted with such errors."""
        scores = norm.ppf((np.arange(len(values)) + 0.5) / len(values))
        around = GRID[:, None] + errors.std() * NORMAL
        return cls(np.interp(around, scores, np.sort(values)).mean(axis=1))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Expected values, of the shape of the scores."""
        return np.interp(scores, GRID, self.table)


def blend(values: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Weights (2,) of two predictions (m, 2) of values of mean 0 made for rows held out.

    They are at least 0, add up to at most 1, and are drawn to a half each by CAUTION rows.
    """
    caution = np.sqrt(CAUTION) * values.std()
    much = 1e3 * values.std() * np.sqrt(len(values))
    # A third unknown is what is missing to 1, which the heavy last row makes exact.
    matrix = np.zeros((len(values) + 3, 3))
    matrix[:-3, :2] = both
    matrix[[-3, -2], [0, 1]] = caution
    matrix[-1] = much
    return nnls(matrix, np.concatenate([values, [caution / 2, caution / 2, much]]))[0][:2]
