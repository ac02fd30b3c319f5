"""Every index against its definition over all coalitions, and against shapiq's exact computer."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import naive
from shapiq_spex.spectral.indices import INDICES, interactions, weight
from shapiq_spex.spectral.series import FourierSeries

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "exact_indices.json").read_text())


def random_table(n, seed=0):
    return np.random.default_rng([n, seed]).normal(size=2**n) + 3.0


def test_the_table_of_definitions_has_every_index():
    assert set(naive.INDICES) == set(INDICES)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("n", range(1, 9))
def test_every_order_is_the_definition(n, index):
    table = random_table(n)
    series = FourierSeries.from_table(table)
    for order in range(1, n + 1):
        expected = naive.index(table, index, order)
        found = interactions(series, index, order)
        assert found.keys() == expected.keys()
        worst = max(abs(found[t] - expected[t]) for t in expected)
        scale = max(1.0, *map(abs, expected.values()))
        assert worst <= 1e-10 * scale, (order, worst, scale)


@pytest.mark.parametrize("index", INDICES)
def test_orders_beyond_the_players_are_the_definition(index):
    table = random_table(3)
    expected = naive.index(table, index, 5)
    found = interactions(FourierSeries.from_table(table), index, 5)
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("index", INDICES)
def test_sparse_series_agree_with_their_tables(index):
    series = FourierSeries.from_terms(6, {(): 2.0, (0, 3): 1.5, (1, 2, 3, 5): -1.0, (2,): 0.5})
    expected = naive.index(series.to_table(), index, 3)
    found = interactions(series, index, 3)
    left_out = {t: 0.0 for t in expected if t not in found}
    assert found | left_out == pytest.approx(expected, abs=1e-12)
    contained = [{0, 3}, {1, 2, 3, 5}, {2}]
    assert all(len(t) <= 1 or any(set(t) <= s for s in contained) for t in found)


@pytest.mark.parametrize("index", INDICES)
def test_every_single_player_is_there_and_keys_are_sorted_ints(index):
    found = interactions(FourierSeries.from_terms(4, {(3, 1): 1.0}), index, 2)
    assert {(0,), (1,), (2,), (3,)} <= found.keys()
    assert all(t == tuple(sorted(t)) and all(type(i) is int for i in t) for t in found)
    assert all(type(value) is float for value in found.values())
    assert ((1, 3) in found) == (index not in ("SV", "BV"))


@pytest.mark.parametrize("index", [index for index in INDICES if index not in ("SV", "BV")])
def test_min_order_leaves_the_smaller_sets_out(index):
    series = FourierSeries.from_table(random_table(4))
    everything = interactions(series, index, 3)
    top = interactions(series, index, 3, min_order=2)
    assert top == {t: value for t, value in everything.items() if len(t) >= 2}


@pytest.mark.parametrize("index", INDICES)
def test_a_series_without_terms_has_only_zeros(index):
    series = FourierSeries(np.zeros((0, 3), dtype=bool), np.zeros(0))
    assert interactions(series, index, 2) == {(): 0.0, (0,): 0.0, (1,): 0.0, (2,): 0.0}


def test_high_degrees_cost_the_subsets_of_the_order_only():
    players = tuple(range(60))
    series = FourierSeries.from_terms(60, {players: 1.0})  # 2^60 Moebius terms
    found = interactions(series, "SII", 2)
    assert len(found) == 1 + 60 + 60 * 59 // 2
    assert found[(4, 9)] == pytest.approx(4 / 59)  # (-2)^2 F(S) / (60 - 2 + 1)


def test_players_far_out_are_told_apart():
    pairs = {(998, 999): 1.0, (0, 999): 2.0, (997, 998): 3.0}
    found = interactions(FourierSeries.from_terms(1000, pairs), "BII", 2)
    assert {t: value for t, value in found.items() if len(t) == 2} == {
        t: 4 * value for t, value in pairs.items()
    }


@pytest.mark.parametrize(
    ("index", "degree", "expected"),
    [("SV", 3, Fraction(-2, 3)), ("SV", 4, 0), ("BV", 1, -2), ("BV", 2, 0), ("SII", 5, -2)],
)
def test_weights_of_single_players_are_the_closed_forms(index, degree, expected):
    if index == "SII":
        expected = Fraction(expected, degree)
    assert weight(index, 1, degree, 1) == expected


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("order", [0, -1, 1.0, 2.5, True, "2", None])
def test_orders_that_are_no_positive_whole_number_are_refused(index, order):
    series = FourierSeries.from_terms(2, {(0,): 1.0})
    with pytest.raises(ValueError, match="max_order needs to be a positive whole number, got"):
        interactions(series, index, order)


@pytest.mark.parametrize("index", ["shapley", "CHII", "Fourier", ""])
def test_unknown_indices_are_refused_by_name(index):
    series = FourierSeries.from_terms(2, {(0,): 1.0})
    with pytest.raises(ValueError, match=f"one of Moebius, SV, .*FBII, got '{index}'"):
        interactions(series, index, 1)


@pytest.mark.parametrize(
    "case", GOLDEN["cases"], ids=lambda case: f"{case['index']}-{case['order']}"
)
def test_values_of_shapiqs_exact_computer_are_met(case):
    series = FourierSeries.from_table(np.array(GOLDEN["table"]))
    found = interactions(series, case["index"], case["order"])
    expected = {tuple(players): value for players, value in case["values"]}
    assert found == pytest.approx(expected, abs=1e-7)


def test_the_golden_values_cover_what_the_exact_computer_knows():
    covered = {(case["index"], case["order"]) for case in GOLDEN["cases"]}
    several = {"Moebius", "SII", "k-SII", "BII", "STII", "FSII", "FBII"}
    assert covered == {("SV", 1), ("BV", 1)} | {(i, k) for i in several for k in (2, 3, 4)}
