"""The process against its definitions, one pair of coalitions at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import naive
from shapiq_spex.proxyspex.growth import grow
from shapiq_spex.proxyspex.process import Data, Dense, Model, Sparse
from shapiq_spex.proxyspex.product_kernel import (
    CONSTANT,
    JITTER,
    neighbours,
    objective,
    terms_gram,
    tune,
    unpack,
)
from shapiq_spex.spectral.series import FourierSeries


def random_theta(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(-1, 0.7, size=n), [0.3, -0.5, -0.8, -2.0]])


def sample(n, m, seed=0):
    """Signs (m, n) of distinct coalitions and values of mean 0."""
    rng = np.random.default_rng(seed)
    rows = naive.rows(n)[rng.choice(2**n, size=m, replace=False)]
    return 1.0 - 2.0 * rows, rng.normal(size=m)


def near_shares(n):
    """The shares of sets of neighbours, from their definition."""
    shares = {(i, j): 1 / (j - i) for i, j in combinations(range(n), 2) if j - i <= 4}
    shares |= {(i, i + 1, i + 2): 0.5 for i in range(n - 2)}
    return {players: share / sum(shares.values()) for players, share in shares.items()}


def covariance(kernel, one, other):
    """The kernel of the module's first lines, factor by factor."""
    product, linear = kernel.scale, 0.0
    for b, z, w in zip(kernel.b, one, other, strict=True):
        product *= (1 + np.tanh(b) * z * w) / (1 + np.tanh(b))
        linear += kernel.linear * b / kernel.b.sum() * z * w
    near = sum(
        share * np.prod([one[i] * other[i] for i in players])
        for players, share in near_shares(len(one)).items()
    )
    return CONSTANT + linear + product + kernel.near * near


def naive_gram(kernel, z):
    gram = np.array([[covariance(kernel, one, other) for other in z] for one in z])
    return gram + (kernel.noise + JITTER) * np.eye(len(z))


def model_of(kernel, n):
    return Model(kernel, neighbours(n) * kernel.near)


def beside(z):
    """What the objective needs beside the kernel's hyper-parameters."""
    return terms_gram(neighbours(z.shape[1]), z), np.zeros((len(z), len(z)))


def posterior_table(kernel, z, alpha):
    """The posterior mean at all coalitions."""
    everywhere = 1.0 - 2.0 * naive.rows(z.shape[1])
    values = [
        sum(a * covariance(kernel, x, one) for a, one in zip(alpha, z, strict=True))
        for x in everywhere
    ]
    return np.array(values)


# ---------------------------------------------------------------------- kernel and likelihood
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_shares_of_neighbours_are_those_of_their_definition(n):
    assert neighbours(n).terms() == pytest.approx(near_shares(n) if n > 1 else {})


def test_the_covariance_is_the_sum_of_its_parts():
    kernel, (z, _) = unpack(random_theta(5)), sample(5, 9)
    gram = model_of(kernel, 5).covariance(z, z) + (kernel.noise + JITTER) * np.eye(9)
    np.testing.assert_allclose(gram, naive_gram(kernel, z), rtol=1e-12)


def test_the_prior_variances_are_the_fourier_transform_of_the_covariance():
    kernel = unpack(random_theta(4))
    z = 1.0 - 2.0 * naive.rows(4)
    variances = naive.fourier(np.array([covariance(kernel, z[0], other) for other in z]))
    support = FourierSeries.from_terms(4, variances).support
    prior = FourierSeries(support, model_of(kernel, 4).prior(support))
    assert prior.terms() == pytest.approx(variances, rel=1e-10)
    assert kernel.total + kernel.near == pytest.approx(sum(variances.values()), rel=1e-10)


