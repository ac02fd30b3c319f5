"""Where shapiq 1.4.1 and 1.8.0 crash, lose values or answer wrongly: ours is right or says why."""

from __future__ import annotations

import re

import numpy as np
import pytest
from shapiq import Game

import naive
from approximators import N, as_dict, random_table, sparse_game


# ---------------------------------------------------------------------- few players, all coalitions
@pytest.mark.parametrize("index", ["SV", "k-SII", "FSII", "BII"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_players_and_all_coalitions_are_exact(make, n, index):
    table = random_table(n)
    found = make(n=n, index=index, max_order=2).approximate(2**n, naive.as_game(table))
    expected = naive.index(table, index, 2)
    assert as_dict(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_unit_games_are_exact(make, n):
    found = make(n=n, index="SV", max_order=1).approximate(2**n, lambda x: 1.0 * x.all(axis=1))
    assert as_dict(found) == pytest.approx({(): 0.0} | {(i,): 1 / n for i in range(n)}, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_players_and_the_smallest_budget(make, n):
    table = random_table(n)
    found = make(n=n, index="SV", max_order=1).approximate(min(n + 2, 2**n), naive.as_game(table))
    assert np.isfinite(found.values).all()


# ---------------------------------------------------------------------- simple games
def test_no_player_of_a_linear_game_is_zeroed(make):
    signs = np.where(np.arange(20) % 2, 1.0, -1.0)
    found = make(n=20, index="SV").approximate(700, lambda x: x @ signs)
    values = np.array([found[(i,)] for i in range(20)])
    np.testing.assert_allclose(values, signs, atol=0.5)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 0.1, 1e-30, 1e30])
@pytest.mark.parametrize("budget", [12, 60, 2**N])
def test_a_constant_game_has_no_interactions(make, value, budget):
    recovery = make().recover(budget, lambda x: np.full(len(x), value))
    found = as_dict(recovery.interactions("k-SII", 2))
    assert found == pytest.approx(
        {(): value} | {(i,): 0.0 for i in range(N)}, abs=1e-12 * abs(value)
    )
    if budget < 2**N:
        assert recovery.r2 is None
        assert recovery.status.startswith("R² unknown")


@pytest.mark.parametrize("which", ["all", "any"])
def test_a_game_that_varies_at_one_end_only(make, which):
    """Among 100 of 2^20 coalitions only an end differs, so hardly anything can be known."""

    def game(x):
        return 1.0 * getattr(x, which)(axis=1)

    recovery = make(n=20).recover(100, game)
    assert recovery.r2 is None or -1 < recovery.r2 < 0.5
    assert np.isfinite(recovery.series.coefficients).all()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_do_not_matter(make, scale):
    expected = make().recover(100, sparse_game)
    found = make().recover(100, lambda x: scale * sparse_game(x))
    assert found.r2 == pytest.approx(expected.r2, abs=0.02)
    ours, theirs = (
        np.array(list(as_dict(r.interactions("SV")).values())) for r in (found, expected)
    )
    np.testing.assert_allclose(ours / scale, theirs, atol=0.1)


def test_a_large_offset_does_not_matter(make):
    found = make(index="SV").approximate(100, lambda x: 1e7 + sparse_game(x))
    expected = make(index="SV").approximate(100, sparse_game)
    for i in range(N):
        assert found[(i,)] == pytest.approx(expected[(i,)], abs=0.05)


# ---------------------------------------------------------------------- settings
@pytest.mark.parametrize("name", ["n", "max_order"])
@pytest.mark.parametrize("number", [0, -1, 1.5, 2.0, True, "2", None])
def test_settings_that_are_no_positive_whole_number_are_refused(make, name, number):
    message = f"{name} to be a positive whole number, got {number!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**{name: number})


@pytest.mark.parametrize("index", ["CHII", "kADD-SHAP", "Fourier", "sv", None])
def test_unknown_indices_are_refused_before_anything_is_paid(make, index):
    with pytest.raises(ValueError, match=f"an index among Moebius, SV, .*, FBII, got {index!r}"):
        make(index=index)


@pytest.mark.parametrize("index", ["CHII", "Fourier"])
def test_a_recovery_refuses_them_too(make, index):
    recovery = make().recover(40, sparse_game)
    with pytest.raises(ValueError, match=f"one of Moebius, SV, .*, got {index!r}"):
        recovery.interactions(index)
    with pytest.raises(ValueError, match="positive whole number, got 0"):
        recovery.interactions("SII", 0)


def test_a_game_of_other_players_is_refused(make):
    class Seven(Game):
        def __init__(self):
            super().__init__(7, normalize=False)

        def value_function(self, coalitions):
            return coalitions.sum(axis=1) * 1.0

    with pytest.raises(ValueError, match="made for n=10 players, but the game has 7"):
        make().approximate(60, Seven())


@pytest.mark.parametrize("random_state", [-1, 1.5, np.random.default_rng(0), "7"])
def test_a_random_state_is_a_whole_number(make, random_state):
    with pytest.raises(ValueError, match="random_state that is None or a whole number"):
        make(random_state=random_state)
