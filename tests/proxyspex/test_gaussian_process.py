"""The Gaussian process against its definitions, one pair of coalitions at a time."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import naive
from shapiq_spex.proxyspex import product_kernel as module
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess, leave_out
from shapiq_spex.proxyspex.growth import grow
from shapiq_spex.proxyspex.product_kernel import CONSTANT, JITTER, objective, unpack
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import table_index


def unchanged(series):
    return series


def random_theta(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(-1, 0.7, size=n), [0.3, -0.5, -2.0]])


def sample(n, m, seed=0):
    """Signs (m, n) of distinct coalitions and values of mean 0."""
    rng = np.random.default_rng(seed)
    rows = naive.rows(n)[rng.choice(2**n, size=m, replace=False)]
    return 1.0 - 2.0 * rows, rng.normal(size=m)


def covariance(kernel, one, other):
    """The kernel of the module's first lines, factor by factor."""
    product = kernel.scale
    for b, z, w in zip(kernel.b, one, other, strict=True):
        product *= (1 + np.tanh(b) * z * w) / (1 + np.tanh(b))
    return CONSTANT + kernel.linear / len(one) * float(one @ other) + product


def naive_gram(kernel, z):
    gram = np.array([[covariance(kernel, one, other) for other in z] for one in z])
    return gram + (kernel.noise + JITTER) * np.eye(len(z))


def posterior_table(kernel, z, alpha):
    """The posterior mean at all coalitions."""
    everywhere = 1.0 - 2.0 * naive.rows(z.shape[1])
    values = [
        sum(a * covariance(kernel, x, one) for a, one in zip(alpha, z, strict=True))
        for x in everywhere
    ]
    return np.array(values)


# ---------------------------------------------------------------------- kernel and likelihood
def test_the_gram_matrix_is_the_product_over_players():
    kernel, (z, _) = unpack(random_theta(5)), sample(5, 9)
    np.testing.assert_allclose(kernel.gram(z), naive_gram(kernel, z), rtol=1e-12)


def test_the_objective_is_minus_the_log_marginal_likelihood_and_the_penalty():
    theta, (z, y) = random_theta(4), sample(4, 11)
    gram = naive_gram(unpack(theta), z)
    penalty = 4.0 * ((theta[:4] - theta[:4].mean()) ** 2).sum()
    expected = 0.5 * (y @ np.linalg.solve(gram, y) + np.linalg.slogdet(gram)[1] + penalty)
    assert objective(theta, z, y, 4.0)[0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_gradient_is_that_of_finite_differences(seed, shrinkage):
    theta, (z, y) = random_theta(6, seed), sample(6, 30, seed)
    step = 1e-5
    expected = [
        (
            objective(theta + step * unit, z, y, shrinkage)[0]
            - objective(theta - step * unit, z, y, shrinkage)[0]
        )
        / (2 * step)
        for unit in np.eye(len(theta))
    ]
    gradient = objective(theta, z, y, shrinkage)[1]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_a_gram_matrix_that_rounding_makes_indefinite_still_has_a_value():
    z, y = sample(6, 64)
    theta = np.concatenate([np.full(6, np.log(1e-6)), [20.0, 4.0, -40.0]])  # nearly rank 7
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(unpack(theta).gram(z))
    value, gradient = objective(theta, z, y, 4.0)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


# ---------------------------------------------------------------------- read-out
@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 3), (4, 9), (6, 20), (6, 64)])
def test_all_coefficients_grown_are_the_posterior_mean(n, m):
    kernel, (z, y) = unpack(random_theta(n)), sample(n, m)
    alpha = np.linalg.solve(kernel.gram(z), y)
    series = FourierSeries.from_rows(n, grow(kernel, z, alpha, 2**n))
    table = posterior_table(kernel, z, alpha)
    assert len(series) == 2**n
    np.testing.assert_allclose(series.to_table(), table, atol=1e-12)
    assert series.terms() == pytest.approx(naive.fourier(table), abs=1e-12)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_fewer_terms_are_the_strongest_of_the_hierarchy(count):
    kernel, (z, y) = unpack(random_theta(6)), sample(6, 25)
    alpha = np.linalg.solve(kernel.gram(z), y)
    everything = naive.fourier(posterior_table(kernel, z, alpha))
    found = FourierSeries.from_rows(6, grow(kernel, z, alpha, count)).terms()
    assert found == pytest.approx({t: everything[t] for t in found}, abs=1e-12)
    assert set(naive.subsets(range(6), largest=1)) <= set(found)
    larger = [t for t in found if len(t) > 1]
    assert len(larger) == count
    weakest = min(abs(found[t]) for t in larger)
    assert all(t in found for t in everything if len(t) == 2 and abs(everything[t]) > weakest)