def test_the_objective_is_minus_the_log_marginal_likelihood_and_the_penalty():
    theta, (z, y) = random_theta(4), sample(4, 11)
    gram = naive_gram(unpack(theta), z)
    penalty = 4.0 * ((theta[:4] - theta[:4].mean()) ** 2).sum()
    penalty += (theta[:4].mean() - np.log(2.0 / 4)) ** 2
    penalty += 0.25 * ((theta[4:] - np.log([0.3, 0.1, 0.03, 0.5])) ** 2).sum()
    expected = 0.5 * (y @ np.linalg.solve(gram, y) + np.linalg.slogdet(gram)[1] + penalty)
    assert objective(theta, z, y, 4.0, beside(z))[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_gradient_is_that_of_finite_differences(seed, shrinkage):
    theta, (z, y) = random_theta(6, seed), sample(6, 30, seed)
    step, settings = 1e-5, (z, y, shrinkage, beside(z))
    expected = [
        (
            objective(theta + step * unit, *settings)[0]
            - objective(theta - step * unit, *settings)[0]
        )
        / (2 * step)
        for unit in np.eye(len(theta))
    ]
    gradient = objective(theta, *settings)[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_a_gram_matrix_that_rounding_makes_indefinite_still_has_a_value():
    z, y = sample(6, 64)
    theta = np.concatenate([np.full(6, np.log(1e-6)), [20.0, 4.0, -40.0, -40.0]])  # nearly rank 7
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(naive_gram(unpack(theta), z))
    value, gradient = objective(theta, z, y, 4.0, beside(z))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_data_say_whether_neighbours_are_special(seed):
    """Pairs side by side in the order of the players, and the same game with players shuffled."""
    rng = np.random.default_rng(seed)
    z = 1.0 - 2.0 * (rng.random((200, 30)) < 0.5)
    y = z[:, :-1] * z[:, 1:] @ rng.normal(size=29)
    shuffled = z[:, rng.permutation(30)]
    ordered, other = (tune(signs, y / y.std(), 4.0)[0] for signs in (z, shuffled))
    assert ordered.near > 0.3 * (ordered.scale + ordered.linear + ordered.noise)
    assert ordered.near > 3 * other.near


# ---------------------------------------------------------------------- read-out
@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 3), (4, 9), (6, 20), (6, 64)])
def test_all_coefficients_grown_are_the_posterior_mean(n, m):
    kernel, (z, y) = unpack(random_theta(n))._replace(near=0.0), sample(n, m)
    alpha = np.linalg.solve(naive_gram(kernel, z), y)
    series = FourierSeries.from_rows(n, grow(kernel, z, alpha, 2**n))
    table = posterior_table(kernel, z, alpha)
    assert len(series) == 2**n
    np.testing.assert_allclose(series.to_table(), table, atol=1e-12)
    assert series.terms() == pytest.approx(naive.fourier(table), abs=1e-12)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_fewer_terms_are_the_strongest_of_the_hierarchy(count):
    kernel, (z, y) = unpack(random_theta(6))._replace(near=0.0), sample(6, 25)
    alpha = np.linalg.solve(naive_gram(kernel, z), y)
    everything = naive.fourier(posterior_table(kernel, z, alpha))
    found = FourierSeries.from_rows(6, grow(kernel, z, alpha, count)).terms()
    assert found == pytest.approx({t: everything[t] for t in found}, abs=1e-12)
    assert set(naive.subsets(range(6), largest=1)) <= set(found)
    larger = [t for t in found if len(t) > 1]
    assert len(larger) == count
    weakest = min(abs(found[t]) for t in larger)
    assert all(t in found for t in everything if len(t) == 2 and abs(everything[t]) > weakest)


# ---------------------------------------------------------------------- conditioned on values
@pytest.mark.parametrize("out", [[], [0], [3, 7, 8], list(range(10))])
def test_leaving_rows_out_is_fitting_without_them(out):
    kernel, (z, y) = unpack(random_theta(5)), sample(5, 20)
    process = Dense(model_of(kernel, 5), Data(z, y), 2**5)
    rest = [row for row in range(20) if row not in out]
    alpha = np.linalg.solve(naive_gram(kernel, z[rest]), y[rest])
    solution = process.solution(np.array(out, dtype=np.int64))
    np.testing.assert_allclose(solution[rest], alpha, atol=1e-10)
    assert (solution[out] == 0).all()
    expected = posterior_table(kernel, z[rest], alpha)
    everywhere = 1.0 - 2.0 * naive.rows(5)
    np.testing.assert_allclose(process.values(everywhere, solution[:, None])[:, 0], expected)
    np.testing.assert_allclose(process.series(solution).to_table(), expected, atol=1e-12)


