from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex.spectral.characters import characters
from shapiq_spex.spectral.refit import ALPHAS, ridge_refit
from shapiq_spex.spectral.series import FourierSeries


def solve(design, values, alpha):
    """Normal equations with a free intercept in column 0."""
    penalty = alpha * np.eye(design.shape[1])
    penalty[0, 0] = 0
    return np.linalg.solve(design.T @ design + penalty, design.T @ values)


def naive_refit(support, coalitions, values, alphas):
    """One refit per row left out and per alpha."""
    sets = support[support.any(axis=1)]
    columns = [(-1.0) ** (coalitions & s).sum(axis=1) for s in sets]
    design = np.stack([np.ones(len(values)), *columns], axis=1)
    errors = np.zeros(len(alphas))
    for a, alpha in enumerate(alphas):
        for row in range(len(values)):
            rest = np.arange(len(values)) != row
            errors[a] += (values[row] - design[row] @ solve(design[rest], values[rest], alpha)) ** 2
    best = alphas[np.argmin(errors)]
    weights = solve(design, values, best)
    return best, FourierSeries(np.concatenate([np.zeros_like(sets[:1]), sets]), weights)


def problem(m, s, n=6, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.choice(2**n - 1, size=s, replace=False) + 1
    support = (codes[:, None] >> np.arange(n) & 1).astype(bool)
    coalitions = rng.random((m, n)) < 0.5
    truth = FourierSeries(support, rng.normal(size=s))
    return support, coalitions, truth(coalitions) + 0.5 + rng.normal(size=m)


@pytest.mark.parametrize(("m", "s"), [(2, 3), (5, 1), (9, 8), (12, 5), (10, 30), (30, 10)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_refit_of_a_naive_loop_is_met(m, s, seed):
    support, coalitions, values = problem(m, s, seed=seed)
    alphas = np.logspace(-2, 3, 6)
    _, expected = naive_refit(support, coalitions, values, alphas)
    series = ridge_refit(support, coalitions, values, alphas=alphas)
    assert np.array_equal(series.support, expected.support)
    np.testing.assert_allclose(series.coefficients, expected.coefficients, atol=1e-9)


def test_the_naive_loop_chooses_different_alphas():
    chosen = {naive_refit(*problem(12, 5, seed=seed), np.logspace(-2, 3, 6))[0] for seed in (0, 5)}
    chosen |= {
        naive_refit(*problem(10, 30, seed=seed), np.logspace(-2, 3, 6))[0] for seed in (0, 5)
    }
    assert len(chosen) > 1


def test_an_exact_sparse_game_is_met():
    support, coalitions, _ = problem(60, 8)
    truth = FourierSeries(support, np.arange(1.0, 9.0)) + FourierSeries.from_terms(6, {(): -3.0})
    series = ridge_refit(truth.support, coalitions, truth(coalitions))
    np.testing.assert_allclose(series.coefficients, truth.coefficients, atol=1e-5)


def test_pure_noise_is_shrunk_away():
    rng = np.random.default_rng(3)
    support, coalitions, _ = problem(40, 30)
    values = rng.normal(size=40)
    series = ridge_refit(support, coalitions, values)
    plain = ridge_refit(support, coalitions, values, alphas=ALPHAS[:1])
    assert series.energy_by_order()[1:].sum() < 0.15 * plain.energy_by_order()[1:].sum()


def test_an_empty_support_gives_the_mean():
    _, coalitions, values = problem(7, 1)
    series = ridge_refit(np.zeros((0, 6), dtype=bool), coalitions, values)
    assert series.terms() == {(): pytest.approx(values.mean(), abs=1e-15)}


def test_constant_values_give_the_constant():
    support, coalitions, _ = problem(7, 20)
    series = ridge_refit(support, coalitions, np.full(7, 0.1))
    np.testing.assert_allclose(series(coalitions), 0.1, atol=1e-15)
    np.testing.assert_allclose(series.coefficients[1:], 0, atol=1e-15)


def test_characters_that_never_vary_bear_nothing():
    coalitions = np.array([[1, 0], [1, 1], [1, 0], [1, 1]], dtype=bool)
    series = ridge_refit(np.array([[True, False]]), coalitions, np.array([1.0, 2.0, 1.0, 2.0]))
    assert series.terms() == {(): 1.5, (0,): 0.0}


def test_one_row_is_its_value():
    series = ridge_refit(np.eye(3, dtype=bool), np.ones((1, 3), dtype=bool), np.array([4.0]))
    assert series.terms() == {(): 4.0, (0,): 0.0, (1,): 0.0, (2,): 0.0}


def test_the_constant_and_repeated_sets_in_the_support_change_nothing():
    support, coalitions, values = problem(20, 6)
    again = np.concatenate([np.zeros((1, 6), dtype=bool), support, support[:3]])
    assert ridge_refit(again, coalitions, values) == ridge_refit(support, coalitions, values)


def test_characters_flip_with_each_present_player():
    matrix = characters(np.array([[1, 1, 0]], dtype=bool), np.array([[1, 0, 1], [1, 1, 1]], bool))
    assert matrix.tolist() == [[-1.0, 1.0]]


def test_bad_input_is_refused():
    support, coalitions, values = problem(5, 3)
    with pytest.raises(ValueError, match="one finite value for each"):
        ridge_refit(support, coalitions, values[:4])
    with pytest.raises(ValueError, match="one finite value for each"):
        ridge_refit(support, coalitions, np.where(np.arange(5) == 2, np.nan, values))
    with pytest.raises(ValueError, match="positive alphas"):
        ridge_refit(support, coalitions, values, alphas=np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"shape \(m, 6\)"):
        ridge_refit(support, coalitions[:, :5], values)
