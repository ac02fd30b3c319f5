from __future__ import annotations

import json
import pickle
from copy import copy, deepcopy

import numpy as np
import pytest

import naive
from shapiq_spex.spectral import series as module
from shapiq_spex.spectral.coalitions import checked_coalitions, sum_rows
from shapiq_spex.spectral.series import FourierSeries

TERMS = {(): 2.0, (1,): -1.5, (0, 2): 0.5, (1, 2, 3): 0.25}


def example():
    return FourierSeries.from_terms(4, TERMS)


def empty():
    return FourierSeries(np.zeros((0, 3), dtype=bool), np.zeros(0))


def random_series(n, s, seed=0):
    rng = np.random.default_rng(seed)
    return FourierSeries(rng.random((s, n)) < 0.3, rng.normal(size=s))


# ---------------------------------------------------------------------- the sign convention
def test_a_present_player_flips_the_sign():
    series = FourierSeries.from_terms(2, {(0,): 1.0})
    assert series(np.array([[False, False], [True, False]])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_coefficients_of_a_table_are_the_definition(n):
    table = np.random.default_rng(n).normal(size=2**n)
    assert FourierSeries.from_table(table).terms() == pytest.approx(naive.fourier(table), abs=1e-14)


def test_coefficients_that_are_rounding_are_left_out():
    additive = naive.rows(5) @ np.array([0.1, 0.2, 0.3, 0.4, 0.5]) + 0.7
    assert set(FourierSeries.from_table(additive).terms()) == {(), (0,), (1,), (2,), (3,), (4,)}


def test_small_coefficients_beside_large_ones_are_kept():
    table = FourierSeries.from_terms(3, {(): 1e6, (0, 1): 1e-7}).to_table()
    assert FourierSeries.from_table(table).terms()[(0, 1)] == pytest.approx(1e-7, rel=1e-3)


def test_the_zero_table_has_no_terms():
    series = FourierSeries.from_table(np.zeros(8))
    assert (len(series), series.n) == (0, 3)
    assert series.to_table().tolist() == [0.0] * 8


# ---------------------------------------------------------------------- evaluation
@pytest.mark.parametrize("block", [1, 7, 64, 2**21])
def test_blocks_of_every_size_give_the_naive_values(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK_ENTRIES", block)
    series = random_series(9, 20)
    coalitions = np.random.default_rng(1).random((50, 9)) < 0.5
    expected = [naive.evaluate(series.terms(), x) for x in coalitions]
    np.testing.assert_allclose(series(coalitions), expected, atol=1e-13)


def test_bools_and_zeros_and_ones_of_every_type_are_the_same():
    series, coalitions = example(), naive.rows(4)
    for kind in (np.int8, np.uint64, np.float32, np.float64, object):
        np.testing.assert_array_equal(series(coalitions.astype(kind)), series(coalitions))
    np.testing.assert_array_equal(series(coalitions.tolist()), series(coalitions))


def test_evaluation_of_nothing_and_by_nothing():
    assert example()(np.zeros((0, 4), dtype=bool)).shape == (0,)
    assert empty()(np.ones((2, 3), dtype=bool)).tolist() == [0.0, 0.0]


def test_memory_stays_bounded_for_many_rows_and_many_terms():
    import tracemalloc

    series = random_series(300, 4000)
    coalitions = np.random.default_rng(2).random((6000, 300)) < 0.5
    tracemalloc.start()
    series(coalitions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # all at once would take 6000 x 4000 x (4 + 4 + 8) bytes = 384 MB


@pytest.mark.parametrize(
    "wrong", [np.zeros(4), np.zeros((2, 3)), np.zeros((2, 5)), np.zeros((1, 2, 4))]
)
def test_other_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match=r"coalitions need the shape \(m, 4\), got"):
        example()(wrong)


@pytest.mark.parametrize("wrong", [2, -1, 0.5, np.nan])
def test_other_entries_are_refused(wrong):
    with pytest.raises(ValueError, match="entries 0 or 1"):
        checked_coalitions(np.array([[0, 1, wrong]]), 3)


# ---------------------------------------------------------------------- making and reading
def test_terms_are_sorted_by_degree_then_players_and_added_up():
    support = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 0]])
    series = FourierSeries(support, np.arange(1.0, 7.0))
    expected = {(): 3.0, (0,): 2.0, (0, 1): 6.0, (0, 2): 4.0, (1, 2): 6.0}
    assert list(series.terms().items()) == list(expected.items())
    assert series.support.dtype == bool