@pytest.mark.parametrize("out", [[], [0], list(range(5, 25))])
def test_all_terms_given_all_values_are_the_whole_process(out):
    kernel, (z, y) = unpack(random_theta(5)), sample(5, 30)
    rest = [row for row in range(30) if row not in out]
    process = Sparse(model_of(kernel, 5), Data(z, y), 2**5, rows=20)
    solution = process.solution(np.array(out, dtype=np.int64))
    alpha = np.linalg.solve(naive_gram(kernel, z[rest]), y[rest])
    expected = posterior_table(kernel, z[rest], alpha)
    np.testing.assert_allclose(process.series(solution).to_table(), expected, atol=1e-6)
    everywhere = 1.0 - 2.0 * naive.rows(5)
    values = process.values(everywhere, np.stack([solution, 0 * solution], axis=1))
    np.testing.assert_allclose(values.T, [expected, 0 * expected], atol=1e-6)


def test_predictions_everywhere_are_those_of_each_place():
    """Few players are predicted by transforms, a few places by covariances."""
    kernel, (z, y) = unpack(random_theta(6)), sample(6, 50)
    process = Dense(model_of(kernel, 6), Data(z, y), 2**6)
    solutions = np.stack([process.alpha, process.solution(np.arange(9))], axis=1)
    everywhere = 1.0 - 2.0 * naive.rows(6)
    assert len(everywhere) > len(z)
    expected = [process.values(place[None], solutions)[0] for place in everywhere]
    np.testing.assert_allclose(process.values(everywhere, solutions), expected, atol=1e-12)


def test_what_is_left_is_the_value_minus_the_prediction_of_the_others():
    kernel, (z, y) = unpack(random_theta(5)), sample(5, 30)
    out = np.array([3, 9, 11])
    processes = [
        Dense(model_of(kernel, 5), Data(z, y), 2**5),
        Sparse(model_of(kernel, 5), Data(z, y), 2**5, rows=20),
    ]
    for process in processes:
        solution = process.solution(out)
        expected = y[out] - process.values(z[out], solution[:, None])[:, 0]
        np.testing.assert_allclose(process.left(out, solution), expected, atol=1e-10)


@pytest.mark.parametrize("known", [None, {(0, 2, 3): 0.4, (1, 5): 0.3, (4,): 0.2}])
def test_errors_over_all_coalitions_in_units_of_those_at_the_rows_left_out(known):
    """From the definition: the posterior variance without a fold, coalition by coalition."""
    n, m = 6, 20
    z, y = sample(n, m)
    kernel = unpack(random_theta(n))
    terms = FourierSeries.from_terms(n, known or {}) + neighbours(n) * kernel.near
    model, folds = Model(kernel, terms), np.array_split(np.random.default_rng(0).permutation(m), 3)
    every = 1.0 - 2.0 * naive.rows(n)
    there = everywhere = 0.0
    for fold in folds:
        seen = np.delete(z, fold, axis=0)
        inverse = np.linalg.inv(
            model.covariance(seen, seen) + (kernel.noise + JITTER) * np.eye(len(seen))
        )

        def variances(rows, seen=seen, inverse=inverse):
            cross = model.covariance(rows, seen)
            own = np.diag(model.covariance(rows, rows))
            return own - np.einsum("ij,jk,ik->i", cross, inverse, cross) + kernel.noise + JITTER

        there += variances(z[fold]).sum()
        everywhere += len(fold) * variances(every).mean()
    found = Dense(model, Data(z, y), 10).easier(folds)
    assert found == pytest.approx(everywhere / there, rel=1e-6)
