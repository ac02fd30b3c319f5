"""The same result from its store alone."""

from __future__ import annotations

import numpy as np
import pytest

from approximators import ADAPTIVE, APPROXIMATORS, sparse_game
from fakes import FakeScorer, Named
from shapiq_spex import Evaluator, ProxySPEX, TextGame
from shapiq_spex.evaluation import Store
from shapiq_spex.explain import explain
from shapiq_spex.rebuild import StoredGame, rebuild
from shapiq_spex.simple import GreedyAblation, LeaveOneOut, PairwiseAblation

METHODS = APPROXIMATORS | ADAPTIVE
METHODS |= {kind.__name__: kind for kind in (GreedyAblation, LeaveOneOut, PairwiseAblation)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "values.sqlite"


@pytest.mark.parametrize("method", ["auto", "proxyspex", "spex"])
def test_a_result_is_made_again_from_its_store_alone(path, method):
    with Evaluator(Named(), store=path, progress=False) as game:
        found = explain(game, 700, method=method, index="SII", random_state=3)
    again = rebuild(path)
    assert again.series == found.series
    np.testing.assert_array_equal(again.values, found.values)
    assert again.to_frame().equals(found.to_frame())
    assert (again.reason, again.index) == (found.reason, "SII")
    assert again.ledger == found.ledger  # of the run, not of making it again
    assert rebuild(path, random_state=3).ledger.cached == found.n_evaluations
    assert rebuild(path, index="FSII").to_frame().equals(found.to_frame("FSII"))


@pytest.mark.parametrize("method", ["auto", "proxyspex"])
def test_a_result_that_stopped_early_is_made_again(path, method):
    with Evaluator(sparse_game, 12, store=path, progress=False) as game:
        found = explain(game, 4000, method=method, random_state=0, tolerance=0.05)
        assert game.n_evaluated == found.n_evaluations < 2000
    again = rebuild(path)
    assert again.series == found.series
    assert (again.reason, again.ledger) == (found.reason, found.ledger)
    assert found.ledger.tolerance == 0.05
    assert rebuild(path, index="FSII").n_evaluations == found.n_evaluations


@pytest.mark.parametrize("tolerances", [(0.02, None), (None, 0.02), (0.02, 0.3)])
def test_runs_that_differ_in_their_tolerance_alone_are_both_kept(path, tolerances):
    method = ProxySPEX(n=12, random_state=4)
    with Evaluator(sparse_game, 12, store=path, progress=False) as game:
        found = [method.recover(400, game, tolerance=tolerance) for tolerance in tolerances]
        method.recover(400, game, tolerance=tolerances[1])  # once more: an equal run is no new one
    with Store(path) as store:
        assert [run["bill"]["tolerance"] for run in store.runs] == list(tolerances)
    for run, each in enumerate(found):
        again = rebuild(path, run=run)
        assert (again.series, again.ledger) == (each.series, each.ledger)
        np.testing.assert_array_equal(again.plan.coalitions, each.plan.coalitions)


class TwoOutputs:
    n_players = 8

    def outputs(self, x):
        return np.stack([x[:, 0] * 2.0, x[:, 1] * x[:, 2] * 1.0], axis=1)

    @staticmethod
    def aggregate(outputs):
        return outputs[:, 0] - outputs[:, 1]

    def __call__(self, x):
        return self.aggregate(self.outputs(x))


def test_outputs_are_read_as_they_were_or_in_another_way(path):
    with Evaluator(TwoOutputs(), store=path, progress=False) as game:
        found = explain(game, 100, random_state=0)
    assert rebuild(path).series == found.series
    second = rebuild(path, aggregate=lambda outputs: outputs[:, 1])
    assert second.interactions("Moebius")[(1, 2)] == pytest.approx(1.0, abs=1e-6)


def test_a_text_game_is_rebuilt_with_its_names(path):
    game = TextGame("a b c d e f g h", FakeScorer())
    with Evaluator(game, store=path, progress=False) as evaluator:
        found = explain(evaluator, 60, random_state=0)
    again = rebuild(path)
    assert again.names == found.names == tuple("abcdefgh")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("call", ["recover", "approximate"])
def test_every_method_is_noted_down(path, name, call):
    made = METHODS[name](n=12, index="SII", random_state=None)
    with Evaluator(Named(), store=path, progress=False) as game:
        getattr(made, call)(100, game)
        found = made.recover(100, sparse_game)
    again = rebuild(path)
    assert again.series == found.series
    np.testing.assert_array_equal(again.plan.coalitions, found.plan.coalitions)
    np.testing.assert_array_equal(again.values, found.values)
    assert (again.ledger.method, again.ledger.settings) == (type(made).__name__, made.settings)
    assert again.to_frame().drop(columns="label").equals(found.to_frame().drop(columns="label"))
    with Store(path) as store:  # a method within the method leaves no note of its own
        assert len(store.runs) == 1


def test_a_store_keeps_every_run(path):
    with Evaluator(Named(), store=path, progress=False) as game:
        small = ProxySPEX(n=12, random_state=0).recover(60, game)
        large = GreedyAblation(n=12, steps=2, random_state=1).recover(90, game)
    assert rebuild(path).series == rebuild(path, run=1).series == large.series
    assert rebuild(path, run=0).series == rebuild(path, run=-2).series == small.series
    with Evaluator(Named(), store=path, progress=False) as game:  # once more: nothing is new
        again = ProxySPEX(n=12, random_state=0).recover(60, game)
        game.store.write_meta({"text": "a note beside them"})
    assert again.ledger.cached == 60
    with Store(path) as store:
        assert [run["bill"]["method"] for run in store.runs] == ["GreedyAblation", "ProxySPEX"]
    assert rebuild(path).ledger == small.ledger  # what it cost when it was paid
    with pytest.raises(ValueError, match="tells of 2 runs, so there is no run 2"):
        rebuild(path, run=2)


def test_every_reading_of_the_outputs_is_rebuilt(path):
    with Evaluator(TwoOutputs(), store=path, progress=False) as game:
        first = ProxySPEX(n=8, random_state=0).recover(60, game)
        second = ProxySPEX(n=8, random_state=0).recover(
            60, game.reading(lambda outputs: outputs[:, 1])
        )
    assert first.series != second.series
    assert rebuild(path, run=0).series == first.series
    assert rebuild(path, run=1).series == second.series
    np.testing.assert_array_equal(rebuild(path, run=1).values, second.values)


class Centred(TwoOutputs):
    normalization_value = 5.0


def test_centred_values_stay_so(path):
    with Evaluator(Centred(), store=path, progress=False) as game:
        found = ProxySPEX(n=8, random_state=0).recover(60, game)
    assert found.values[0] == -5.0
    np.testing.assert_array_equal(rebuild(path).values, found.values)


class OwnProxy:
    """A surrogate of which a file can hold the name only."""

    def fit(self, coalitions, values, rng, finish):
        return ProxySPEX(n=4).proxy.fit(coalitions, values, rng, finish)


def test_a_proxy_of_ones_own_has_to_be_given_again(path):
    with Evaluator(Named(), store=path, progress=False) as game:
        found = ProxySPEX(n=12, proxy=OwnProxy(), random_state=0).recover(60, game)
    with pytest.raises(ValueError, match="proxy of ProxySPEX was an object of the class OwnProxy"):
        rebuild(path)
    assert rebuild(path, proxy=OwnProxy()).series == found.series


def test_what_a_store_does_not_hold_is_said(path):
    with Evaluator(Named(), store=path, progress=False) as game:
        game(np.random.default_rng(0).random((60, 12)) < 0.5)
    with pytest.raises(ValueError, match="does not say what was made of it"):
        rebuild(path)
    method = ProxySPEX(n=12, random_state=0)
    with pytest.raises(ValueError, match="does not say what was made of it"):
        rebuild(path, approximator=method)
    with pytest.raises(ValueError, match=r"does not hold \d+ of 61 coalitions"):
        rebuild(path, approximator=method, budget=61)
    assert len(StoredGame(path).values) == 60
    with Evaluator(Named(), store=path, progress=False) as game:
        found = method.recover(61, game)
    assert rebuild(path, approximator=method).series == found.series
    assert rebuild(path, approximator=method, index="SII").index == "SII"
    with pytest.raises(ValueError, match=r"does not hold \d+ of 61 coalitions"):
        rebuild(path, random_state=1)
    with pytest.raises(TypeError, match="colour"):
        rebuild(path, colour="red")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"budget": 90}, "budget"),
        ({"random_state": 1}, "random_state"),
        ({"approximator": ProxySPEX(n=12, random_state=2)}, "approximator"),
        ({"approximator": GreedyAblation(n=12), "budget": 50}, "approximator, budget"),
        ({"budget": 90, "random_state": 1}, "budget, random_state"),
    ],
)
def test_changes_that_need_other_coalitions_are_named(path, changes, named):
    with Evaluator(Named(), store=path, progress=False) as game:
        ProxySPEX(n=12, random_state=0).recover(60, game)
    with pytest.raises(ValueError, match=rf"other ones are needed with another {named}; ") as told:
        rebuild(path, **changes)
    assert not hasattr(told.value, "__notes__")  # nothing was paid
    assert "broke off" not in str(told.value)


