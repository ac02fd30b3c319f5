"""Regularised least squares on a given Fourier support."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from .characters import characters
from .coalitions import checked_coalitions
from .series import FourierSeries

ALPHAS = np.logspace(-6, 6, 25)


def ridge_refit(
    support: np.ndarray,
    coalitions: np.ndarray,
    values: np.ndarray,
    *,
    alphas: np.ndarray = ALPHAS,
) -> FourierSeries:
    """Fit the coefficients of a given support to values by ridge regression.

    Minimises sum_j (y_j - F(empty) - sum_S F(S) chi_S(x_j))^2 + alpha sum_S F(S)^2 over the sets S
    of the support. The constant F(empty) bears no penalty and is always in the result. Of the
    alphas the one with the least leave-one-out error is taken (of equals the largest). With the
    hat matrix H the row left out errs by (y_j - fit_j) / (1 - H_jj), so one eigendecomposition of
    the smaller Gram matrix, O(m s min(m, s)), serves all alphas without a single refit.

    Args:
        support: Bool matrix (s, n), one set a row; s may be 0, and above or below m.
        coalitions: Bool or 0/1 matrix (m, n), m >= 1; with one row the answer is its value.
        values: Finite floats (m,).
        alphas: Positive penalties to choose from.

    Returns:
        The series with the sets of the support, each once, and the constant.

    Raises:
        ValueError: If the shapes do not fit together, a value is not finite or an alpha not
            positive.

    Example:
        >>> coalitions = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        >>> series = ridge_refit(np.array([[True, False]]), coalitions, np.array([1, 3, 1, 3]))
        >>> {players: round(value, 3) for players, value in series.terms().items()}
        {(): 2.0, (0,): -1.0}
    """
    sets = FourierSeries(support, np.zeros(len(support))).support
    sets = sets[sets.any(axis=1)]
    coalitions = checked_coalitions(coalitions, sets.shape[1])
    values, alphas = _checked(values, alphas, len(coalitions))
    mean = values.mean()
    matrix = characters(coalitions, sets)
    centre = matrix.mean(axis=0)
    weights = _ridge(matrix - centre, values - mean, alphas)
    constant = np.zeros((1, sets.shape[1]), dtype=bool)
    return FourierSeries(
        np.concatenate([constant, sets]), np.concatenate([[mean - centre @ weights], weights])
    )


def _checked(values: np.ndarray, alphas: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    values, alphas = np.asarray(values, dtype=np.float64), np.asarray(alphas, dtype=np.float64)
    if m < 1 or values.shape != (m,) or not np.isfinite(values).all():
        msg = (
            "ridge_refit needs at least one coalition and one finite value for each, "
            f"got {m} coalitions and values of shape {values.shape}."
        )
        raise ValueError(msg)
    if alphas.ndim != 1 or alphas.size == 0 or not (alphas > 0).all():
        msg = f"ridge_refit needs a list of positive alphas, got {alphas}."
        raise ValueError(msg)
    return values, np.sort(alphas)[::-1]


def _ridge(matrix: np.ndarray, values: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """The weights (s,) of the best alpha, for centred columns and values."""
    m, s = matrix.shape
    if s == 0 or m < 2:
        return np.zeros(s)
    left, squares = _left_vectors(matrix)
    seen = left.T @ values
    shrink = squares / (squares + alphas[:, None])
    residuals = values - (shrink * seen) @ left.T
    leverage = 1 / m + shrink @ (left**2).T  # the intercept takes 1/m of every row
    # Rounding may take a row that decides its own fit past 1.
    errors = ((residuals / np.maximum(1 - leverage, np.finfo(float).eps)) ** 2).sum(axis=1)
    alpha = alphas[np.argmin(errors)]
    return matrix.T @ (left @ (seen / (squares + alpha)))


def _left_vectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (m, r) and squared singular values (r,), from the smaller Gram."""
    m, s = matrix.shape
    squares, vectors = eigh(matrix @ matrix.T if m <= s else matrix.T @ matrix)
    kept = squares > squares[-1] * max(m, s) * np.finfo(float).eps
    squares, vectors = squares[kept], vectors[:, kept]
    return (vectors, squares) if m <= s else (matrix @ vectors / np.sqrt(squares), squares)


def posterior_means(
    gram: np.ndarray, moment: np.ndarray, variances: np.ndarray, noise: float
) -> np.ndarray:
    """Coefficients of largest posterior probability given their prior variances.

    Minimises |y - Phi F|^2 / noise + sum_S F(S)^2 / variance(S), with gram = Phi^T Phi and
    moment = Phi^T y, by one Cholesky factorisation of an s x s matrix.

    Args:
        gram: Float64 (s, s).
        moment: Float64 (s,).
        variances: Positive (s,).
        noise: Positive variance of a value around the series.

    Example:
        >>> posterior_means(np.eye(1) * 4, np.array([4.0]), np.array([1.0]), 4.0)
        array([0.5])
    """
    # Scaled by the prior deviations, the matrix has eigenvalues of at least the noise.
    deviation = np.sqrt(variances)
    matrix = deviation[:, None] * gram * deviation
    matrix[np.diag_indices(len(moment))] += noise
    return deviation * cho_solve(cho_factor(matrix, lower=True), deviation * moment)
