from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest

from shapiq_spex import FourierSeries
from shapiq_spex.spex import candidates
from shapiq_spex.spex.candidates import decoded, listed, paired, promising
from shapiq_spex.spex.evidence import prices, weigh
from shapiq_spex.spex.measure import Locator, bins
from shapiq_spex.spex.plan import plan_spex


def as_tuples(sets):
    return [tuple(sorted(p for p in row if p >= 0)) for row in sets.tolist()]


@pytest.fixture(scope="module")
def plan():
    return plan_spex(30, 1500, 4, np.random.default_rng(0))


def measured_of(plan, terms, noise=0.0):
    values = FourierSeries.from_terms(plan.n, terms)(plan.coalitions)
    return bins(plan, values + noise * np.random.default_rng(1).normal(size=len(values)))


def test_a_clean_bin_gives_its_set_away_and_a_false_home_is_refused(plan):
    locate = Locator(plan)
    measured = measured_of(plan, {(3, 8, 21): -1.5})
    places = locate(np.array([[3, 8, 21, -1]])).bin[:, 0]
    found = decoded(plan.code, locate, measured[places], places[:, None], tries=1)
    assert as_tuples(found) == [(3, 8, 21)]
    wrong = (places + 1) % len(measured)
    assert len(decoded(plan.code, locate, measured[places], wrong[:, None], tries=1)) == 0
    both = np.stack([places, wrong], axis=1)
    assert len(decoded(plan.code, locate, measured[places], both, tries=1)) == 0


def test_wrong_signs_are_turned_and_the_zero_delay_is_doubted(plan):
    locate = Locator(plan)
    places = locate(np.array([[2, 5, -1, -1]]))
    row = places.sign[0].copy()
    row[[0, 7]] *= -0.1  # the zero delay and another sign, both small
    home = places.bin[:1]
    assert len(decoded(plan.code, locate, row[None], home, tries=1)) == 0
    assert (2, 5) in as_tuples(decoded(plan.code, locate, row[None], home, tries=20))


def test_pairs_hold_the_same_set_and_one_fresh_bin(plan):
    locate = Locator(plan)
    measured = measured_of(plan, {(3, 8): 1.0, (1, 9, 11): 0.8}, noise=0.3)
    fresh = np.ones(len(measured), dtype=bool)
    sums, pairs = paired(measured, locate.group, fresh)
    assert (locate.group[pairs[:, 0]] < locate.group[pairs[:, 1]]).all()
    assert sums.shape == (len(pairs), measured.shape[1])
    where = locate(np.array([[3, 8, -1, -1]])).bin[:, 0].tolist()
    assert any(set(pair) <= set(where) for pair in pairs.tolist())
    k = next(i for i, pair in enumerate(pairs.tolist()) if set(pair) <= set(where))
    weights = 1 / (measured[pairs[k]] ** 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sums[k], (weights * measured[pairs[k]]).sum(axis=0))
    fresh[:] = False
    fresh[where[0]] = True
    _, pairs = paired(measured, locate.group, fresh)
    assert (pairs == where[0]).any(axis=1).all()


def test_the_list_holds_each_small_set_once():
    for n, t in ((6, 3), (4, 6), (1, 2)):
        sets = np.concatenate(list(listed(n, t, np.zeros((0, t), dtype=int))))
        expected = [s for size in range(min(n, t) + 1) for s in combinations(range(n), size)]
        assert sorted(as_tuples(sets)) == sorted(expected)


def test_the_list_stops_before_it_gets_too_long(monkeypatch):
    monkeypatch.setattr(candidates, "LISTED", 200)
    sizes = {len(s) for sets in listed(20, 5, np.zeros((0, 5), dtype=int)) for s in as_tuples(sets)}
    assert sizes == {0, 1}  # 1 + 20 + 190 are more than 200


def test_the_list_goes_one_player_around_what_was_found(monkeypatch):
    monkeypatch.setattr(candidates, "LISTED", 200)
    found = np.array([[2, 5, -1], [7, 8, 9]])
    sets = as_tuples(np.concatenate(list(listed(20, 3, found))))
    expected = {(5,), (2,), (2, 5), (8, 9), (7, 9), (7, 8)}
    expected |= {tuple(sorted((2, 5, j))) for j in range(20) if j not in (2, 5)}
    assert {s for s in sets if len(s) > 1} == {s for s in expected if len(s) > 1}


def test_the_screen_keeps_what_is_worth_its_price(plan):
    locate, worth = Locator(plan), prices(plan.n, plan.code.t)
    truth = {(4,): 0.4, (6, 7): 0.4, (1, 2, 3): -0.4}
    measured = measured_of(plan, truth, noise=2.0)
    sets = np.concatenate(list(listed(plan.n, 3, np.zeros((0, 3), dtype=int))))
    sets = np.pad(sets, ((0, 0), (0, 1)), constant_values=-1)
    assert len(sets) == sum(comb(30, d) for d in range(4))
    none = np.zeros(len(measured), dtype=int)
    gain = weigh(measured, none, locate(sets), 1e-20).gain
    good = sets[gain > worth[(sets >= 0).sum(axis=1)]]
    kept = promising(sets, measured, locate, worth)
    assert set(as_tuples(good)) >= set(truth)
    assert set(as_tuples(good)) <= set(as_tuples(kept))
    assert len(kept) < len(sets) / 10


def test_no_pair_where_no_two_bins_agree(plan):
    measured = np.ones((2, plan.code.p + 1)) * np.array([[1.0], [-1.0]])
    sums, pairs = paired(measured, np.array([0, 1]), np.ones(2, dtype=bool))
    assert (sums.shape, pairs.shape) == ((0, plan.code.p + 1), (0, 2))
    sums, pairs = paired(measured[:1], np.zeros(1, dtype=int), np.ones(1, dtype=bool))
    assert len(pairs) == 0
