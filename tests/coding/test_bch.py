"""BCH codes against tables of all words, published sizes and the words of another package."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapiq_spex.coding import bch
from shapiq_spex.coding.bch import BCH, inverse_of_bits
from shapiq_spex.coding.gf2m import Field
from shapiq_spex.coding.locators import error_locators, may_split

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "bch_words.json").read_text())["codes"]

# All syndromes of these are tried. n <= 13 of the t = 5 codes and the like have p = n.
SMALL = [(1, 1), (1, 5), (2, 1), (3, 2), (5, 2), (5, 5), (6, 1), (7, 1), (7, 3), (10, 2), (12, 5)]
SMALL += [(13, 3), (14, 4), (15, 1), (15, 2), (15, 3), (16, 2), (31, 1), (31, 2)]


def words_up_to(n, t):
    """The places of the ones of every word of weight at most t."""
    return [w for weight in range(min(n, t) + 1) for w in combinations(range(n), weight)]


def padded(words, t):
    return np.array([[*w, *[-1] * (t - len(w))] for w in words], dtype=np.int64)


def numbers(bits):
    """Rows of bits as integers."""
    return (bits @ (1 << np.arange(bits.shape[1]))).tolist()


def slow_syndromes(code, words):
    dense = np.zeros((len(words), code.n), np.int64)
    for row, places in enumerate(words):
        dense[row, list(places)] = 1
    return (dense @ code.parity_check.T % 2).astype(bool)


def rank(matrix):
    """Rank over GF(2); rows as integers."""
    basis = []
    for row in numbers(matrix.astype(object)):
        for vector in basis:
            row = min(row, row ^ vector)  # noqa: PLW2901
        basis += [row] if row else []
    return len(basis)


# ------------------------------------------------------------------ sizes
@pytest.mark.parametrize(
    ("length", "p"),
    [
        *[(15, 14), (31, 20), (63, 27), (127, 35), (255, 40), (511, 45)],
        *[(1023, 50), (2047, 55), (4095, 60), (8191, 65), (16383, 70)],
    ],
)
def test_published_redundancy_of_five_error_codes(length, p):
    shortest = (length + 1) // 2  # of the lengths n this code serves
    assert BCH(length, 5).p == p
    assert len(BCH(shortest, 5).generator) - 1 == p
    assert BCH(shortest, 5).p == min(p, shortest)


def test_the_length_must_reach_n_not_the_dimension():
    # (by dimension, by length); n = 12 and 13 do with n bits.
    for first, last, dimension, length in [
        (37, 63, 35, 27),
        (93, 127, 40, 35),
        (974, 1023, 55, 50),
    ]:
        assert {BCH(n, 5).p for n in (first, last)} == {length}
        assert BCH(last + 1, 5).p == dimension
    assert [BCH(n, 5).p for n in range(10, 22)] == [10, 11, 12, 13, 14, 14, 16, 17, 18, 19, 20, 20]


@pytest.mark.parametrize(("n", "t"), [*SMALL, (60, 5), (100, 10), (1000, 5), (300, 9)])
def test_rows_of_the_parity_check_are_independent(n, t):
    code = BCH(n, t)
    assert code.parity_check.shape == (code.p, n)
    assert code.parity_check.dtype == bool
    assert rank(code.parity_check) == code.p <= n
    assert code.p <= t * code.field.m


def test_the_largest_code():
    code = BCH(65_535, 5)
    positions = padded([(0, 1, 77, 65_000, 65_534), ()], 5)
    found, ok = code.decode(code.syndromes(positions))
    assert code.p == 80
    assert ok.all()
    np.testing.assert_array_equal(found, positions)


# ------------------------------------------------------------------ distance, decoding
@pytest.mark.parametrize(("n", "t"), SMALL)
def test_words_up_to_twice_the_weight_have_syndromes(n, t):
    syndromes = slow_syndromes(BCH(n, t), words_up_to(n, 2 * t))  # the minimum distance is 2t + 1
    assert syndromes.any(axis=1).tolist() == [False] + [True] * (len(syndromes) - 1)


def test_the_distance_is_that_of_the_published_codes_and_no_more():
    for n, t, distance in [(7, 1, 3), (15, 2, 5), (15, 3, 7)]:
        syndromes = slow_syndromes(BCH(n, t), list(combinations(range(n), distance)))
        assert not syndromes.any(axis=1).all()


@pytest.mark.parametrize(("n", "t"), SMALL)
def test_all_syndromes_decode_as_a_table_of_all_words_says(n, t):
    code, words = BCH(n, t), words_up_to(n, t)
    table = dict(zip(numbers(slow_syndromes(code, words)), words, strict=True))
    syndromes = (np.arange(2**code.p)[:, None] >> np.arange(code.p) & 1).astype(bool)
    positions, ok = code.decode(syndromes)
    assert ok.tolist() == [s in table for s in range(2**code.p)]
    expected = padded([table.get(s, ()) for s in range(2**code.p)], t)
    np.testing.assert_array_equal(positions, expected)


def test_undecodable_syndromes_are_among_those_tried():
    decodable = {(n, t): sum(comb(n, w) for w in range(t + 1)) / 2 ** BCH(n, t).p for n, t in SMALL}
    assert decodable[15, 2] == 121 / 256
    assert decodable[7, 1] == 1.0  # a perfect code
    assert min(decodable.values()) < 0.5


@settings(max_examples=40, deadline=None, derandomize=True)
@given(n=st.integers(1, 10_000), t=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_words_of_weight_at_most_t_come_back(n, t, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, min(n, t) + 1, 20)
    words = [sorted(rng.choice(n, size, replace=False).tolist()) for size in sizes]
    code = BCH(n, t)
    positions, ok = code.decode(code.syndromes(padded(words, t)))
    assert ok.all()
    np.testing.assert_array_equal(positions, padded(words, t))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(n=st.integers(1, 2000), t=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_whatever_decodes_has_the_syndrome_it_came_from(n, t, seed):
    code = BCH(n, t)
    syndromes = np.random.default_rng(seed).random((200, code.p)) < 0.5
    positions, ok = code.decode(syndromes)
    words = [tuple(p[p >= 0]) for p in positions]
    assert (positions < n).all()
    assert all(len(set(w)) == len(w) and list(w) == sorted(w) for w in words)
    np.testing.assert_array_equal(slow_syndromes(code, words)[ok], syndromes[ok])
    assert (positions[~ok] == -1).all()


def test_a_word_of_a_column_left_out_is_not_found():
    full, short = BCH(63, 2), BCH(40, 2)
    syndromes = full.syndromes(np.array([[3, 39], [3, 40], [50, 62]]))
    assert short.p == full.p
    assert short.decode(syndromes)[1].tolist() == [True, False, False]
    assert full.decode(syndromes)[1].all()


def test_blocks_do_not_change_the_answer(monkeypatch):
    code, rng = BCH(200, 4), np.random.default_rng(3)
    known = code.syndromes(np.arange(0, 200, 50) + rng.integers(0, 50, (30, 4)))
    syndromes = np.vstack([known, rng.random((71, code.p)) < 0.5])
    expected = code.decode(syndromes)
    monkeypatch.setattr(bch, "BLOCK_ENTRIES", 1)
    for found, each in zip(code.decode(syndromes), expected, strict=True):
        np.testing.assert_array_equal(found, each)


def test_zero_syndromes_and_no_syndromes():
    code = BCH(100, 5)
    positions, ok = code.decode(np.zeros((2, code.p), bool))
    assert positions.tolist() == [[-1] * 5] * 2
    assert ok.tolist() == [True, True]
    positions, ok = code.decode(np.zeros((0, code.p), bool))
    assert (positions.shape, ok.shape) == ((0, 5), (0,))


def test_locators_are_products_over_the_elements():
    code, rng = BCH(500, 4), np.random.default_rng(8)
    field, elements = code.field, rng.choice(np.arange(1, 512), (50, 4))
    elements = np.array([e for e in elements if len(set(e)) == 4])
    powers = [field.power(elements, j) for j in range(1, 9)]
    locators = error_locators(field, np.bitwise_xor.reduce(powers, axis=2))
    for locator, xs in zip(locators.T, elements, strict=True):
        product = [1]
        for x in xs:
            shifted = [0, *(int(field.multiply(c, x)) for c in product)]
            product = [a ^ b for a, b in zip([*product, 0], shifted, strict=True)]
        assert locator.tolist() == product


# ------------------------------------------------------------------ the mixed basis
def single_flips(code, words):
    """The syndromes of the words with each one of their bits wrong."""
    syndromes = code.syndromes(words)
    return (syndromes[:, None] ^ np.eye(code.p, dtype=bool)).reshape(-1, code.p)


def test_one_wrong_bit_rarely_leads_to_another_word():
    # A random syndrome of this code is one of a word with probability 0.0023.
    words, chance = (
        padded(combinations(range(100), 2), 5),
        sum(comb(100, w) for w in range(6)) / 2**35,
    )
    assert BCH(100, 5).decode(single_flips(BCH(100, 5), words))[1].mean() < 4 * chance


def test_one_wrong_bit_leads_to_another_word_without_mixing(monkeypatch):
    monkeypatch.setattr(bch, "_mixing", lambda p: (np.eye(p, dtype=bool), np.eye(p, dtype=bool)))
    words = padded([(40, 50), (3, 99)], 5)
    assert BCH(100, 5).decode(single_flips(BCH(100, 5), words))[1].all()


def test_inverse_over_gf2():
    matrix = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    product = matrix.astype(int) @ inverse_of_bits(matrix).astype(int) % 2
    assert product.tolist() == np.eye(3).tolist()
    assert inverse_of_bits(np.array([[1, 1], [1, 1]], dtype=bool)) is None


# ------------------------------------------------------------------ words of a stranger
def received_bits(word, length):
    """Bits by degree, so that bit i belongs to column i."""
    return np.array([int(word, 16) >> i & 1 for i in range(length)], dtype=np.int64)


def case_id(case):
    return f"{case['length']}-{case['t']}"


@pytest.mark.parametrize("case", GOLDEN, ids=case_id)
def test_generator_is_the_one_of_galois(case):
    generator = BCH(case["length"], case["t"]).generator
    assert "".join(map(str, generator[::-1])) == case["generator"]


@pytest.mark.parametrize("case", GOLDEN, ids=case_id)
def test_parity_check_annihilates_the_code_words_of_galois(case):
    code = BCH(case["length"], case["t"])
    words = np.array([received_bits(word, code.n) for word in case["codewords"]])
    assert words.any()
    assert not (words @ code.parity_check.T % 2).any()
    assert ((words ^ (np.arange(code.n) == 3)) @ code.parity_check.T % 2).any(axis=1).all()


@pytest.mark.parametrize("case", GOLDEN, ids=case_id)
def test_errors_are_those_galois_finds(case):
    code = BCH(case["length"], case["t"])
    bits = np.array([received_bits(each["word"], code.n) for each in case["received"]])
    positions, ok = code.decode((bits @ code.parity_check.T % 2).astype(bool))
    expected = [each["errors"] for each in case["received"]]
    assert ok.tolist() == [errors is not None for errors in expected]
    np.testing.assert_array_equal(positions, padded([e or [] for e in expected], code.t))


def test_golden_words_hold_both_outcomes():
    outcomes = [each["errors"] is None for case in GOLDEN for each in case["received"]]
    assert {True, False} == set(outcomes)


# ------------------------------------------------------------------ the object
def test_a_code_is_a_small_frozen_value():
    code = BCH(1000, 5)
    code.decode(np.zeros((1, code.p), bool))
    assert code == BCH(1000, 5)
    assert hash(code) == hash(BCH(1000, 5))
    assert len(pickle.dumps(code)) < 2**18  # the tables of the search stay views
    with pytest.raises(FrozenInstanceError):
        code.t = 4
    for array in (code.parity_check, code.generator):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


@pytest.mark.parametrize("n", [0, -3, 65_536])
def test_impossible_lengths_are_refused(n):
    with pytest.raises(ValueError, match=f"between 1 and 65535 columns, got n={n}"):
        BCH(n, 5)


def test_impossible_weights_are_refused():
    with pytest.raises(ValueError, match="at least 1, got t=0"):
        BCH(10, 0)


@pytest.mark.parametrize(
    "syndromes", [np.zeros((2, 7), bool), np.zeros(8, bool), np.zeros((2, 8)), np.zeros((1, 2, 8))]
)
def test_syndromes_of_the_wrong_kind_are_refused(syndromes):
    with pytest.raises(
        ValueError, match=r"BCH\(n=15, t=2\) decodes a bool matrix of 8 columns, got"
    ):
        BCH(15, 2).decode(syndromes)


@pytest.mark.parametrize(("m", "t"), [(3, 2), (4, 3), (3, 5), (5, 4)])
def test_locators_split_where_they_have_as_many_roots_as_degrees(m, t):
    field = Field(m)
    rng = np.random.default_rng(t)
    locators = rng.integers(0, 2**m, (t + 1, 3000)).astype(np.uint16)
    locators[0] = 1
    elements = np.arange(2**m, dtype=np.uint16)
    roots = (field.evaluate(locators[:, :, None], elements) == 0).sum(axis=1)
    full = locators[t] != 0
    np.testing.assert_array_equal(may_split(field, locators)[full], roots[full] == t)
    assert may_split(field, locators)[~full].all()  # of lower degree: left to the search
    assert 0 < (roots[full] == t).sum() < full.sum()
