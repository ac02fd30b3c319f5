from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex import SPEX, FourierSeries, ProxySPEX
from shapiq_spex.spectral import all_coalitions, interactions
from shapiq_spex.spectral.characters import characters
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.indices import INDICES
from shapiq_spex.spex.decode import decode
from shapiq_spex.spex.plan import largest_design


def sparse(n, terms, seed):
    rng = np.random.default_rng(seed)
    sets = {tuple(sorted(rng.choice(n, size, replace=False).tolist())) for size in terms}
    return FourierSeries.from_terms(n, {s: float(rng.normal() + 2) for s in sets})


@pytest.mark.parametrize("decoder", ["soft", "hard"])
@pytest.mark.parametrize("seed", range(3))
def test_a_sparse_game_without_hierarchy_is_exact(decoder, seed):
    # Ten random sets of size five: no subset of them carries anything.
    game = sparse(60, [5] * 10, seed)
    result = SPEX(n=60, random_state=seed, decoder_type=decoder).recover(2000, game)
    assert np.abs((result.series - game).coefficients).max() < 1e-9
    assert (result.r2_kind, result.status) == ("held-out", "ok")
    assert result.r2 == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_where_bins_are_crowded_the_terms_of_the_game_and_no_others_are_left(seed):
    # 50 terms meet in 48 bins: peeling misjudges amplitudes, and joint fits mend them.
    game = sparse(64, [1] * 10 + [2] * 10 + [3] * 10 + [4] * 10 + [5] * 10, seed)
    result = SPEX(n=64, random_state=seed).recover(1000, game)
    assert result.series.terms().keys() == game.terms().keys()
    assert np.abs((result.series - game).coefficients).max() < 1e-12


def test_where_decoding_succeeds_the_surrogate_alone_fails():
    game = sparse(60, [5] * 10, 0)
    assert ProxySPEX(n=60, random_state=0).recover(2000, game).r2 < 0.2


def test_a_parity_is_decoded_where_the_surrogate_alone_fails():
    n, budget, seed = 60, 1000, 0
    odd = tuple(sorted(np.random.default_rng(seed).choice(n, 5, replace=False).tolist()))
    parity = FourierSeries.from_terms(n, {(): 0.5, odd: -0.5})  # 1 for an odd number of the five
    for decoder in ("soft", "hard"):
        found = SPEX(n=n, random_state=seed, decoder_type=decoder).recover(budget, parity)
        assert found.series.terms() == pytest.approx({(): 0.5, odd: -0.5})
    assert ProxySPEX(n=n, random_state=seed).recover(budget, parity).r2 < 0.2


def test_the_last_fit_sees_all_values_and_its_judge_sees_one_without_them():
    n, budget, noise = 25, 1500, np.random.default_rng(0)
    game = sparse(n, [1] * 10 + [2] * 5, 2)
    result = SPEX(n=n, random_state=0).recover(
        budget, lambda x: game(x) + noise.normal(size=len(x))
    )
    x, y, coded = result.plan.coalitions, result.values, budget - result.plan.n_uniform
    decoded = decode(result.plan, y, soft=True)
    assert decoded.complete.support.tolist() == decoded.series.support.tolist()
    for series, rows in ((decoded.series, coded), (decoded.complete, budget)):
        signs = characters(x[:rows], series.support)
        fitted = np.linalg.lstsq(signs, y[:rows], rcond=None)[0]
        np.testing.assert_allclose(series.coefficients, fitted, atol=0.02)  # noise: 1 / sqrt(1500)
    assert np.abs((decoded.complete - decoded.series).coefficients).max() > 1e-3
    ends = {"empty": y[0], "full": y[result.plan.ends[1]]}
    assert result.series == meet_ends(decoded.complete, **ends)
    unseen = y[coded:] - meet_ends(decoded.series, **ends)(x[coded:])
    np.testing.assert_allclose(result.residuals[coded:], unseen)
    assert result.r2_kind == "held-out"


@pytest.mark.parametrize("index", INDICES)
def test_every_index_of_a_sparse_game_is_exact(index):
    n, order = 10, 1 if index in ("SV", "BV") else 3
    game = sparse(n, [1, 1, 2, 3, 4], 1)
    found = SPEX(n=n, index=index, max_order=order, random_state=0).approximate(400, game)
    exact = interactions(FourierSeries.from_table(game(all_coalitions(n))), index, order)
    for players, value in exact.items():
        assert float(found[players]) == pytest.approx(value, abs=1e-9)


def test_small_budgets_go_to_the_surrogate_and_say_so():
    n, budget = 60, 100
    game = sparse(n, [1, 2, 2], 0)
    assert largest_design(n, budget, 5) is None
    result = SPEX(n=n, random_state=3).recover(budget, game)
    assert "too few for a coded design" in result.status
    assert result.series == ProxySPEX(n=n, random_state=3).recover(budget, game).series


@pytest.mark.parametrize("offset", [1e6, -1e10])
def test_values_far_from_zero_are_decoded_alike(offset):
    game = sparse(40, [1, 1, 2, 4], 0)
    found = SPEX(n=40, random_state=0).recover(2000, lambda x: game(x) + offset)
    left = found.series - game - FourierSeries.constant(40, offset)
    assert np.abs(left.coefficients).max() < 1e-15 * abs(offset)  # the last digits of the values


def test_a_lowered_degree_is_told_and_not_kept():
    approximator = SPEX(n=60, random_state=0)
    assert "up to degree 3" in approximator.recover(500, sparse(60, [1, 2], 0)).status
    assert approximator.degree_parameter == 5


def test_dense_games_are_fitted_to_all_values_and_judged_on_unseen_ones():
    n, budget = 14, 700
    rng = np.random.default_rng(0)
    weights, hidden = rng.normal(size=(n, 3)), rng.normal(size=3)
    x = all_coalitions(n)
    table = np.tanh(x @ weights - weights.sum(axis=0) / 2) @ hidden
    result = SPEX(n=n, random_state=0).recover(
        budget, lambda rows: table[rows @ (1 << np.arange(n))]
    )
    r2 = 1 - np.mean((result.series.to_table() - table) ** 2) / table.var()
    linear = np.linalg.lstsq(np.c_[np.ones(2**n), x], table, rcond=None)[1][0] / table.var() / 2**n
    assert r2 > 1 - linear + 0.01  # better than the best additive function there is
    assert result.r2_kind == "cross-validated"
    assert result.r2 == pytest.approx(r2, abs=0.1)


def test_packed_and_dense_recovery_count_the_same_rows():
    result = SPEX(n=30, random_state=0).recover(1500, sparse(30, [1, 2, 3], 0))
    assert result.n_evaluations == len(result.plan.coalitions) == 1500


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"decoder_type": "firm"}, "decoder_type among soft, hard"),
        ({"n": 65_536}, "at most n=65,535 players"),
        ({"degree_parameter": 0}, "degree_parameter to be a positive whole number"),
        ({"degree_parameter": 2.5}, "degree_parameter to be a positive whole number"),
        ({"degree_parameter": True}, "degree_parameter to be a positive whole number"),
    ],
)
def test_bad_settings_are_one_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        SPEX(**{"n": 10, **settings})
