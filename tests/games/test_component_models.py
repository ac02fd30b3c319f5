"""ComponentGame: what it leaves of a model, its players, and what it says when it cannot."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from games import naive_components as naive
from games import tiny_models
from games.small_components import (
    GROUPED,
    INPUTS,
    PLAYERS,
    WIDE,
    assert_close,
    make,
    margin,
    model_of,
    some,
)
from games.tiny_models import torch, transformers
from shapiq_spex import ComponentGame
from shapiq_spex.games import (
    ChoiceMetric,
    ClassMetric,
    MeanAblation,
    NextTokenMetric,
    ZeroAblation,
)


# ---------------------------------------------------------------------- the model
@pytest.mark.parametrize("kind", ["bert", "qwen2"])
def test_what_lies_below_the_first_player_is_computed_once(kind, monkeypatch):
    game = make(kind, layers=[2])
    layers = game._model._layers
    runs = []
    own = type(layers[0]).forward
    monkeypatch.setattr(
        type(layers[0]), "forward", lambda self, *a, **k: (runs.append(self), own(self, *a, **k))[1]
    )
    game(some(game, 3))
    below = sum(run is layers[0] for run in runs)
    game(some(game, 9, seed=1))
    assert sum(run is layers[0] for run in runs) == below
    assert sum(run is layers[2] for run in runs) > below


def test_a_model_whose_upper_layers_look_further_down_is_run_as_a_whole():
    """The states that the layer below hands over are then not all there is."""
    model = model_of("bert")
    stash = []
    model.encoder.layer[0].register_forward_hook(lambda _m, _a, out: stash.append(out))
    model.encoder.layer[2].register_forward_hook(lambda _m, _a, out: out + stash[-1][:, :1])
    game = make(model=model, layers=[1, 2])
    rows = some(game, 4)
    found = game(rows)
    assert game._model._states is None
    whole = make(model=model)
    padded = np.c_[np.ones((len(rows), 4), dtype=bool), rows]
    assert_close(found, whole(padded))


@pytest.mark.parametrize("failing", [False, True])
def test_the_model_is_left_as_it_was(failing):
    model = model_of("llama")
    before = naive.run(model.eval(), INPUTS[0]).last_hidden_state

    def metric(output, rows):
        if failing:
            raise KeyError
        return margin(output, rows)

    game = make(model=model, metric=metric, layers=[1])
    if failing:
        with pytest.raises(KeyError):
            game(some(game))
    else:
        game(some(game))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not any("forward" in m.__dict__ for m in model.modules())
    torch.testing.assert_close(naive.run(model, INPUTS[0]).last_hidden_state, before)


def test_a_forward_that_another_package_put_there_is_put_back():
    model = model_of("bert")
    layer = model.encoder.layer[0]
    own = layer.forward
    theirs = layer.forward = partial(own)
    game = make(model=model, layers=[1])
    game(some(game))
    assert layer.forward is theirs


def test_threads_that_share_a_model_take_turns():
    model = model_of("gpt2")
    games = [make(model=model, layers=[i]) for i in (0, 1, 2)] * 2
    blocks = [some(game, 4, seed=i) for i, game in enumerate(games)]
    right = [
        naive.values(game, model, INPUTS, rows) for game, rows in zip(games, blocks, strict=True)
    ]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda game, rows: game(rows), games, blocks))
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))


def test_it_travels_without_what_can_be_computed_again():
    game = make("bert", metric=margin, layers=[2], removal="resample")
    rows = some(game)
    values = game(rows)
    assert game._model._states is not None
    sent = pickle.loads(pickle.dumps(game))
    assert sent._model._states is None
    sent._memory = type(sent._memory)()
    np.testing.assert_allclose(sent(rows), values, atol=1e-6)
    assert sent._model._layers[0] is not game._model._layers[0]
    assert sent._model._layers[0] is sent._local.model.encoder.layer[0]


def test_batches_shrink_when_memory_runs_out():
    def metric(output, rows):
        if len(rows.examples) > 2:
            msg = "CUDA out of memory"
            raise RuntimeError(msg)
        return margin(output, rows)

    game, right = make(metric=metric, batch_size=16), make()
    rows = some(game)
    np.testing.assert_allclose(game(rows), right(rows), atol=1e-5)
    assert game._model.batch_size in (1, 2)


# ---------------------------------------------------------------------- players
def test_players_are_named_by_their_place():
    names = {
        key: [p.name for p in make(**settings).players][:5] for key, settings in PLAYERS.items()
    }
    assert names["upper heads"] == ["L1.H0", "L1.H1", "L1.H2", "L1.H3", "L2.H0"]
    assert names["mlps"] == ["L0.MLP", "L1.MLP", "L2.MLP"]
    assert names["layers"] == ["L1", "L2"]
    assert names["attentions and neurons"][2:] == ["L2.ATTN", "L2.N0+L1.N3", "L2.N23"]
    assert names["mixture"] == ["early", "late"]
    assert [p.layer for p in make(players=[["L2.N0", "L1.N3"], "L2.ATTN"]).players] == [1, 2]
    assert make(players="neurons", layers=[0]).n_players == 24


BAD_PLAYERS = {
    "L3.H0": "no component 'L3.H0': it has layers L0 to L2 with heads H0 to H3",
    "L0.H4": "no component 'L0.H4'",
    "L0.N24": "no component 'L0.N24'",
    "head": "no component 'head'",
}


@pytest.mark.parametrize("players", BAD_PLAYERS)
def test_unknown_components_are_refused(players):
    with pytest.raises(ValueError, match=BAD_PLAYERS[players]):
        make(players=players)


@pytest.mark.parametrize(
    ("players", "sentence"),
    [
        (["L1.H0", ["L1.H0", "L1.H1"]], "L1.H0 belongs to 'L1.H0[+]L1.H1' and to 'L1.H0'"),
        ([["L1.H0", "L1.H0"]], "L1.H0 belongs to"),
        (["heads", "layers"], "can belong to one player"),
        (["L1.ATTN", "L1.H2"], "L1.H2 belongs to 'L1.H2' and to 'L1.ATTN'"),
        (["L1.N0", "L1"], "L1.N0 belongs to 'L1.N0' and to 'L1'"),
        ([], "found no player"),
        ([[]], "needs at least one name"),
        ({}, "found no player"),
    ],
)
def test_players_that_contradict_each_other_are_refused(players, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(players=players)


def test_query_heads_are_players_where_keys_are_shared():
    assert make("qwen2").n_players == 12


# ---------------------------------------------------------------------- refusals
def albert():
    return transformers.AlbertModel(
        transformers.AlbertConfig(**{**WIDE, "embedding_size": 8, "inner_group_num": 1})
    )


def t5():
    return tiny_models.language_model("t5")[0]


def mamba():
    config = transformers.MambaConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2)
    return transformers.MambaModel(config)


@pytest.mark.parametrize("build", [t5, mamba])
def test_models_that_are_not_covered_are_refused(build):
    with pytest.raises(ValueError, match="one stack of layers like those of BERT"):
        make(model=build())


def test_a_projection_that_several_layers_share_is_refused():
    game = make(model=albert())
    with pytest.raises(ValueError, match="AlbertModel runs a projection 3 times"):
        game(some(game))


def test_experts_are_no_mlp_but_their_heads_are_players():
    config = transformers.MixtralConfig(**GROUPED, num_local_experts=2, num_experts_per_tok=1)
    torch.manual_seed(0)
    model = transformers.MixtralModel(config)
    assert make(model=model).n_players == 12
    with pytest.raises(ValueError, match="no component 'L0.MLP'"):
        make(model=model, players="L0.MLP")
    with pytest.raises(ValueError, match="the model has no such components"):
        make(model=model, players="mlps")


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"layers": 1.0}, ValueError, "layers of this model are numbered 0 to 2, but got 1.0"),
        ({"layers": -1}, ValueError, "layers of this model are numbered 0 to 2, but got -1"),
        ({"layers": "all"}, ValueError, "layers of this model are numbered 0 to 2, but got 'all'"),
        ({"layers": [3]}, ValueError, "layers of this model are numbered 0 to 2"),
        ({"removal": "noise"}, ValueError, "removal can be zero, mean, resample"),
        ({"removal": ZeroAblation}, TypeError, "an object such as ZeroAblation"),
        ({"batch_size": 0}, ValueError, "ComponentGame needs batch_size to be a pos"),
        ({"metric": NextTokenMetric(span=slice(4, None))}, ValueError, "in 2 of 4 inputs"),
        ({"removal": MeanAblation(["a text"])}, ValueError, "without a tokenizer"),
        ({"removal": MeanAblation([()])}, ValueError, "1 of 1 references have no token"),
    ],
)
def test_bad_settings_get_a_sentence(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        make(**settings)


CAUSAL, MASKED, CLASSES = (
    partial(model_of, kind, auto)
    for kind, auto in [
        ("gpt2", "AutoModelForCausalLM"),
        ("bert", "AutoModelForMaskedLM"),
        ("bert", "AutoModelForSequenceClassification"),
    ]
)


@pytest.mark.parametrize(
    ("build", "metric", "sentence"),
    [
        (MASKED, NextTokenMetric(), "BertForMaskedLM is no causal .* NextTokenMetric has nothing"),
        (MASKED, ChoiceMetric([3, 5]), "BertForMaskedLM is no causal .* ChoiceMetric has nothing"),
        (partial(model_of, "bert"), NextTokenMetric(), "BertModel is no causal language model"),
        (partial(model_of, "gpt2"), NextTokenMetric(), "needs logits with .*AutoModelForCausalLM"),
        (
            partial(model_of, "gpt2"),
            ChoiceMetric([3, 5]),
            "needs logits with 3 axes, .* gives none",
        ),
        (partial(model_of, "bert"), ClassMetric(), "needs logits with 2 axes, .* gives none"),
        (CAUSAL, ClassMetric(), r"2 axes, but the model gives those of shape \(.*, 60\)"),
        (CAUSAL, ChoiceMetric([3, 3]), r"choices that differ, but \[3, 3\]"),
        (CAUSAL, ChoiceMetric([3, 60]), "choices hold the token id 60, .* ids 0 to 59"),
        (CAUSAL, ChoiceMetric([3, -1]), "choices hold the token id -1"),
        (CLASSES, NextTokenMetric(), "BertForSequenceClassification is no causal"),
    ],
)
def test_a_metric_for_another_kind_of_model_is_refused(build, metric, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(model=build(), metric=metric).grand_coalition_value  # noqa: B018


def test_numbers_of_numpy_are_numbers():
    names = [player.name for player in make(layers=[1, 2]).players]
    for layers in (np.array([1, 2]), range(1, 3), (np.int64(2), np.int32(1))):
        assert [player.name for player in make(layers=layers).players] == names
    for layers in (2, np.int64(2)):
        assert [player.name for player in make(layers=layers).players] == names[4:]
    own, theirs = (
        make(model=CAUSAL(), metric=ChoiceMetric(choices)) for choices in ([3, 5], np.array([3, 5]))
    )
    assert json.dumps(own.identity) == json.dumps(theirs.identity)
    np.testing.assert_array_equal(own(some(own)), theirs(some(own)))
    with pytest.raises(ValueError, match="a list of token ids or texts"):
        ChoiceMetric([3.0, 5])


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ([(5, 60), (7,)], "inputs hold the token id 60, .* has the ids 0 to 59"),
        ([(5, -1)], "inputs hold the token id -1"),
        ([], "needs inputs as a list of texts"),
        ("a text", "needs inputs as a list of texts"),
        (["a text"], "were|was given inputs as texts and a model object"),
        ([(3, 4), ()], "1 of 2 inputs have no token"),
        ([list(range(41))], "has 41 tokens"),
    ],
)
def test_bad_inputs_get_a_sentence(inputs, sentence):
    with pytest.raises(ValueError, match=sentence):
        ComponentGame(model_of("bert"), inputs, margin)


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2, 3], [0, 1, -1, 0], [0.5, 1, 0, 1]])
def test_bad_labels_get_a_sentence(labels):
    model = model_of("bert", "AutoModelForSequenceClassification", num_labels=3)
    with pytest.raises(ValueError, match="label"):
        make(model=model, metric=ClassMetric(labels))


def test_other_refusals():
    with pytest.raises(ValueError, match="value can be accuracy"):
        ClassMetric(value="loss")
    alone = ComponentGame(model_of("bert"), INPUTS[:1], margin, removal="resample")
    with pytest.raises(ValueError, match="there is only one"):
        alone(some(alone))
    game = make()
    with pytest.raises(TypeError, match="one way only"):
        game.read_as(value="margin")
    with pytest.raises(ValueError, match="numbers of the 4 inputs"):
        game.read_as(examples=[4])
    two = make(metric=lambda output, _rows: output.last_hidden_state[:, 0, :2])
    with pytest.raises(ValueError, match="2 numbers an example, but no `aggregate`"):
        two(some(two))
    broken = make(metric=lambda output, _rows: output.last_hidden_state[:, 0, 0] * np.nan)
    with pytest.raises(ValueError, match="no finite number"):
        broken(some(broken))
    with pytest.raises(TypeError, match="name, a folder or a model"):
        ComponentGame(object(), INPUTS, margin)
