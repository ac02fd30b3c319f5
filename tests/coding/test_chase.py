"""Soft decoding against maximum likelihood over all words, and what noise does to it."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, erfc, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapiq_spex.coding import bch, chase
from shapiq_spex.coding.bch import BCH
from shapiq_spex.coding.chase import cheapest_flips, likely_words


def pairs(count, n, t, seed):
    """Words of weight 2 as places (count, t)."""
    rng = np.random.default_rng(seed)
    words = np.full((count, t), -1)
    words[:, :2] = np.sort([rng.choice(n, 2, replace=False) for _ in range(count)])
    return words


def noisy_signs(code, words, sd, seed):
    noise = np.random.default_rng(seed).standard_normal((len(words), code.p))
    return 1.0 - 2.0 * code.syndromes(words) + sd * noise


def soft_decode(code, reliabilities, tries=55):
    """The most likely word of each row, whether there is one, and its soft distance."""
    rows, words = likely_words(code, reliabilities, tries=tries)
    where, first = np.unique(rows, return_index=True)
    positions = np.full((len(reliabilities), code.t), -1)
    ok, distance = np.zeros(len(positions), bool), np.full(len(positions), np.inf)
    positions[where], ok[where] = words[first], True
    wrong = code.syndromes(words[first]) != (reliabilities[where] < 0)
    distance[where] = (wrong * np.abs(reliabilities[where])).sum(axis=1)
    return positions, ok, distance


def share_right(found, words):
    return (found == words).all(axis=1).mean()


# ------------------------------------------------------------------ flip patterns
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    magnitudes=st.integers(1, 8).flatmap(
        lambda p: st.lists(st.integers(0, 9), min_size=p, max_size=p)  # sums without rounding, ties
    ),
    tries=st.integers(1, 300),
)
def test_cheapest_flips_are_the_first_of_all_sets(magnitudes, tries):
    p = len(magnitudes)
    every = sorted(
        sum(m for m, f in zip(magnitudes, s, strict=True) if f) for s in product([0, 1], repeat=p)
    )
    costs, flips = cheapest_flips(np.array([magnitudes], dtype=float), tries)
    assert costs[0].tolist() == every[:tries]
    assert (flips[0] @ np.array(magnitudes)).tolist() == every[:tries]
    assert len({tuple(f) for f in flips[0].tolist()}) == len(flips[0])
    assert not flips[0, 0].any()


def test_cheapest_flips_of_more_bits_than_an_integer_has():
    magnitudes = np.full((2, 140), 50.0)
    magnitudes[0, [130, 5, 77]] = [1, 2, 4]
    magnitudes[1] = np.arange(140, 0, -1)
    costs, flips = cheapest_flips(magnitudes, 8)
    assert costs[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert sorted(np.flatnonzero(flips[0].any(axis=0)).tolist()) == [5, 77, 130]
    assert costs[1].tolist() == [0, 1, 2, 3, 3, 4, 4, 5]
    np.testing.assert_array_equal((flips * magnitudes[:, None]).sum(axis=2), costs)


def test_the_last_bit_that_is_counted_stands_for_itself():
    costs, flips = cheapest_flips(np.ones((1, 140)), 100)
    assert costs[0].tolist() == [0] + [1] * 62 + [2] * 37
    np.testing.assert_array_equal(flips.sum(axis=2), costs)


# ------------------------------------------------------------------ maximum likelihood
def brute_force(code, reliabilities):
    """The smallest soft distance over all words of weight at most t, and its word."""
    words = [w for weight in range(code.t + 1) for w in combinations(range(code.n), weight)]
    padded = np.array([[*w, *[-1] * (code.t - len(w))] for w in words])
    wrong = code.syndromes(padded)[None] != (reliabilities < 0)[:, None]
    distance = (wrong * np.abs(reliabilities)[:, None]).sum(axis=2)
    return padded[distance.argmin(axis=1)], distance.min(axis=1)


@pytest.mark.parametrize(("n", "t"), [(15, 2), (10, 2), (9, 3), (7, 1), (3, 5), (16, 2)])
def test_all_flips_give_maximum_likelihood(n, t):
    code = BCH(n, t)
    reliabilities = np.random.default_rng(n).standard_normal((40, code.p))
    expected, least = brute_force(BCH(n, min(n, t)), reliabilities)
    positions, ok, distance = soft_decode(code, reliabilities, tries=2**code.p)
    assert ok.all()
    np.testing.assert_array_equal(positions[:, : min(n, t)], expected)
    np.testing.assert_allclose(distance, least, rtol=1e-12, atol=1e-12)


def test_few_flips_find_nothing_that_is_better_than_the_best():
    code = BCH(15, 2)
    reliabilities = np.random.default_rng(2).standard_normal((300, code.p))
    _, least = brute_force(code, reliabilities)
    before = np.full(300, np.inf)
    for tries in (1, 2, 4, 8, 16, 64):
        _, ok, distance = soft_decode(code, reliabilities, tries=tries)
        assert (distance >= least - 1e-12).all()
        assert (distance <= before).all()
        assert np.isfinite(distance).tolist() == ok.tolist()
        before = distance


def test_every_tried_pattern_that_has_a_word_gives_it():
    code = BCH(40, 3)
    reliabilities = np.random.default_rng(4).standard_normal((30, code.p))
    _, flips = cheapest_flips(np.abs(reliabilities), 25)
    expected = []
    for row, patterns in enumerate(flips):
        for pattern in patterns:
            word, ok = code.decode((reliabilities[row] < 0)[None] ^ pattern)
            expected += [(row, *word[0])] if ok[0] else []
    rows, words = likely_words(code, reliabilities, tries=25)
    assert np.column_stack([rows, words]).tolist() == [list(each) for each in expected]
    assert len(rows) > len(set(rows.tolist()))  # some rows have several


def test_one_try_is_the_hard_decision():
    code = BCH(40, 3)
    reliabilities = np.random.default_rng(4).standard_normal((500, code.p))
    positions, ok, distance = soft_decode(code, reliabilities, tries=1)
    expected, decodable = code.decode(reliabilities < 0)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(ok, decodable)
    assert 0 < ok.sum() < 500
    np.testing.assert_array_equal(distance, np.where(decodable, 0.0, np.inf))


# ------------------------------------------------------------------ noise
SD, COUNT = 0.5, 600  # a sign is wrong with probability P(N(0, 1) > 2) = 0.0228


def test_soft_decoding_recovers_what_hard_decoding_loses():
    code, words = BCH(100, 5), pairs(COUNT, 100, 5, seed=0)
    signs = noisy_signs(code, words, SD, seed=1)
    # All 35 signs are right with probability 0.446; hard decoding finds these words alone.
    all_right = (1 - erfc(1 / SD / sqrt(2)) / 2) ** code.p
    hard, soft = (share_right(soft_decode(code, signs, tries=k)[0], words) for k in (1, 55))
    assert abs(hard - all_right) < 4 * sqrt(all_right * (1 - all_right) / COUNT)
    # 0.971 of 10,000 other words; four standard deviations below that for 600.
    assert soft > 0.971 - 4 * sqrt(0.971 * 0.029 / COUNT)


def test_soft_decoding_recovers_nothing_without_mixing(monkeypatch):
    monkeypatch.setattr(bch, "_mixing", lambda p: (np.eye(p, dtype=bool), np.eye(p, dtype=bool)))
    code, words = BCH(100, 5), pairs(COUNT, 100, 5, seed=0)
    assert share_right(soft_decode(code, noisy_signs(code, words, SD, seed=1))[0], words) < 0.55


def test_noise_alone_finds_words_as_often_as_chance_has_it():
    code = BCH(1000, 5)
    reliabilities = np.random.default_rng(6).standard_normal((COUNT, code.p))
    of_one = sum(comb(1000, w) for w in range(6)) / 2**code.p  # 0.7% of the syndromes have words
    for tries in (8, 55):
        share = 1 - (1 - of_one) ** tries  # 6% and 33%
        found = soft_decode(code, reliabilities, tries=tries)[1].mean()
        assert abs(found - share) < 4 * sqrt(share * (1 - share) / COUNT)


# ------------------------------------------------------------------ the function
def test_scale_does_not_matter():
    code, words = BCH(60, 5), pairs(50, 60, 5, seed=2)
    signs = noisy_signs(code, words, SD, seed=3)
    positions, ok, distance = soft_decode(code, signs)
    scaled = soft_decode(code, 8.0 * signs)
    np.testing.assert_array_equal(scaled[0], positions)
    np.testing.assert_array_equal(scaled[1], ok)
    np.testing.assert_array_equal(scaled[2], 8.0 * distance)


def test_blocks_do_not_change_the_answer(monkeypatch):
    code, words = BCH(30, 3), pairs(60, 30, 3, seed=5)
    signs = noisy_signs(code, words, 1.0, seed=6)
    expected = soft_decode(code, signs, tries=20)
    monkeypatch.setattr(chase, "BLOCK_ENTRIES", 1)
    for found, each in zip(soft_decode(code, signs, tries=20), expected, strict=True):
        np.testing.assert_array_equal(found, each)


def test_no_rows():
    rows, words = likely_words(BCH(30, 3), np.zeros((0, 15)))
    assert (rows.shape, words.shape) == ((0,), (0, 3))


@pytest.mark.parametrize(
    ("reliabilities", "tries", "message"),
    [
        (np.ones((2, 7)), 5, r"needs 8 reliabilities a row, got shape \(2, 7\)"),
        (np.ones(8), 5, r"needs 8 reliabilities a row, got shape \(8,\)"),
        (np.full((1, 8), np.nan), 5, "finite reliabilities, got nan or inf"),
        (np.full((1, 8), -np.inf), 5, "finite reliabilities, got nan or inf"),
        (np.ones((1, 8)), 0, "at least one try, the hard decision, got tries=0"),
    ],
)
def test_bad_input_is_refused(reliabilities, tries, message):
    with pytest.raises(ValueError, match=message):
        likely_words(BCH(15, 2), reliabilities, tries=tries)