def test_a_strong_set_of_four_is_reached_through_its_parts():
    x = naive.rows(10)[np.random.default_rng(0).choice(1024, size=400, replace=False)]
    values = 1.0 * x[:, :4].all(axis=1)
    fit = GaussianProcess(terms=40).fit(x, values, np.random.default_rng(0), unchanged)
    assert fit.series.terms()[(0, 1, 2, 3)] == pytest.approx(1 / 16, abs=0.005)


# ---------------------------------------------------------------------- cross-validation
@pytest.mark.parametrize("out", [[0], [3, 7, 8], list(range(10))])
def test_leaving_rows_out_is_fitting_without_them(out):
    kernel, (z, y) = unpack(random_theta(5)), sample(5, 20)
    inverse = np.linalg.inv(kernel.gram(z))
    rest, alpha = leave_out(inverse, inverse @ y, np.array(out))
    assert rest.tolist() == [row for row in range(20) if row not in out]
    np.testing.assert_allclose(alpha, np.linalg.solve(kernel.gram(z[rest]), y[rest]), atol=1e-10)


def game_with_rest(n=12, share=0.3, seed=0):
    """Singles and pairs, and a share of the variance in sets nobody can find from few values."""
    rng = np.random.default_rng(seed)
    low = FourierSeries.from_terms(
        n, {(i,): rng.normal() for i in range(n)} | {(i, i + 1): rng.normal() for i in range(n - 1)}
    ).to_table()
    rest = rng.normal(size=2**n)
    return low / low.std() * np.sqrt(1 - share) + rest / rest.std() * np.sqrt(share)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_reported_r2_is_that_of_coalitions_never_seen(seed, share):
    """Squared errors of m = 400 rows have a mean within 3 sqrt(2 / 400) = 0.21 of their own size.

    Folds are fitted to four fifths of the rows, which costs some R² more: 0.03 is allowed.
    """
    table = game_with_rest(share=share, seed=seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(table))
    rows = naive.rows(12)
    seen, unseen = order[:400], order[400:]
    fit = GaussianProcess().fit(rows[seen], table[seen], rng, unchanged)
    error = ((table[unseen] - fit.series(rows[unseen])) ** 2).mean() / table[unseen].var()
    assert 1 - fit.r2 == pytest.approx(error, rel=0.21, abs=0.03)
    assert error == pytest.approx(1.1 * share, abs=0.12)


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_explained(seed):
    table = np.random.default_rng(seed).normal(size=2**12)
    rows = np.random.default_rng(seed).permutation(naive.rows(12))[:300]
    values = table[table_index(rows)]
    fit = GaussianProcess().fit(rows, values, np.random.default_rng(0), unchanged)
    assert fit.r2 < 0.3


def test_too_few_values_have_no_r2():
    z, values = sample(6, 9)
    fit = GaussianProcess().fit(z < 0, values, np.random.default_rng(0), unchanged)
    assert fit.r2 is None
    assert GaussianProcess(folds=3).fit(z < 0, values, np.random.default_rng(0), unchanged).r2 <= 1


# ---------------------------------------------------------------------- the whole fit
@pytest.mark.parametrize("value", [0.0, -2.5, 0.1, 1e-30, 1e30])
def test_a_constant_game_is_its_constant(value):
    z, _ = sample(5, 12)
    fit = GaussianProcess().fit(z < 0, np.full(12, value), np.random.default_rng(0), unchanged)
    assert fit.r2 is None
    assert fit.series.terms() == {(): pytest.approx(value, rel=1e-12)}


def test_one_value_is_a_constant():
    fit = GaussianProcess().fit(
        np.array([[True, False]]), np.array([3.0]), np.random.default_rng(0), unchanged
    )
    assert (fit.series.terms(), fit.r2) == ({(): 3.0}, None)