def test_players_beyond_a_byte_are_sorted_too():
    pairs = [(7, 8), (0, 255), (8, 9), (0, 256), (255, 256), (1, 2)]
    series = FourierSeries.from_terms(300, dict.fromkeys(pairs, 1.0))
    assert list(series.terms()) == sorted(pairs)


def test_from_rows_is_from_terms():
    groups = [
        (np.zeros((1, 0), dtype=np.int64), np.array([2.0])),
        (np.array([[1]]), np.array([-1.5])),
        (np.array([[0, 2]]), np.array([0.5])),
        (np.array([[3, 1, 2]]), np.array([0.25])),
    ]
    assert FourierSeries.from_rows(4, groups) == example()
    assert FourierSeries.from_rows(3, []) == empty()


def test_by_degree_walks_through_the_terms():
    walked = [(rows.tolist(), values.tolist()) for rows, values in example().by_degree()]
    assert walked == [([[]], [2.0]), ([[1]], [-1.5]), ([[0, 2]], [0.5]), ([[1, 2, 3]], [0.25])]


def test_repr_is_one_line():
    assert repr(example()) == "FourierSeries(n=4, terms=4, degree=3)"
    assert repr(empty()) == "FourierSeries(n=3, terms=0, degree=0)"


def test_it_does_not_change():
    support, coefficients = np.eye(3, dtype=bool), np.ones(3)
    series = FourierSeries(support, coefficients)
    support[:], coefficients[:] = True, 9.0
    assert series.terms() == {(0,): 1.0, (1,): 1.0, (2,): 1.0}
    with pytest.raises(ValueError, match="read-only"):
        series.coefficients[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        series.support[0, 0] = False
    with pytest.raises(
        AttributeError, match="immutable; make a new one instead of setting 'support'"
    ):
        series.support = support


@pytest.mark.parametrize("duplicate", [copy, deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_it_can_be_copied_and_sent_to_another_process(duplicate):
    series = example()
    assert duplicate(series) == series


def test_equality_is_bit_for_bit_and_there_is_no_hash():
    nudged = dict(TERMS)
    nudged[(1,)] = np.nextafter(-1.5, 0)
    assert example() == example()
    assert example() != FourierSeries.from_terms(4, nudged)
    assert example() != FourierSeries.from_terms(5, TERMS)
    assert example() != TERMS
    with pytest.raises(TypeError, match="unhashable"):
        hash(example())


@pytest.mark.parametrize("players", [(0, 0), (4,), (-1,), (1, 4)])
def test_sets_of_other_players_are_refused(players):
    with pytest.raises(ValueError, match=r"distinct players in range\(4\), got \("):
        FourierSeries.from_terms(4, {players: 1.0})


@pytest.mark.parametrize(
    "table", [np.zeros(3), np.zeros(1), np.zeros((2, 2)), np.array([0.0, np.nan])]
)
def test_tables_of_other_shapes_or_not_finite_are_refused(table):
    with pytest.raises(ValueError, match=r"2\^n finite values with n >= 1, got shape"):
        FourierSeries.from_table(table)


@pytest.mark.parametrize(
    ("support", "coefficients"),
    [
        (np.zeros((2, 3)), np.zeros(3)),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((2, 0)), np.zeros(2)),
        (np.zeros((2, 3)), np.zeros((2, 1))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(support, coefficients):
    with pytest.raises(ValueError, match=r"support \(s, n\) with n >= 1 and coefficients \(s,\)"):
        FourierSeries(support, coefficients)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_coefficients_that_are_not_finite_are_refused(wrong):
    with pytest.raises(ValueError, match="finite coefficients, got NaN or infinity"):
        FourierSeries.from_terms(2, {(0,): wrong})


# ---------------------------------------------------------------------- JSON
def test_json_is_read_by_anyone():
    assert json.loads(example().to_json()) == {
        "n": 4,
        "terms": [[[], 2.0], [[1], -1.5], [[0, 2], 0.5], [[1, 2, 3], 0.25]],
    }


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", '{"n": 2}', '{"n": 2, "terms": 5}'])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="needs what to_json wrote, got"):
        FourierSeries.from_json(text)


# ---------------------------------------------------------------------- energy and truncation
def test_energy_by_order():
    energy = example().energy_by_order()
    assert energy.tolist() == [4.0, 2.25, 0.25, 0.0625]
    assert energy.dtype == np.float64


def test_energy_of_no_terms_is_zero():
    energy = empty().energy_by_order()
    assert energy.tolist() == [0.0]
    assert energy.dtype == np.float64


def test_truncation_by_count_keeps_the_largest_and_of_equal_ones_the_first():
    series = FourierSeries.from_terms(4, {(): 0.0, (0, 1): 1.0, (1,): -1.0, (2,): 1.0, (3,): 2.0})
    kept = [set(series.truncate(count=count).terms()) for count in range(5)]
    assert kept == [
        {()},
        {(), (3,)},
        {(), (3,), (1,)},
        {(), (3,), (1,), (2,)},
        {(), (3,), (1,), (2,), (0, 1)},
    ]
    assert series.truncate(count=99) == series


def test_truncation_by_energy_keeps_the_fewest_terms_that_suffice():
    # energies 0.5, 0.25, 0.125, 0.125 of the whole
    series = FourierSeries.from_terms(3, {(0,): 2.0, (1,): 2**0.5, (2,): 1.0, (0, 1): 1.0})
    sizes = [len(series.truncate(energy=share)) for share in (0.1, 0.5, 0.51, 0.75, 0.76, 1.0)]
    assert sizes == [1, 1, 2, 2, 4, 4]


def test_all_terms_tied_at_the_cut_are_kept():
    series = FourierSeries.from_terms(20, {(i,): (-1.0) ** i for i in range(20)})
    assert series.truncate(energy=0.95) == series
    assert series.truncate(energy=0.01) == series


def test_ties_up_to_rounding_are_ties():
    series = FourierSeries.from_terms(3, {(0,): 0.1 + 0.2, (1,): 0.3, (2,): 0.3})
    assert len(series.truncate(energy=0.3)) == 3


def test_the_constant_is_never_dropped():
    series = FourierSeries.from_terms(2, {(): 1e-9, (0,): 5.0, (1,): 1.0})
    assert series.truncate(energy=0.1).terms() == {(): 1e-9, (0,): 5.0}
    assert series.truncate(count=0).terms() == {(): 1e-9}
    constant = FourierSeries.from_terms(2, {(): 3.0})
    assert constant.truncate(energy=0.95) == constant


@pytest.mark.parametrize("settings", [{}, {"count": 1, "energy": 0.5}])
def test_exactly_one_way_to_truncate(settings):
    with pytest.raises(ValueError, match="exactly one of count and energy"):
        example().truncate(**settings)


@pytest.mark.parametrize("share", [0, -0.5, 1.5, np.nan])
def test_shares_outside_their_range_are_refused(share):
    with pytest.raises(ValueError, match=r"share in \(0, 1\], got"):
        example().truncate(energy=share)


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="count of at least 0, got -1"):
        example().truncate(count=-1)


# ---------------------------------------------------------------------- arithmetic
@pytest.mark.parametrize("factor", [2, 2.5, np.float64(2.5), np.int64(3)])
def test_numbers_of_every_type_multiply_from_both_sides(factor):
    expected = {players: float(factor) * f for players, f in TERMS.items()}
    assert (example() * factor).terms() == expected
    assert (factor * example()).terms() == expected


def test_series_of_different_players_do_not_add():
    with pytest.raises(ValueError, match="equal players, got n=4 and n=3"):
        example() + empty()


def test_other_things_neither_add_nor_multiply():
    with pytest.raises(TypeError, match="unsupported operand"):
        example() + 1.0
    with pytest.raises(TypeError, match="unsupported operand"):
        example() * example()


# ---------------------------------------------------------------------- sums over rows
@pytest.mark.parametrize(("n", "d"), [(5, 2), (70000, 4), (1000, 0)])
def test_equal_rows_are_summed(n, d):
    rng = np.random.default_rng(n)
    rows = rng.integers(0, n, size=(6, d))[rng.integers(0, 6, size=30)]
    values = rng.normal(size=30)
    expected: dict[tuple[int, ...], float] = {}
    for row, value in zip(rows.tolist(), values, strict=True):
        expected[tuple(row)] = expected.get(tuple(row), 0.0) + value
    unique, sums = sum_rows(rows, values, n)
    found = dict(zip(map(tuple, unique.tolist()), sums, strict=True))
    assert list(found) == sorted(expected)
    assert found == pytest.approx(expected, abs=1e-14)
