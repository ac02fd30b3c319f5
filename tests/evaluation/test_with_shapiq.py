"""Everything that takes a shapiq.Game takes an evaluator, and gets the same values from it."""

from __future__ import annotations

import numpy as np
import pytest
import shapiq
from shapiq import Game
from shapiq.approximator import (
    KernelSHAPIQ,
    PermutationSamplingSII,
    RegressionFSII,
    UnbiasedKernelSHAP,
)

from evaluation.games import all_coalitions, truth
from fakes import FakeScorer
from shapiq_spex import SPEX, ProxySPEX, TextGame
from shapiq_spex.evaluation import Evaluator

N = 7


class TruthGame(Game):
    def __init__(self):
        super().__init__(N, normalize=False)
        self.rows = 0

    def value_function(self, coalitions):
        self.rows += len(coalitions)
        return truth(coalitions)


@pytest.fixture
def evaluator(tmp_path):
    return Evaluator(TruthGame(), store=tmp_path / "values", batch_size=10, progress=False)


def values_of(interactions):
    return {players: float(interactions[players]) for players in interactions.interaction_lookup}


APPROXIMATORS = {
    "KernelSHAPIQ": lambda: KernelSHAPIQ(n=N, max_order=2, index="k-SII", random_state=0),
    "UnbiasedKernelSHAP": lambda: UnbiasedKernelSHAP(n=N, random_state=0),
    "PermutationSamplingSII": lambda: PermutationSamplingSII(n=N, max_order=2, random_state=0),
    "RegressionFSII": lambda: RegressionFSII(n=N, max_order=2, random_state=0),
    "ProxySPEX": lambda: ProxySPEX(n=N, random_state=0),
    "SPEX": lambda: SPEX(n=N, random_state=0),
}


@pytest.mark.parametrize("name", APPROXIMATORS)
def test_approximators_find_the_same_and_never_pay_twice(name, evaluator):
    make = APPROXIMATORS[name]
    bare = make().approximate(90, TruthGame())
    assert values_of(make().approximate(90, evaluator)) == values_of(bare)
    paid = evaluator.n_evaluated
    assert 0 < paid == evaluator.n_requested == evaluator.game.rows <= 90
    assert values_of(make().approximate(90, evaluator)) == values_of(bare)
    assert evaluator.n_evaluated == paid


def test_approximators_share_what_was_paid(evaluator):
    for make in APPROXIMATORS.values():
        make().approximate(90, evaluator)
    assert evaluator.game.rows == evaluator.n_requested <= 2**N


def test_shapiqs_explainer_and_exact_values(evaluator):
    explainer = shapiq.AgnosticExplainer(
        evaluator, index="SII", max_order=2, approximator="proxyspex", random_state=0
    )
    found = values_of(explainer.explain(budget=2**N))
    exact = values_of(evaluator.exact_values("SII", 2))
    assert evaluator.game.rows == 2**N
    for players, value in exact.items():
        if players:
            assert found[players] == pytest.approx(value, abs=1e-9)


def test_what_the_base_class_can_do_still_works(evaluator, tmp_path):
    evaluator.precompute()
    assert evaluator.game.rows == 2**N
    evaluator.save_values(tmp_path / "values.npz")
    np.testing.assert_array_equal(evaluator(all_coalitions(N)), truth(all_coalitions(N)))


def test_shapiqs_benchmark_runs_on_it(evaluator):
    benchmark = pytest.importorskip(
        "shapiq_benchmark", reason="shapiq_benchmark comes with shapiq 1.8", exc_type=ImportError
    )
    table = benchmark.run(
        benchmark.Benchmark(evaluator), [ProxySPEX, SPEX], [50, 2**N], index="SII", order=2
    )
    assert set(table.status) == {"ok"}, table.error.tolist()
    assert evaluator.game.rows == 2**N


def test_a_text_game_shows_no_second_bar(capfd):
    game = TextGame("one two three two", FakeScorer())
    evaluator = Evaluator(game)
    rows = all_coalitions(4)
    found = evaluator(rows)
    shown = capfd.readouterr().err
    assert "Evaluating" in shown
    assert "Running the model" not in shown
    assert game.progress is True
    np.testing.assert_array_equal(found, TextGame(game.text, FakeScorer(), progress=False)(rows))
    assert evaluator([("one", "three")]).shape == (1,)
