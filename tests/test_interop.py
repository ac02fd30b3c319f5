from __future__ import annotations

import pytest
from shapiq.game_theory.exact import ExactComputer
from shapiq.interaction_values import InteractionValues

import naive
from approximators import as_dict, random_table
from shapiq_spex.interop import canonical, to_interaction_values
from shapiq_spex.spectral.indices import INDICES, interactions
from shapiq_spex.spectral.series import FourierSeries

N = 5


@pytest.fixture(scope="module")
def table():
    return random_table(N, seed=4)


@pytest.fixture(scope="module")
def exact(table):
    return ExactComputer(naive.as_game(table), n_players=N)


@pytest.mark.parametrize("order", range(1, N + 1))
@pytest.mark.parametrize("index", INDICES)
def test_everything_is_as_shapiqs_exact_computer_gives_it(table, exact, index, order):
    found = to_interaction_values(FourierSeries.from_table(table), index, order, estimated=False)
    expected = exact(index, order)
    values = {t: v for t, v in as_dict(expected).items() if len(t) <= order}
    assert as_dict(found) == pytest.approx(values, abs=1e-7)
    assert found.baseline_value == pytest.approx(expected.baseline_value, abs=1e-7)
    assert (found.index, found.n_players, found.min_order) == (expected.index, N, 0)
    assert found.estimated == expected.estimated
    if index != "Moebius":  # there the exact computer gives all orders whatever is asked for
        assert found.max_order == expected.max_order


@pytest.mark.parametrize("index", INDICES)
def test_values_are_those_of_the_index_and_not_aggregated_again(table, index):
    series = FourierSeries.from_table(table)
    found = as_dict(to_interaction_values(series, index, 2))
    assert found == pytest.approx(interactions(series, index, 2), abs=1e-13)


def test_a_second_aggregation_would_be_seen(table):
    once = as_dict(to_interaction_values(FourierSeries.from_table(table), "k-SII", 2))
    twice = InteractionValues(
        once, index="SII", target_index="k-SII", n_players=N, min_order=0, max_order=2,
        baseline_value=table[0],
    )  # fmt: skip
    assert abs(twice[(0,)] - once[(0,)]) > 0.1


@pytest.mark.parametrize("index", INDICES)
def test_the_baseline_is_the_empty_coalition_but_for_faithful_banzhaf(table, index):
    series = FourierSeries.from_table(table)
    found = to_interaction_values(series, index, 2)
    expected = naive.fbii(table, 2)[()] if index == "FBII" else table[0]
    assert found.baseline_value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("index", "order", "expected"),
    [
        ("SV", 3, ("SV", 1)),
        ("BV", 2, ("BV", 1)),
        ("SII", 1, ("SV", 1)),
        ("k-SII", 1, ("SV", 1)),
        ("STII", 1, ("SV", 1)),
        ("FSII", 1, ("SV", 1)),
        ("BII", 1, ("BV", 1)),
        ("FBII", 1, ("FBII", 1)),
        ("Moebius", 1, ("Moebius", 1)),
        ("FSII", 3, ("FSII", 3)),
    ],
)
def test_the_simplest_name(index, order, expected):
    assert canonical(index, order) == expected


def test_keys_are_sorted_tuples_of_python_ints_and_the_lookup_is_ours():
    series = FourierSeries.from_terms(6, {(4, 1): 2.0, (0, 5, 3): 1.0})
    found = to_interaction_values(series, "STII", 3)
    assert all(type(i) is int for t in found.interaction_lookup for i in t)
    assert list(found.interaction_lookup.values()) == list(range(len(found.values)))
    assert (1, 4) in found.interaction_lookup
    assert (0, 1) not in found.interaction_lookup
    assert found[(4, 1)] == found[(1, 4)] == 8.0
    assert found[(0, 1)] == 0.0


def test_budget_and_estimate_are_passed_on():
    series = FourierSeries.from_terms(2, {(): 1.0})
    found = to_interaction_values(series, "SV", 1, estimated=True, budget=17)
    assert (found.estimated, found.estimation_budget) == (True, 17)
    assert not to_interaction_values(series, "SV", 1, estimated=False).estimated


def test_a_thousand_players_are_not_enumerated():
    pairs = {(i, i + 1): 1.0 for i in range(999)}
    found = to_interaction_values(FourierSeries.from_terms(1000, pairs), "k-SII", 3)
    assert len(found.interaction_lookup) == 1 + 1000 + 999


def test_results_can_be_added_scaled_and_saved(table, tmp_path):
    found = to_interaction_values(FourierSeries.from_table(table), "k-SII", 2)
    assert as_dict(found + found) == pytest.approx(as_dict(found * 2.0))
    found.save(tmp_path / "values.json")
    back = InteractionValues.load(tmp_path / "values.json")
    assert as_dict(back) == pytest.approx(as_dict(found), abs=1e-12)


@pytest.mark.parametrize("index", ["SV", "BV", "SII", "FBII"])
@pytest.mark.parametrize("order", [0, -1, 1.5, True])
def test_bad_orders_are_refused(index, order):
    with pytest.raises(ValueError, match="positive whole number, got"):
        to_interaction_values(FourierSeries.from_terms(2, {(): 1.0}), index, order)


def test_unknown_indices_are_refused():
    with pytest.raises(ValueError, match="one of Moebius, .*, got 'CHII'"):
        to_interaction_values(FourierSeries.from_terms(2, {(): 1.0}), "CHII", 1)
