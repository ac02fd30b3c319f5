from __future__ import annotations

import numpy as np
import pytest

import naive
from shapiq_spex.spectral.walsh import (
    MAX_TABLE_PLAYERS,
    all_coalitions,
    table_index,
    walsh_hadamard,
)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_all_coalitions_stand_in_table_order(n):
    coalitions = all_coalitions(n)
    assert coalitions.dtype == bool
    np.testing.assert_array_equal(coalitions, naive.rows(n))
    np.testing.assert_array_equal(table_index(coalitions), np.arange(2**n))


@pytest.mark.parametrize("n", [0, -1, MAX_TABLE_PLAYERS + 1])
def test_too_few_or_too_many_players_for_a_table_are_refused(n):
    with pytest.raises(ValueError, match=f"between 1 and 26 players, got n={n}"):
        all_coalitions(n)


def test_table_index_reaches_62_players():
    last = np.zeros((1, 62), dtype=bool)
    last[0, 61] = True
    assert table_index(last).tolist() == [2**61]


@pytest.mark.parametrize("n", [0, 1, 3, 6])
def test_transform_is_the_double_sum(n):
    table = np.random.default_rng(n).normal(size=2**n)
    signs = [[(-1) ** (i & k).bit_count() for i in range(2**n)] for k in range(2**n)]
    np.testing.assert_allclose(walsh_hadamard(table), np.array(signs) @ table, atol=1e-13)


def test_transform_goes_along_the_last_axis_and_leaves_its_input_alone():
    tables = np.random.default_rng(0).normal(size=(3, 2, 8))
    before = tables.copy()
    out = walsh_hadamard(tables)
    np.testing.assert_array_equal(tables, before)
    np.testing.assert_array_equal(out[2, 1], walsh_hadamard(tables[2, 1]))


def test_transform_of_integers_is_float():
    out = walsh_hadamard(np.array([1, 2, 3, 4]))
    assert out.dtype == np.float64
    assert out.tolist() == [10.0, -2.0, -4.0, 0.0]


def test_applied_twice_it_multiplies_by_the_length():
    table = np.arange(16.0)
    np.testing.assert_array_equal(walsh_hadamard(walsh_hadamard(table)), 16 * table)


@pytest.mark.parametrize("size", [0, 3, 6])
def test_lengths_that_are_no_power_of_two_are_refused(size):
    with pytest.raises(ValueError, match=rf"length 2\^n, got {size}"):
        walsh_hadamard(np.zeros(size))
