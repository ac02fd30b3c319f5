"""What every game promises: a table of games times a table of situations."""

from __future__ import annotations

import json
import pickle
import re
from functools import cache

import matplotlib as mpl
import numpy as np
import pytest
from shapiq.explainer.agnostic import AgnosticExplainer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import naive
from approximators import as_dict
from fakes import FakeScorer
from games.loopback import start
from shapiq_spex import SPEX, ComponentGame, MixedGame, ProxySPEX, TextGame, TrainingGame
from shapiq_spex.evaluation import Evaluator
from shapiq_spex.games import (
    ClassMetric,
    MeanAblation,
    Neutral,
    NextTokenMetric,
    Prompt,
    SimilarityMetric,
    Subgame,
    ZeroAblation,
    groups_of,
)
from shapiq_spex.games.models.remote import RemoteScorer

mpl.use("Agg")

import matplotlib.pyplot as plt
import shapiq.plot

REVIEW = "the film never fails, never"
PASSAGES = ["the cast is not bad", "a bad end", "never dull!"]
CHAT = [
    {"role": "system", "content": "a good film"},
    {"role": "user", "content": "the film never fails, is it dull"},
]


def tiny():
    """Loaded late, so that the other games are tested where torch is missing."""
    for name in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(name)
    from games import tiny_models

    tiny_models.torch.set_num_threads(1)
    return tiny_models


def fake(**settings):
    scorer = FakeScorer()
    scorer.identity = {"model": "fake"}
    return TextGame(REVIEW, scorer, progress=False, **settings)


def classifier(kind, **settings):
    model, tokenizer = tiny().tiny(kind)
    return TextGame.from_classifier(
        REVIEW, model, tokenizer=tokenizer, label=1, progress=False, **settings
    )


def encoder(**settings):
    model, tokenizer = tiny().tiny("bert")
    return TextGame.from_encoder(
        REVIEW, model=model.bert, tokenizer=tokenizer, progress=False, **settings
    )


def language(kind, prompt=REVIEW, **settings):
    model, tokenizer = tiny().language_model(kind)
    settings = {"answer": " good film", "progress": False, **settings}
    if isinstance(prompt, list):
        tokenizer.chat_template = (
            "{% for m in messages %}<{{ m.role }}> {{ m.content }}\n{% endfor %}<model>"
        )
    make = TextGame.from_seq2seq if kind == "t5" else TextGame.from_causal_lm
    return make(prompt, model, tokenizer=tokenizer, **settings)


@cache
def server():
    return start().url


def remote(**settings):
    scorer = RemoteScorer(server(), "toy", "the film never fails", " good film", **settings)
    return TextGame(scorer.prompt, scorer, removal="delete", progress=False)


def examples():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = rng.normal(size=(30, 4)) + 2 * np.eye(4)[y]
    return X[:20], y[:20], X[20:], y[20:], list("aabbccddeeabcdeabcde")


def estimator(**settings):
    *data, players = examples()
    model = LogisticRegression()
    return TrainingGame.from_sklearn(model, *data, players=players, progress=False, **settings)


def network(**settings):
    *data, players = examples()
    module = tiny().torch.nn.Linear(4, 3)
    settings = {"lr": 0.1, "epochs": 3, "players": players, "device": "cpu", **settings}
    return TrainingGame.from_torch(module, *data, progress=False, **settings)


def documents(game):
    """The same game with its documents as players."""
    return Subgame(game, groups_of(game, "parts"))


def components(kind, metric, **settings):
    models = tiny()
    causal = kind in models.CAUSAL
    model, tokenizer = models.language_model(kind) if causal else models.tiny(kind)
    model = model.bert if isinstance(metric, SimilarityMetric) else model
    settings = {"layers": [1], "progress": False, "tokenizer": tokenizer, **settings}
    return ComponentGame(model, [REVIEW, *PASSAGES], metric, **settings)


def words_and_heads():
    text = "never a dull film"
    model, tokenizer = tiny().tiny("bert")
    settings = {"layers": [1], "progress": False, "tokenizer": tokenizer}
    game = ComponentGame(model, [text], ClassMetric([1], value="log_prob"), **settings)
    return MixedGame(text, game, words=["never", "dull", "film"], progress=False)


def words_and_examples():
    texts = ["good film", "fine cast", "bad film", "dull cast", "no good"]
    learner = make_pipeline(CountVectorizer(), LogisticRegression())
    data = (texts, [1, 1, 0, 0, 0], ["no dull film"], [0])
    return MixedGame(
        "no dull film",
        TrainingGame.from_sklearn(learner, *data, progress=False),
        progress=False,
    )


DOCUMENTS = Prompt.from_documents(PASSAGES, before="a film:\n\n", after="\n\nis it good?")
GAMES = {
    "fake": fake,
    "fake, groups": lambda: fake(players=[["the", "film"], "fails,", (22, 27)], removal="filler"),
    "bert": lambda: classifier("bert"),
    "bert, hidden": lambda: classifier("bert", removal="attention"),
    "roberta, pattern": lambda: classifier(
        "roberta", players=re.compile("film|never|fails"), removal=Neutral("a")
    ),
    "gpt2 classifier": lambda: classifier("gpt2", removal="delete", output="logit"),
    "labels": encoder,
    "query": lambda: encoder(query="a good film", removal="delete"),
    "gpt2": lambda: language("gpt2"),
    "llama, documents": lambda: language("llama", DOCUMENTS),
    "qwen2, contrast": lambda: language("qwen2", DOCUMENTS, against=" bad", players="words"),
    "mistral, chat": lambda: language("mistral", CHAT, players="words", removal="filler"),
    "llama, divergence": lambda: language("llama", answer=None, value="kl", removal="neutral"),
    "t5": lambda: language("t5", removal="attention", value="log_odds"),
    "fake, few words": lambda: Subgame(fake(), [4, [0, 2], 1]),
    "fake, fewer words": lambda: Subgame(Subgame(fake(), [[0, 1], 3, 2, 4]), [2, 0, 1]),
    "llama, documents of words": lambda: documents(language("llama", DOCUMENTS, players="words")),
    "remote": remote,
    "remote chat": lambda: remote(interface="chat"),
    "examples": estimator,
    "examples, loss": lambda: estimator(value="loss", points=[0, 3], seeds=[0, 1]),
    "examples, network": network,
    "examples, adam": lambda: network(optimizer="adam", value="loss", points=2, batch_size=6),
    "components, bert": lambda: components(
        "bert",
        ClassMetric([0, 2, 1, 2], value="log_prob"),
        players=["heads", "mlps"],
        removal=ZeroAblation(rescale=True),
    ),
    "components, minilm": lambda: components(
        "bert",
        SimilarityMetric(["a good film", "a bad end"], value="margin"),
        players=["heads", "L0.ATTN", ["L0.N3", "L0.N5"]],
        removal="resample",
    ),
    "components, gpt2": lambda: components("gpt2", NextTokenMetric()),
    "components, qwen2": lambda: components(
        "qwen2",
        NextTokenMetric(value="accuracy", span=slice(3, None)),
        players={"low": ["L0"], "heads": ["L1.H0", "L1.H1"], "rest": ["L1.H2", "L1.H3"]},
        removal=MeanAblation([REVIEW]),
    ),
    "words and heads": words_and_heads,
    "words and examples": words_and_examples,
}


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
    again = np.concatenate([fresh(rows[part]) for part in np.array_split(order, 5)])
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