def test_every_series_is_finished_before_it_is_judged_or_returned():
    z, values = sample(7, 60)
    seen = []

    def finish(series):
        seen.append(meet_ends(series, 5.0, -3.0))
        return seen[-1]

    fit = GaussianProcess(folds=4).fit(z < 0, values, np.random.default_rng(0), finish)
    assert len(seen) == 4 + 1
    assert any(fit.series is series for series in seen)
    ends = fit.series(np.array([[0] * 7, [1] * 7]))
    np.testing.assert_allclose(ends, [5.0, -3.0], atol=1e-9)


def test_the_r2_is_that_of_the_finished_series():
    z, _ = sample(8, 100)
    values = z @ np.arange(8.0)
    nothing = FourierSeries.from_terms(8, {(): values.mean()})
    process = GaussianProcess()
    honest = process.fit(z < 0, values, np.random.default_rng(0), lambda _: nothing)
    assert honest.r2 == pytest.approx(0.0, abs=1e-12)
    assert process.fit(z < 0, values, np.random.default_rng(0), unchanged).r2 > 0.99


def test_ends_far_out_are_met_and_hardly_spoil_the_rest():
    rows = np.random.default_rng(0).permutation(naive.rows(10)[1:-1])[:200]
    values = rows @ np.arange(10.0)
    finish = partial(meet_ends, empty=30.0, full=-30.0)
    fit = GaussianProcess().fit(rows, values, np.random.default_rng(0), finish)
    plain = GaussianProcess().fit(rows, values, np.random.default_rng(0), unchanged)
    np.testing.assert_allclose(fit.series(np.array([[0] * 10, [1] * 10])), [30, -30], atol=1e-9)
    assert plain.r2 > 0.999
    assert fit.r2 > 0.9


def test_equal_generators_give_equal_bits():
    z, values = sample(7, 50)
    fits = [GaussianProcess().fit(z < 0, values, np.random.default_rng(4), unchanged) for _ in "ab"]
    assert fits[0].series == fits[1].series
    assert fits[0].r2 == fits[1].r2


def test_scale_and_offset_of_the_values_do_not_matter():
    z, values = sample(7, 50)
    base, moved = (
        GaussianProcess().fit(z < 0, v, np.random.default_rng(4), unchanged)
        for v in (values, 1e6 * values - 3e6)
    )
    x = naive.rows(7)
    assert moved.r2 == pytest.approx(base.r2, abs=1e-4)
    np.testing.assert_allclose((moved.series(x) + 3e6) / 1e6, base.series(x), atol=1e-3)


def test_hyper_parameters_are_learned_from_a_bounded_number_of_rows(monkeypatch):
    z, values = sample(7, 100)
    sizes = []

    def spy(theta, z, y, *settings):
        sizes.append((len(z), len(y)))
        return objective(theta, z, y, *settings)

    monkeypatch.setattr(module, "objective", spy)
    GaussianProcess(tuning_rows=40).fit(z < 0, values, np.random.default_rng(0), unchanged)
    assert set(sizes) == {(40, 40)}


@pytest.mark.parametrize(
    "game",
    [
        lambda x: (x.sum(axis=1) > 50).astype(float),
        lambda x: 1 / (1 + np.exp(50 - x.sum(axis=1))),
    ],
    ids=["majority", "sigmoid"],
)
def test_ends_far_from_the_rest_do_not_spoil_the_fit(game):
    # Both games are additive for a uniform coalition of 100 players but for a step in the middle,
    # and both are 0 and 1 at the ends, ten standard deviations of the linear part away.
    rng = np.random.default_rng(0)
    coalitions, judged = rng.random((500, 100)) < 0.5, rng.random((2000, 100)) < 0.5
    finish = partial(meet_ends, empty=0.0, full=1.0)
    values, truth = game(coalitions), game(judged)
    fitted = GaussianProcess().fit(coalitions, values, np.random.default_rng(0), finish).series
    free = GaussianProcess().fit(coalitions, values, np.random.default_rng(0), unchanged).series
    lost = np.mean((fitted(judged) - truth) ** 2) - np.mean((free(judged) - truth) ** 2)
    assert lost < 0.01 * truth.var()
