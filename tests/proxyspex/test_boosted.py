from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex.proxyspex import boosted, ensembles
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.proxyspex.ensembles import fit_ensemble
from shapiq_spex.proxyspex.tree_fourier import trees_to_series
from shapiq_spex.spectral import FourierSeries, all_coalitions
from shapiq_spex.spectral.refit import ridge_refit

QUICK = BoostedTrees(depths=(3, None), trees=(20, 60), rates=(0.1,))
GAME = {(): 1.0, (0,): 2.0, (1,): -1.0, (0, 1): 1.5, (2, 3, 4): -1.0}


def game(m, n=8, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    coalitions = rng.random((m, n)) < 0.5
    values = FourierSeries.from_terms(n, GAME)(coalitions)
    return coalitions, values + noise * rng.normal(size=m)


def fit(proxy, coalitions, values, seed=0):
    return proxy.fit(coalitions, values, np.random.default_rng(seed), lambda series: series)


def true_r2(series):
    truth, grid = FourierSeries.from_terms(8, GAME), all_coalitions(8)
    return 1 - np.mean((series(grid) - truth(grid)) ** 2) / truth(grid).var()


def naive_fit(proxy, coalitions, values, seed):
    """Every setting and finish by itself, from the definitions, without prefixes or scaling."""
    rng = np.random.default_rng(seed)
    m, n = coalitions.shape
    parts = np.array_split(rng.permutation(m), proxy.folds)
    tree_seed = int(rng.integers(2**31))
    mean, scale = values.mean(), values.std()
    scaled = (values - mean) / scale

    def rows_of(part):
        return np.array([row for row in range(m) if row not in set(part.tolist())])

    def ensemble(rows, depth, rate, count):
        return fit_ensemble(
            coalitions[rows], scaled[rows], depth=depth, trees=count, rate=rate, seed=tree_seed
        )

    def finish(rows, setting, energy, refit):
        series = trees_to_series(ensemble(rows, *setting).trees(setting[2]), n)
        series = series.truncate(energy=energy)
        return ridge_refit(series.support, coalitions[rows], scaled[rows]) if refit else series

    def error(predict):
        return sum(
            ((predict(rows_of(part), coalitions[part]) - scaled[part]) ** 2).sum() for part in parts
        )

    settings = [(d, r, c) for d in proxy.depths for r in proxy.rates for c in proxy.trees]
    best = min(settings, key=lambda s: error(lambda rows, x: ensemble(rows, *s).predict(x, s[2])))
    ends = [(e, refit) for e in proxy.energies for refit in (False, True)]
    errors = [error(lambda rows, x, end=end: finish(rows, best, *end)(x)) for end in ends]
    final = finish(np.arange(m), best, *ends[int(np.argmin(errors))])
    series = final * scale + FourierSeries.from_terms(n, {(): mean})
    return series, 1 - min(errors) / (scaled**2).sum(), ends[int(np.argmin(errors))]


@pytest.mark.parametrize("noise", [0.1, 3.0])
def test_the_search_does_what_a_naive_one_does(noise):
    coalitions, values = game(60, noise=noise)
    series, r2, _ = naive_fit(QUICK, coalitions, values, seed=4)
    surrogate = fit(QUICK, coalitions, values, seed=4)
    assert surrogate.series == series
    assert surrogate.r2 == pytest.approx(r2, abs=1e-12)
    told = 1 - (surrogate.residuals**2).sum() / ((values - values.mean()) ** 2).sum()
    assert told == pytest.approx(r2, abs=1e-12)
    # Each row's prediction is its own: shuffled, they are worth nothing.
    predicted = values - surrogate.residuals
    if noise < 1:
        assert np.corrcoef(predicted, values)[0, 1] > 0.9


def test_both_ways_to_finish_occur():
    ends = {naive_fit(QUICK, *game(60, noise=noise), seed=4)[2] for noise in (0.1, 3.0)}
    assert {refit for _, refit in ends} == {False, True}


def test_a_sparse_game_is_recovered():
    surrogate = fit(BoostedTrees(trees=(300,), rates=(0.1,)), *game(400))
    assert true_r2(surrogate.series) > 0.99
    assert set(GAME) <= set(surrogate.series.terms())


def test_r2_tells_the_truth_on_average():
    fits = [fit(QUICK, *game(200, seed=seed)) for seed in range(4)]
    told = np.mean([each.r2 for each in fits])
    assert told == pytest.approx(np.mean([true_r2(each.series) for each in fits]), abs=0.08)


def test_r2_of_noise_is_not_good():
    coalitions, values = game(100)
    shuffled = np.random.default_rng(1).permutation(values)
    assert fit(QUICK, coalitions, shuffled).r2 < 0.15


def test_equal_generators_give_equal_answers():
    coalitions, values = game(60, noise=0.5)
    assert fit(QUICK, coalitions, values, 7) == fit(QUICK, coalitions, values, 7)
    assert fit(QUICK, coalitions, values, 7).r2 != fit(QUICK, coalitions, values, 8).r2


def test_the_scale_of_the_values_does_not_matter():
    coalitions, values = game(100)
    plain = fit(QUICK, coalitions, values)
    small = fit(QUICK, coalitions, 1e-9 * values + 1e-3)
    assert small.r2 == pytest.approx(plain.r2, abs=1e-6)
    expected = 1e-9 * plain.series + FourierSeries.from_terms(8, {(): 1e-3})
    np.testing.assert_allclose(small.series(coalitions), expected(coalitions), atol=1e-13, rtol=0)


def test_less_energy_keeps_fewer_terms():
    sizes = [
        len(fit(BoostedTrees((5,), (60,), (0.1,), energies=(e,)), *game(200, noise=0.5)).series)
        for e in (0.5, 0.95, 1.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("m", [2, 3, 4, 5, 9, 12])
def test_few_rows_are_enough(m):
    coalitions, values = game(m)
    surrogate = fit(QUICK, coalitions, values)
    assert surrogate.series.n == 8
    assert surrogate.r2 is not None
    assert surrogate.r2 <= 1


def test_below_five_rows_each_is_left_out_once():
    coalitions, values = game(4)
    sizes = [len(held.values) for _, held in boosted._Data(coalitions, values).folds(
        5, np.random.default_rng(0))]  # fmt: skip
    assert sizes == [1, 1, 1, 1]


def test_two_rows_left_out_in_turn_give_minus_three():
    # Each is predicted by the other: the error is twice the gap, the spread half of it.
    surrogate = fit(QUICK, np.array([[0, 1], [1, 1]]), np.array([0.0, 4.0]))
    assert surrogate.r2 == pytest.approx(-3)


@pytest.mark.parametrize("m", [1, 2, 50])
def test_constant_values_give_the_constant(m):
    surrogate = fit(QUICK, game(m)[0], np.full(m, 0.1))
    assert surrogate.series.terms() == {(): 0.1}
    assert surrogate.r2 is None


def test_one_player():
    coalitions = np.array([[0], [1]] * 30)
    surrogate = fit(QUICK, coalitions, 3.0 * coalitions[:, 0])
    assert surrogate.series.terms() == pytest.approx({(): 1.5, (0,): -1.5}, abs=0.01)


def test_more_players_than_binomials_fit_into_floats():
    rng = np.random.default_rng(0)
    coalitions = rng.random((150, 1100)) < 0.5
    values = 4.0 * coalitions[:, 1099] + 0.1 * rng.normal(size=150)
    proxy = BoostedTrees(depths=(3,), trees=(60,), rates=(0.1,))
    surrogate = fit(proxy, coalitions, values)
    assert surrogate.series.terms()[1099,] == pytest.approx(-2, abs=0.1)
    assert surrogate.r2 > 0.9


def test_scikit_learn_does_as_well(monkeypatch):
    proxy = BoostedTrees(trees=(200,), rates=(0.1,))
    with_default = true_r2(fit(proxy, *game(300)).series)
    monkeypatch.setattr(ensembles, "library", lambda: "sklearn")
    assert true_r2(fit(proxy, *game(300)).series) > with_default - 0.02


def test_bad_input_is_refused():
    coalitions, values = game(10)
    with pytest.raises(ValueError, match="one finite value for each"):
        fit(QUICK, coalitions, values[:9])
    with pytest.raises(ValueError, match="one finite value for each"):
        fit(QUICK, coalitions, np.full(10, np.nan))
    with pytest.raises(ValueError, match="one finite value for each"):
        fit(QUICK, coalitions[:0], values[:0])
    with pytest.raises(ValueError, match="entries 0 or 1"):
        fit(QUICK, coalitions * 2, values)
    with pytest.raises(ValueError, match="at least one depth"):
        BoostedTrees(depths=())
    with pytest.raises(ValueError, match="at least 2 folds"):
        BoostedTrees(folds=1)
    with pytest.raises(ValueError, match=r"energies in \(0, 1\]"):
        BoostedTrees(energies=(0.95, 1.5))
