"""What is said of errors, against slow twins, known truths, and rules that must fail."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

import naive
from approximators import APPROXIMATORS, sparse_game
from shapiq_spex import FourierSeries, ProxySPEX
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.result import Recovery
from shapiq_spex.spectral.indices import INDICES, interactions
from shapiq_spex.uncertainty import LEVEL, Evidence, Shares, Uncertainty

RARE = 1e-3  # probability with which a correct program may fail a statistical test, seeds aside


def evidence(coalitions, values, residuals, r2=None):
    return Evidence(coalitions, np.asarray(values), np.asarray(residuals), r2)


def observed(series, m, deviation, seed=0):
    """A series, and its values with noise at m uniform coalitions: the noise is what is left."""
    rng = np.random.default_rng([seed, m])
    x = plan_masks(series.n, m, rng).coalitions
    noise = deviation * rng.standard_normal(m)
    return evidence(x, series(x) + noise, noise)


# ---------------------------------------------------------------------- shares
def random_series(seed, n=8, terms=40):
    rng = np.random.default_rng(seed)
    sets = rng.random((terms, n)) < 0.35
    sets = np.unique(sets, axis=0)
    return FourierSeries(sets, rng.normal(size=len(sets)) * 0.3 ** sets.sum(axis=1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("m", [60, 100, 200])
def test_the_errors_of_all_coefficients_add_up(seed, m):
    """brentq finds log factor within 1e-3, and no error grows faster than the factor."""
    series, variance = random_series(seed), 0.02
    shares = Shares.of(series, variance, variance / m, 2)
    terms = series.terms()
    sums = np.zeros(len(shares.sums))
    for players in naive.subsets(range(8), largest=len(sums) - 1):
        coefficient = np.array([terms.get(players, 0.0)])
        sums[len(players)] += shares.errors(coefficient, len(players))[0]
    np.testing.assert_allclose(shares.sums, sums, rtol=1e-9)
    assert sums[1:].sum() == pytest.approx(variance, rel=2e-3)


@given(st.integers(0, 10**6), st.floats(1e-6, 1e3))
def test_no_coefficient_is_less_certain_than_without_shrinkage(seed, variance):
    series, m = random_series(seed, n=6, terms=10), 30
    shares = Shares.of(series, variance, variance / m, 2)
    for size in range(len(shares.sums)):
        coefficients = np.sort(np.random.default_rng(seed).normal(size=20) ** 2)
        errors = shares.errors(coefficients, size)
        assert (errors <= shares.tau * (1 + 1e-12)).all()
        assert (np.diff(errors) >= -1e-12 * shares.tau).all()  # large ones are shrunk less


# ---------------------------------------------------------------------- standard errors
@pytest.mark.parametrize(("index", "order", "t"), [("SV", 1, 1), ("k-SII", 2, 1), ("STII", 2, 2)])
@pytest.mark.parametrize("slope", [0.0, 0.8])
def test_the_error_of_an_index_is_that_of_all_coefficients(index, order, t, slope):
    """Of r0 = sum_R F(R) chi_R with independent F(R), tilted, the index coalition by coalition."""
    n, top = 5, 3
    series = FourierSeries.from_terms(n, {(0, 1): 0.7, (2, 3, 4): -0.3, (4,): 0.2})
    known = Uncertainty.of(series, observed(series, 12, 0.4))
    errors = replace(known, slope=slope, corrected=series)
    sets = np.array(naive.subsets(range(n), smallest=t, largest=t))
    expected = np.zeros(len(sets))
    away = n - 2 * naive.rows(n).sum(axis=1)
    tilt = np.exp(slope * away / n)
    tilt /= np.sqrt((tilt**2).mean())
    tilt[[0, -1]] = 0.0
    for players in naive.subsets(range(n), largest=top):
        character = (-1.0) ** naive.rows(n)[:, list(players)].sum(axis=1)
        found = naive.index(tilt * character, index, order)
        each = errors.shares.sums[len(players)] / comb(n, len(players))
        for row, one in enumerate(map(tuple, sets.tolist())):
            own = errors.shares.errors(np.array([series.terms().get(one, 0.0)]), t)[0]
            expected[row] += found[one] ** 2 * (own if one == players else each)
    found = errors.standard_errors(sets, index, order)
    np.testing.assert_allclose(found, np.sqrt(expected), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_significant_contains_what_is_called_so(seed):
    series = random_series(seed)
    errors = Uncertainty.of(series, observed(series, 100, 0.02))
    strong = [set(np.flatnonzero(row)) for row in errors.corrections.support]
    assert 0 < len(strong) < len(series)
    sets = naive.subsets(range(8), smallest=1, largest=3)
    expected = [any(set(one) <= other for other in strong) for one in sets]
    assert errors.within_significant(sets).tolist() == expected
    assert len(set(expected)) == 2


@pytest.mark.parametrize("deviation", [1e-25, 1.0, 1e25])
def test_a_strong_term_gets_its_mean_residual_as_a_correction(deviation):
    """The term (0, 1) was recovered with half its coefficient: what is missing is in the rest."""
    truth = FourierSeries.from_terms(6, {(0, 1): 10 * deviation})
    seen = observed(truth, 60, deviation)
    half = truth * 0.5
    left = seen.values - half(seen.coalitions)
    found = Uncertainty.of(half, seen._replace(residuals=left)).corrections
    signs = (-1.0) ** seen.coalitions[:, :2].sum(axis=1)
    # But for the part of the coalitions at which the fit is known, which is the same here.
    assert found.terms() == pytest.approx({(0, 1): (left * signs).mean()}, rel=1e-5)


def test_a_slope_in_the_residuals_is_found():
    rng = np.random.default_rng(0)
    x = plan_masks(20, 2000, rng).coalitions
    zero = FourierSeries.from_terms(20, {(0,): 1.0})
    for slope in (-1.0, 0.0, 1.0):
        noise = rng.standard_normal(2000) * np.exp(slope * (1 - 2 * x.mean(axis=1)))
        found = Uncertainty.of(zero, evidence(x, zero(x) + noise, noise)).slope
        # Information 2 m Var(1 - 2 |x| / n) = 2 m / n = 200, prior 1: an error of 0.07.
        assert found == pytest.approx(slope, abs=4 * 0.07)


# ---------------------------------------------------------------------- laws
def frame_of(series, seen, index="k-SII", order=2):
    plan = type("Rows", (), {"coalitions": seen.coalitions})
    recovery = Recovery(series, plan, seen.values, seen.r2, "held-out", seen.residuals)
    return recovery.to_frame(index, order)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_index_has_errors_and_intervals(index, order):
    series = random_series(1)
    frame = frame_of(series, observed(series, 100, 0.05), index, order)
    assert (frame.standard_error > 0).all()
    assert np.isfinite(frame.upper - frame.lower).all()
    assert ((frame.lower <= frame.value) & (frame.value <= frame.upper)).all()


@pytest.mark.parametrize("name", APPROXIMATORS)
@pytest.mark.parametrize("budget", [12, 40, 200, 1000])
def test_every_approximator_says_how_far_it_may_be_off(name, budget):
    frame = APPROXIMATORS[name](n=10, random_state=3).recover(budget, sparse_game).to_frame()
    known = frame.standard_error.notna()
    assert known.all() or not known.any()
    part = frame[known]
    assert ((part.lower <= part.value) & (part.value <= part.upper)).all()
    assert not frame.significant[~known].any()


@pytest.mark.parametrize("index", ["SV", "k-SII", "FBII"])
def test_errors_have_the_unit_of_the_values(index):
    series = random_series(2)
    seen = observed(series, 80, 0.05)
    first = frame_of(series, seen, index)
    # A power of two, so that no rounding differs.
    scaled = evidence(seen.coalitions, -8 * seen.values, -8 * seen.residuals)
    other = frame_of(series * -8, scaled, index)
    assert (first.interaction == other.interaction).all()
    np.testing.assert_allclose(other.standard_error, 8 * first.standard_error, rtol=1e-9)
    np.testing.assert_allclose(other.lower, -8 * first.upper, rtol=1e-9)
    assert (first.significant == other.significant).all()


def test_the_names_of_the_players_do_not_matter():
    series = random_series(3)
    seen, turn = observed(series, 80, 0.05), np.random.default_rng(0).permutation(8)
    first = frame_of(series, seen).set_index("interaction")
    renamed = FourierSeries(series.support[:, turn], series.coefficients)
    moved = evidence(seen.coalitions[:, turn], seen.values, seen.residuals)
    for row in frame_of(renamed, moved).itertuples():
        old = first.loc[[tuple(sorted(turn[list(row.interaction)].tolist()))]].iloc[0]
        # Single precision in the characters, summed in another order.
        assert row.standard_error == pytest.approx(old.standard_error, rel=1e-5)
        assert row.significant == old.significant


# ---------------------------------------------------------------------- the ends of knowledge
@pytest.mark.parametrize("m", [3, 40, 200])
def test_without_residuals_and_r2_nothing_is_known(m):
    series = random_series(0)
    seen = observed(series, m, 0.1)
    frame = frame_of(series, seen._replace(residuals=np.full(m, np.nan)))
    assert frame[["standard_error", "lower", "upper"]].isna().all(axis=None)
    assert not frame.significant.any()


def test_r2_alone_is_enough():
    series = random_series(0)
    seen = observed(series, 60, 0.1)
    nowhere = seen._replace(residuals=np.full(60, np.nan))
    errors = [frame_of(series, nowhere._replace(r2=r2)).standard_error.mean() for r2 in (0.5, 0.9)]
    assert 0 < errors[1] < errors[0]


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e-30, 1e30])
@pytest.mark.parametrize("budget", [12, 60, 1024])
@pytest.mark.parametrize("name", APPROXIMATORS)
def test_a_constant_game_has_nothing_to_be_wrong_about(name, budget, value):
    recovery = APPROXIMATORS[name](n=10, random_state=0).recover(
        budget, lambda x: np.full(len(x), value)
    )
    frame = recovery.to_frame()
    assert not frame.significant.any()
    assert (frame.standard_error <= 1e-12 * abs(value)).all()


@pytest.mark.parametrize("index", ["SV", "k-SII", "STII", "FSII"])
def test_where_every_coalition_is_known_intervals_are_points(index):
    table = np.random.default_rng(0).normal(size=64)
    frame = ProxySPEX(n=6).recover(64, naive.as_game(table)).to_frame(index)
    assert ((frame.upper - frame.lower) < 1e-12).all()
    assert frame.significant.all()


def test_more_values_make_errors_smaller():
    series = random_series(1, n=12)
    errors = [
        frame_of(series, observed(series, m, 0.1)).standard_error.mean() for m in (100, 400, 1600)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(("n", "terms"), [(1000, 10_000), (3000, 1000)])
def test_thousands_of_terms_of_many_players(n, terms):
    rng = np.random.default_rng(0)
    sets = {tuple(sorted(rng.choice(n, 1 + i % 3, replace=False).tolist())) for i in range(terms)}
    series = FourierSeries.from_terms(n, {players: rng.normal() for players in sets})
    seen = observed(series, 500, 1.0)
    frame = frame_of(series, seen, order=2)
    assert len(frame) >= n
    assert np.isfinite(frame.standard_error).all()
    assert (frame.standard_error > 0).all()


# ---------------------------------------------------------------------- statistical promises
def most(count):
    """More of so many runs go wrong only rarely, if each does with probability LEVEL at most."""
    return int(binom.isf(RARE, count, LEVEL))


NULLS = {
    "noise": lambda x, rng: rng.standard_normal(len(x)),
    "additive with noise": lambda x, rng: x @ np.arange(10) + 4 * rng.standard_normal(len(x)),
}


@pytest.mark.parametrize("name", NULLS)
def test_null_games_have_no_significant_interactions(name):
    runs, wrong, naively = 20, 0, 0
    for seed in range(runs):
        game = partial(NULLS[name], rng=np.random.default_rng([seed, 1]))
        recovery = ProxySPEX(n=10, index="BII", random_state=seed).recover(90, game)
        frame = recovery.to_frame("BII", 2)
        wrong += bool((frame.significant & (frame.order > 1)).any())
        left = recovery.residuals[2:]  # those of the ends are unknown
        pairs = [left @ z for z in products(recovery.plan.coalitions[2:])]
        naively += max(map(abs, pairs)) > 1.645 * np.sqrt(len(left)) * left.std()
    assert wrong <= most(runs)
    assert naively > most(runs)  # the best of 45 pairs looks real to whoever looks at it alone


def products(coalitions):
    """The characters of all pairs."""
    z = 1.0 - 2 * coalitions
    return [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i)]


@pytest.mark.parametrize("index", ["BII", "k-SII"])
def test_planted_pairs_are_found_and_little_else(index):
    """Noise of a fifth of the deviation; four pairs of coefficient 1 beside four single players."""
    planted = {(0, 1), (2, 3), (4, 5), (0, 6)}
    terms = dict.fromkeys(planted, 1.0) | {(i,): 1.0 for i in (1, 3, 8, 9)}
    game, runs, power, wrong, all_of_them = FourierSeries.from_terms(12, terms), 12, [], [], []
    for seed in range(runs):
        rng = np.random.default_rng([seed, 2])
        noisy = ProxySPEX(n=12, random_state=seed).recover(
            150, lambda x, rng=rng: game(x) + 0.2 * 8**0.5 * rng.standard_normal(len(x))
        )
        frame = noisy.to_frame(index, 2)
        pairs = frame[frame.order == 2]
        found = set(pairs.interaction[pairs.significant])
        power.append(len(found & planted) / len(planted))
        wrong.append(len(found - planted) / max(len(found), 1))
        all_of_them.append(1 - len(planted) / len(pairs))
    assert np.mean(power) > 0.8
    # Proportions are spread less than yes or no with the same mean.
    assert sum(wrong) <= most(runs)
    assert sum(all_of_them) > most(runs)  # believing whatever is reported


def test_intervals_cover_nine_of_ten():
    """Random games whose coefficients fall with their size, 0.9 within 3.1 standard errors."""
    held, narrow = [], []
    for seed in range(24):
        rng = np.random.default_rng([seed, 3])
        sizes = naive.rows(9).sum(axis=1)
        game = FourierSeries(naive.rows(9), rng.standard_normal(512) * 0.4**sizes)
        frame = ProxySPEX(n=9, random_state=seed).recover(70, game).to_frame("BII", 2)
        exact = interactions(game, "BII", 2)
        true = frame.interaction.map(exact)
        held.append(((frame.lower <= true) & (true <= frame.upper)).mean())
        third = (frame.upper - frame.lower) / 6
        narrow.append(((true - frame.value).abs() <= third).mean())
    for rates, right in ((held, True), (narrow, False)):
        room = 3.1 * np.std(rates, ddof=1) / np.sqrt(len(rates))
        assert (0.85 - room <= np.mean(rates) <= 0.95 + room) == right
