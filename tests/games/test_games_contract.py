"""What every game promises: a table of games times a table of situations."""

from __future__ import annotations

import json
import pickle

import matplotlib as mpl
import numpy as np
import pytest
from shapiq.explainer.agnostic import AgnosticExplainer

import naive
from approximators import as_dict
from games.table_of_games import GAMES
from shapiq_spex import SPEX, ProxySPEX, TextGame
from shapiq_spex.evaluation import Evaluator
from shapiq_spex.games import Subgame

mpl.use("Agg")

import matplotlib.pyplot as plt
import shapiq.plot


@pytest.fixture(params=GAMES)
def game(request):
    return GAMES[request.param]()


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    yield
    plt.close("all")


def whole(game):
    """The game that evaluates, behind what looks at a part of it."""
    return whole(game.game) if isinstance(game, Subgame) else game


def forgetful(game):
    """A copy of the game, sent to another process, that has to run the model again."""
    fresh = pickle.loads(pickle.dumps(game))
    whole(fresh)._memory = type(whole(fresh)._memory)()
    return fresh


def everything(game):
    return np.array([[i >> j & 1 for j in range(game.n_players)] for i in range(2**game.n_players)])


def scale_of(values):
    assert np.ptp(values) > 1e-6
    return np.ptp(values)


def test_values_are_fixed_numbers_whatever_the_call(game):
    rows = everything(game).astype(bool)
    values = game(rows)
    assert values.shape == (len(rows),)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(game(rows[::-1]), values[::-1])
    fresh = forgetful(game)
    order = np.random.default_rng(0).permutation(len(rows))
    again = np.concatenate([fresh(rows[part]) for part in np.array_split(order, 4)])
    np.testing.assert_allclose(again, values[order], rtol=0, atol=1e-5 * scale_of(values))


def test_it_is_shapiqs_game_and_knows_its_ends(game):
    ends = game(np.array([[False] * game.n_players, [True] * game.n_players]))
    assert game.empty_coalition_value == ends[0]
    assert game.grand_coalition_value == ends[1]
    assert whole(game).n_evaluated == 2


def test_players_have_names_of_their_own(game):
    names = list(game.player_name_lookup)
    assert len(names) == game.n_players > 1
    everyone = game.grand_coalition[np.newaxis]
    np.testing.assert_array_equal(game([tuple(names)]), game(everyone))


def test_players_of_a_text_have_places_in_it(game):
    game = whole(game)
    if not isinstance(game, TextGame):
        pytest.skip("its players are no pieces of a text")
    assert [player.name for player in game.players] == list(game.player_name_lookup)
    assert all(game.text[slice(*span)].strip() for p in game.players for span in p.spans)
    owned = [token for player in game.players for token in player.tokens]
    assert len(set(owned)) == len(owned)


def test_outputs_are_a_matrix_from_which_the_values_follow(game):
    rows = everything(game)
    outputs = game.outputs(rows)
    assert outputs.ndim == 2
    assert outputs.dtype == np.float64
    np.testing.assert_array_equal(game.aggregate(outputs), game(rows))
    np.testing.assert_array_equal(game.aggregate(outputs[3:5]), game(rows[3:5]))


def test_the_identity_is_json_and_survives_the_trip_to_another_process(game):
    sent = pickle.loads(pickle.dumps(game))
    assert json.dumps(sent.identity) == json.dumps(game.identity)
    assert game.keeps_values


def test_tokens_are_counted(game):
    if not hasattr(game, "n_tokens"):
        pytest.skip("it reads no tokens")
    counted = game.n_tokens(everything(game))
    assert (counted > 0).all()
    assert whole(game).n_evaluated == 0


def test_an_evaluator_records_its_outputs_and_reads_its_values(game, tmp_path):
    rows, store = everything(game).astype(bool), tmp_path / "store"
    with Evaluator(game, store=store, progress=False, batch_size=7) as evaluator:
        np.testing.assert_allclose(evaluator(rows), game(rows), rtol=1e-12)
    fresh = forgetful(game)
    with Evaluator(fresh, store=store, progress=False) as evaluator:
        np.testing.assert_allclose(evaluator(rows), game(rows), rtol=1e-12)
    assert whole(fresh).n_evaluated == 0


@pytest.mark.parametrize("approximator", [SPEX, ProxySPEX])
def test_approximators_are_exact_on_all_coalitions(game, approximator):
    n = game.n_players
    found = approximator(n=n, index="k-SII", max_order=2).approximate(2**n, game)
    table = game(everything(game))
    expected, values = naive.index(table, "k-SII", 2), as_dict(found)
    pairs = {t: (values.get(t, 0.0), expected.get(t, 0.0)) for t in {*values, *expected} - {()}}
    found, right = np.array(list(pairs.values())).T
    np.testing.assert_allclose(found, right, atol=1e-9 * max(1.0, np.abs(table).max()))


def test_shapiqs_explainer_takes_it(game):
    explainer = AgnosticExplainer(game, approximator="proxyspex", index="SV", max_order=1)
    found = explainer.explain(budget=2**game.n_players)
    total = sum(value for t, value in as_dict(found).items() if t)
    spread = game.grand_coalition_value - game.empty_coalition_value
    assert total == pytest.approx(spread, abs=1e-9 * max(1.0, abs(spread)))


def test_shapiqs_plots_draw_it(game):
    n = game.n_players
    names = list(game.player_name_lookup)
    found = ProxySPEX(n=n, index="k-SII", max_order=2).approximate(2**n, game)
    plots = shapiq.plot
    plots.network_plot(found, feature_names=names, show=False)
    plots.si_graph_plot(found, feature_names=names, show=False)
    plots.upset_plot(found, feature_names=names, show=False)
    plots.bar_plot([found], feature_names=names, show=False)
    plots.waterfall_plot(found, feature_names=names, show=False)
    plots.sentence_plot(found, words=names, show=False)
    assert plt.get_fignums()


def test_shapiqs_benchmark_runs_it(game):
    benchmark = pytest.importorskip(
        "shapiq_benchmark", reason="comes with shapiq 1.8", exc_type=ImportError
    )
    table = benchmark.run(
        benchmark.Benchmark(game), [ProxySPEX], [2**game.n_players], index="k-SII", order=2
    )
    assert set(table.status) == {"ok"}, table.error.tolist()
    assert (table.mse < 1e-9 * max(1.0, np.square(game(everything(game))).max())).all()