class Own(ProxySPEX):
    """A method that is not of the package."""


@pytest.mark.parametrize("tolerance", [None, 0.05])
def test_a_method_of_ones_own_has_to_be_given_again(path, tolerance):
    with Evaluator(sparse_game, 12, store=path, progress=False) as game:
        found = Own(n=12, random_state=0).recover(4000, game, tolerance=tolerance)
    with pytest.raises(ValueError, match=r"give rebuild approximator=Own\(\.\.\.\)"):
        rebuild(path)
    again = rebuild(path, approximator=Own(n=12, random_state=0))
    assert again.series == found.series


@pytest.mark.parametrize("run", [1.5, "a", None, True])
def test_a_run_is_a_whole_number(path, run):
    with Evaluator(Named(), store=path, progress=False) as game:
        ProxySPEX(n=12, random_state=0).recover(60, game)
    with pytest.raises(ValueError, match="run needs to be a whole number"):
        rebuild(path, run=run)


@pytest.mark.parametrize("given", [object(), ProxySPEX])
def test_an_approximator_has_to_be_one(path, given):
    with Evaluator(Named(), store=path, progress=False) as game:
        ProxySPEX(n=12, random_state=0).recover(60, game)
    with pytest.raises(TypeError, match="rebuild needs approximator to be an approximator of"):
        rebuild(path, approximator=given)


@pytest.mark.parametrize("stop", [40, 200])
def test_a_run_that_broke_off_is_not_noted_down(path, stop):
    class Breaking(Named):
        def __call__(self, x):
            if len(self.rows) + len(x) > stop:
                raise RuntimeError
            return super().__call__(x)

    with Evaluator(Breaking(), store=path, batch_size=16, progress=False) as game:
        if stop > 100:
            ProxySPEX(n=12, random_state=0).recover(100, game)
        with pytest.raises(RuntimeError):
            ProxySPEX(n=12, random_state=1).recover(300, game)
    with Store(path) as store:
        assert len(store.runs) == (stop > 100)
