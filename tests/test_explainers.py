"""`approximator="proxyspex"` in shapiq's explainers is our class and gives the exact index."""

from __future__ import annotations

import numpy as np
import pytest
from shapiq import Explainer, Game
from shapiq.explainer.agnostic import AgnosticExplainer
from shapiq.explainer.tabular import TabularExplainer

import naive
from approximators import as_dict, assert_same, random_table
from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.interop import canonical
from shapiq_spex.spex.plan import largest_design

N = 5
CASES = [("SV", 1), ("BV", 1)] + [
    (index, order)
    for index in ("Moebius", "SII", "k-SII", "STII", "FSII", "FBII", "BII")
    for order in (1, 2, 3)
]
TABLE = random_table(N, seed=8)
DATA = np.random.default_rng(0).normal(size=(30, N))


class TableGame(Game):
    def __init__(self):
        super().__init__(N, normalize=False)

    def value_function(self, coalitions):
        return naive.as_game(TABLE)(coalitions)


def model(x):
    return 2.0 + x[:, 0] - 3.0 * x[:, 1] * x[:, 2] + x[:, 2] * x[:, 3] * x[:, 4]


def players_only(values):
    """What is compared: explainers write a () of their own, and zeros may be left out."""
    return {t: value for t, value in values.items() if t and abs(value) > 1e-9}


@pytest.mark.parametrize(("index", "order"), CASES)
def test_the_agnostic_explainer(index, order):
    explainer = AgnosticExplainer(
        TableGame(), approximator="proxyspex", index=index, max_order=order, random_state=0
    )
    assert type(explainer.approximator) is ProxySPEX
    found = explainer.explain(budget=2**N)
    assert players_only(as_dict(found)) == pytest.approx(
        players_only(naive.index(TABLE, index, order))
    )
    ours = ProxySPEX(n=N, index=index, max_order=order, random_state=0)
    assert_same(found, ours.approximate(2**N, TableGame()))


def test_spex_explains_from_a_coded_design():
    class Sparse(Game):
        def __init__(self):
            super().__init__(30, normalize=False)

        def value_function(self, coalitions):
            return 2.0 * coalitions[:, [3, 8, 15]].all(axis=1)

    assert largest_design(30, 700, 5) is not None
    explainer = AgnosticExplainer(
        Sparse(), approximator="spex", index="Moebius", max_order=3, random_state=0
    )
    assert type(explainer.approximator) is SPEX
    found = players_only(as_dict(explainer.explain(budget=700)))
    assert found == pytest.approx({(3, 8, 15): 2.0})


@pytest.mark.parametrize(("index", "order"), CASES)
def test_the_explainer_of_a_callable(index, order):
    explainer = Explainer(
        model, DATA, index=index, max_order=order, approximator="proxyspex", random_state=0,
        imputer="baseline",
    )  # fmt: skip
    assert type(explainer) is TabularExplainer
    assert type(explainer.approximator) is ProxySPEX
    found = explainer.explain(DATA[0], budget=2**N)
    means = DATA.mean(axis=0)
    table = model(np.where(naive.rows(N), DATA[0], means))
    name, top = canonical(index, order)
    assert found.index in (name, "BV")  # shapiq calls FBII of order 1 so
    expected = players_only(naive.index(table, index, order))  # FBII of order 1 is BV but for ()
    assert players_only(as_dict(found)) == pytest.approx(expected, abs=1e-9)
    assert found.max_order == top
    if index in naive.EFFICIENT:
        assert found[()] == found.baseline_value == pytest.approx(table[0])


@pytest.mark.parametrize("index", ["k-SII", "FBII"])
def test_fewer_evaluations_and_seeds(index):
    def explain(seed):
        explainer = Explainer(
            model, DATA, index=index, max_order=2, approximator="proxyspex", random_state=seed,
            imputer="baseline",
        )  # fmt: skip
        return explainer.explain(DATA[0], budget=20)

    assert as_dict(explain(0)) == as_dict(explain(0))
    assert as_dict(explain(0)) != as_dict(explain(1))


def test_a_seed_given_to_explain_reaches_the_approximator():
    explainer = AgnosticExplainer(
        TableGame(), approximator="proxyspex", index="SII", max_order=2, random_state=0
    )
    found = explainer.explain(budget=20, random_state=5)
    ours = ProxySPEX(n=N, index="SII", max_order=2, random_state=5)
    assert_same(found, ours.approximate(20, TableGame()))


def test_an_instance_is_passed_through():
    ours = ProxySPEX(n=N, index="STII", max_order=2, proxy="gp", random_state=0)
    explainer = AgnosticExplainer(TableGame(), approximator=ours, index="STII", max_order=2)
    assert explainer.approximator is ours
    assert_same(explainer.explain(budget=20), ours.approximate(20, TableGame()))


@pytest.mark.parametrize(("index", "order"), [("SV", 2), ("BV", 3), ("k-SII", 1), ("SII", 9)])
def test_settings_the_agnostic_explainer_passes_on_unchecked(index, order):
    explainer = AgnosticExplainer(
        TableGame(), approximator="proxyspex", index=index, max_order=order, random_state=0
    )
    found = explainer.explain(budget=2**N)
    assert (found.index, found.max_order) == canonical(index, order)
    expected = naive.index(TABLE, index, order)
    assert players_only(as_dict(found)) == pytest.approx(players_only(expected), abs=1e-9)
