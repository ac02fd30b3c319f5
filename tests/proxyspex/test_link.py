"""Links between values and normal scores, and the blend of two predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from shapiq_spex.proxyspex.link import Squash, blend, normal_scores


def test_normal_scores_are_quantiles_of_the_ranks():
    scores = normal_scores(np.array([5.0, -1.0, 100.0, 7.0]))
    np.testing.assert_allclose(scores, norm.ppf([0.375, 0.125, 0.875, 0.625]))


def test_equal_values_have_equal_scores():
    scores = normal_scores(np.array([1.0, 0.0, 1.0, 0.0, 2.0]))
    assert scores[0] == scores[2]
    assert scores[1] == scores[3]


def test_without_errors_the_link_brings_scores_back_to_their_values():
    values = np.linspace(-3.0, 4.0, 50)
    squash = Squash.of(values, np.zeros(50))
    # Between the points of the grid, 0.01 apart, the link is a line; here it rises by 10 a score.
    np.testing.assert_allclose(squash(normal_scores(values)), values, atol=0.1)


@pytest.mark.parametrize("error", [0.1, 0.5, 1.0])
def test_the_link_is_the_expectation_over_the_errors(error):
    """Values of two sizes are a step at the score 0: E[step(h + e)] = Phi(h / error)."""
    values = np.repeat([0.0, 1.0], 20_000)
    squash = Squash.of(values, np.array([-error, error]))
    h = np.linspace(-2, 2, 9)
    # 201 errors stand for all, and the step is 1 / 20,000 of a score wide.
    np.testing.assert_allclose(squash(h), norm.cdf(h / error), atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_the_link_never_falls_and_stays_within_the_values(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, size=80) ** 2.0
    table = Squash.of(values, rng.normal(size=80)).table
    assert (np.diff(table) >= -1e-12).all()
    assert values.min() <= table[0] + 1e-12
    assert table[-1] <= values.max() + 1e-12


def test_normal_values_have_the_link_of_a_line():
    scores = norm.ppf((np.arange(5000) + 0.5) / 5000)
    squash = Squash.of(3.0 * scores + 1.0, np.array([-0.3, 0.3]))
    h = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(squash(h), 3.0 * h + 1.0, atol=0.02)


# ---------------------------------------------------------------------- blend
def naive_blend(values, both):
    """The best weights of a fine grid."""
    steps = np.arange(0, 1.0001, 0.01)
    caution = 30 * values.var()
    weights = np.array([(a, b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    cost = ((values[:, None] - both @ weights.T) ** 2).sum(axis=0)
    return weights[np.argmin(cost + caution * ((weights - 0.5) ** 2).sum(axis=1))]


@pytest.mark.parametrize("m", [20, 400])
@pytest.mark.parametrize("seed", range(4))
def test_the_weights_are_the_best_that_are_allowed(seed, m):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=m)
    both = values[:, None] * rng.uniform(0, 1.5, size=2) + rng.normal(size=(m, 2)) * [0.3, 0.9]
    weights = blend(values, both)
    assert (weights >= 0).all()
    assert weights.sum() <= 1 + 1e-6
    np.testing.assert_allclose(weights, naive_blend(values, both), atol=0.011)


def test_many_rows_find_the_one_that_is_right_and_few_rows_hedge():
    values = np.random.default_rng(0).normal(size=3000)
    both = np.stack([np.zeros(3000), values], axis=1)
    assert blend(values, both)[1] > 0.98
    assert 0.5 < blend(values[:10], both[:10])[1] < 0.8


def test_equally_good_predictions_share():
    values = np.random.default_rng(1).normal(size=100)
    np.testing.assert_allclose(blend(values, np.stack([values, values], axis=1)), 0.5, atol=1e-3)
