"""ComponentGame against weights edited by hand, and what it says when it cannot."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from games import naive_components as naive
from games import tiny_models
from games.tiny_models import torch, transformers
from shapiq_spex import ComponentGame
from shapiq_spex.games import (
    ChoiceMetric,
    ClassMetric,
    MeanAblation,
    NextTokenMetric,
    ResampleAblation,
    SimilarityMetric,
    ZeroAblation,
)

torch.set_num_threads(1)

INPUTS = [(5, 9, 13, 7, 40), (6, 8, 30), (21, 22, 23, 24, 25), (50, 9, 9, 8)]
BODY = {"vocab_size": 60, "num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 16}
WIDE = {**BODY, "intermediate_size": 24, "initializer_range": 0.4, "max_position_embeddings": 40}
GROUPED = {**WIDE, "num_key_value_heads": 2, "pad_token_id": 0}
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**WIDE),
    "roberta": lambda: transformers.RobertaConfig(**WIDE),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=60, dim=16, n_layers=3, n_heads=4, hidden_dim=24, initializer_range=0.4
    ),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=60, n_embd=16, n_layer=3, n_head=4, n_positions=40, initializer_range=0.4
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**WIDE),
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "qwen2": lambda: transformers.Qwen2Config(**GROUPED),
    "mistral": lambda: transformers.MistralConfig(**GROUPED, sliding_window=3),
    "gemma2": lambda: transformers.Gemma2Config(**GROUPED, head_dim=6),
}
ENCODERS = ("bert", "roberta", "distilbert")
PLAYERS = {
    "heads": {},
    "upper heads": {"layers": [1, 2]},
    "top heads": {"layers": [2]},
    "mlps": {"players": "mlps"},
    "layers": {"players": "layers", "layers": [1, 2]},
    "attentions and neurons": {"players": ["attentions", ["L2.N0", "L1.N3"], "L2.N23"]},
    "mixture": {"players": {"early": ["L0.H0", "L1.MLP"], "late": ["L2.H1", "L2.H2"]}},
}


def margin(output, _rows):
    """A plain function as the metric: any output, any architecture."""
    states = output.logits if "logits" in output else output.last_hidden_state
    last = states[:, -1].float()
    return last[:, 3] - last[:, 5] ** 2


def model_of(kind, auto="AutoModel", **settings):
    torch.manual_seed(1)
    config = CONFIGS[kind]()
    for key, value in settings.items():
        setattr(config, key, value)
    model = getattr(transformers, auto).from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.3)
    return model.train()


def make(kind="bert", metric=margin, model=None, **settings):
    model = model_of(kind) if model is None else model
    return ComponentGame(model, INPUTS, metric, **{"progress": False, "batch_size": 7, **settings})


def some(game, count=4, seed=0):
    rows = np.random.default_rng(seed).random((count, game.n_players)) < 0.5
    return np.concatenate([rows, [[False] * game.n_players, [True] * game.n_players]])


def assert_close(found, right):
    assert np.ptp(right) > 1e-3
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-5 * max(1.0, np.ptp(right)))


# ---------------------------------------------------------------------- against edited weights
@pytest.mark.parametrize("players", PLAYERS)
@pytest.mark.parametrize("kind", CONFIGS)
def test_every_architecture_agrees_with_edited_weights(kind, players):
    game = make(kind, **PLAYERS[players])
    rows = some(game)
    right = naive.values(game, game._local.model, INPUTS, rows)
    assert_close(game(rows), right)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "qwen2"])
def test_heads_left_are_scaled_up(kind):
    game = make(kind, removal=ZeroAblation(rescale=True))
    rows = some(game)
    right = naive.values(game, game._local.model, INPUTS, rows, rescale=True)
    assert_close(game(rows), right)
    assert not np.allclose(game(rows), make(kind)(rows))


@pytest.mark.parametrize("kind", ["roberta", "llama"])
@pytest.mark.parametrize("reference", [None, [(7, 7, 8), (9, 10, 11, 12)]])
def test_mean_ablation_puts_the_mean_over_all_tokens(kind, reference):
    game = make(kind, removal=MeanAblation(reference), layers=[1, 2])
    model = game._local.model
    modules = [attention for attention, _ in naive.projections(model)]
    seen = [naive.activations(model, ids, modules) for ids in reference or INPUTS]
    means = [torch.cat([each[layer] for each in seen]).mean(0) for layer in range(3)]

    def fill(layer, tokens):
        return means[layer].expand(tokens, -1)

    rows = some(game, 4)
    right = [
        np.mean([naive.filled(game, x, i, row, fill) for i, x in enumerate(INPUTS)]) for row in rows
    ]
    assert_close(game(rows), np.array(right))


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
@pytest.mark.parametrize("reference", [None, [(7, 7, 8), (9, 10, 11, 12, 13, 14)]])
def test_resampling_patches_from_one_other_input(kind, reference):
    game = make(kind, removal=ResampleAblation(reference, random_state=3), layers=[0, 2])
    model, pool = game._local.model, reference or INPUTS
    partners = game._ablation._partners(len(INPUTS))
    assert reference or (partners != np.arange(len(INPUTS))).all()
    modules = [attention for attention, _ in naive.projections(model)]

    def value(row, i):
        seen = naive.activations(model, pool[partners[i]], modules)

        def fill(layer, tokens):
            other = seen[layer]
            return other[[t % len(other) for t in range(tokens)]]

        return naive.filled(game, INPUTS[i], i, row, fill)

    rows = some(game, 4)
    right = [np.mean([value(row, i) for i in range(len(INPUTS))]) for row in rows]
    assert_close(game(rows), np.array(right))


# ---------------------------------------------------------------------- metrics
@pytest.mark.parametrize("value", ["accuracy", "log_prob", "margin", "score"])
def test_class_metrics(value):
    model = model_of("bert", "AutoModelForSequenceClassification", num_labels=3)
    labels = [0, 2, 1, 2]
    game = make(model=model, metric=ClassMetric(labels, value=value))
    rows = some(game, 3)

    def one(edited, ids, label):
        logits = naive.run(edited, ids).logits[0].double()
        others = torch.cat([logits[:label], logits[label + 1 :]])
        return {
            "accuracy": float(logits.argmax() == label),
            "log_prob": float(logits.log_softmax(0)[label]),
            "margin": float(logits[label] - others.max()),
            "score": float(logits[label]),
        }[value]

    for row, found in zip(rows, game(rows), strict=True):
        edited = naive.edited(model, game.players, row)
        pairs = zip(INPUTS, labels, strict=True)
        assert found == pytest.approx(np.mean([one(edited, x, y) for x, y in pairs]), abs=1e-5)


def test_without_labels_the_intact_model_gives_them():
    model = model_of("gpt2", "AutoModelForCausalLM")
    game = make(model=model, metric=ChoiceMetric([3, 11, 30, 41]))
    assert game.grand_coalition_value == 1.0
    scores = [naive.run(model.eval(), x).logits[0, -1, [3, 11, 30, 41]] for x in INPUTS]
    assert game.metric.labels.tolist() == [int(each.argmax()) for each in scores]
    assert len(set(game(some(game, 20)))) > 2


@pytest.mark.parametrize("span", [slice(None), slice(2, None), slice(1, 3)])
@pytest.mark.parametrize("value", ["log_prob", "accuracy"])
def test_next_token_metrics(span, value):
    model = model_of("llama", "AutoModelForCausalLM")
    game = make(model=model, metric=NextTokenMetric(span=span, value=value))
    rows = some(game, 2)

    def one(edited, ids):
        log_probs = naive.run(edited, ids).logits[0].double().log_softmax(1)
        places = [p for p in range(len(ids))[span] if p > 0]
        if value == "log_prob":
            return np.mean([float(log_probs[p - 1, ids[p]]) for p in places])
        return np.mean([float(log_probs[p - 1].argmax() == ids[p]) for p in places])

    right = [
        np.mean([one(naive.edited(model, game.players, row), x) for x in INPUTS]) for row in rows
    ]
    np.testing.assert_allclose(game(rows), right, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_similarity_metrics(pooling):
    model, tokenizer = tiny_models.tiny("bert")
    texts, candidates = ["a good film", "never dull"], ["good acting", "a bad end", "the cast"]
    metric = SimilarityMetric(candidates, [1, 0], value="margin", scale=10.0, pooling=pooling)
    game = ComponentGame(model.bert, texts, metric, tokenizer=tokenizer, progress=False)

    def embed(body, text):
        states = naive.run(body, tokenizer(text)["input_ids"]).last_hidden_state[0].double()
        pooled = states.mean(0) if pooling == "mean" else states[0]
        return pooled / pooled.norm()

    intact = model.bert.eval()
    directions = torch.stack([embed(intact, text) for text in candidates])
    rows = some(game, 3)
    for row, found in zip(rows, game(rows), strict=True):
        body = naive.edited(intact, game.players, row)
        cosines = [10 * directions @ embed(body, text) for text in texts]
        margins = [c[0] - max(c[1], c[2]) if y == 0 else c[1] - max(c[0], c[2])
                   for c, y in zip(cosines, [1, 0], strict=True)]  # fmt: skip
        assert found == pytest.approx(float(np.mean(margins)), abs=1e-4)


def test_choices_may_be_texts_of_one_token():
    model, tokenizer = tiny_models.language_model("llama")
    texts = ["a good", "the film"]
    (good,) = tokenizer(" good", add_special_tokens=False)["input_ids"]
    (bad,) = tokenizer(" bad", add_special_tokens=False)["input_ids"]
    games = [
        ComponentGame(
            model, texts, ChoiceMetric(c, [0, 1]), tokenizer=tokenizer, progress=False, layers=[1]
        )
        for c in ([" good", " bad"], [good, bad])
    ]
    rows = some(games[0])
    np.testing.assert_array_equal(*(game.read_as(value="margin")(rows) for game in games))
    with pytest.raises(ValueError, match="must be one token of the model, but ' good film' is 2"):
        ComponentGame(model, texts, ChoiceMetric([" good film", good]), tokenizer=tokenizer)


# ---------------------------------------------------------------------- readings
def test_other_readings_cost_nothing():
    model = model_of("bert", "AutoModelForSequenceClassification", num_labels=3)
    game = make(model=model, metric=ClassMetric([0, 2, 1, 2]))
    rows = some(game)
    accuracies = game(rows)
    margins = game.read_as(value="margin", examples=[2, 2, 0])
    each = margins.of_examples(margins.outputs(rows))
    assert each.shape == (len(rows), 3)
    np.testing.assert_array_equal(each[:, 0], each[:, 1])
    np.testing.assert_allclose(margins(rows), each.mean(axis=1))
    np.testing.assert_array_equal(game(rows), accuracies)
    assert margins.n_evaluated == game.n_evaluated == len(rows)
    assert margins.identity == game.identity
    alone = ComponentGame(
        model, [INPUTS[2], INPUTS[0]], ClassMetric([1, 0], value="margin"), progress=False
    )
    weighted = game.read_as(value="margin", examples=[2, 0])
    np.testing.assert_allclose(weighted(rows), alone(rows), atol=1e-5)


def test_the_identity_tells_what_decides_the_outputs():
    def identity(**settings):
        return make(**{"model": model, "metric": ClassMetric([0, 1, 0, 1]), **settings}).identity

    model = model_of("bert", "AutoModelForSequenceClassification", num_labels=2)
    base = identity()
    assert identity() == identity(batch_size=3) == base
    assert identity(metric=ClassMetric([0, 1, 0, 1], value="margin")) == base
    others = [
        identity(metric=ClassMetric([0, 1, 0, 0])),
        identity(layers=[1]),
        identity(players="mlps"),
        identity(players=[["L0.H0", "L0.H1"]]),
        identity(removal="mean"),
        identity(removal=MeanAblation([(3, 4)])),
        identity(removal=ZeroAblation(rescale=True)),
        identity(removal=ResampleAblation(random_state=1)),
        identity(removal="resample"),
    ]
    with torch.no_grad():
        next(iter(model.parameters())).mul_(2)
    others.append(identity())
    assert len({str(each) for each in [base, *others]}) == 1 + len(others)


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
        ({"layers": [3]}, ValueError, "layers of this model are numbered 0 to 2"),
        ({"removal": "noise"}, ValueError, "removal can be zero, mean, resample"),
        ({"removal": ZeroAblation}, TypeError, "an object such as ZeroAblation"),
        ({"batch_size": 0}, ValueError, "ComponentGame needs a batch_size"),
        ({"metric": NextTokenMetric(span=slice(4, None))}, ValueError, "in 2 of 4 inputs"),
        ({"removal": MeanAblation(["a text"])}, ValueError, "without a tokenizer"),
        ({"removal": MeanAblation([()])}, ValueError, "1 of 1 references have no token"),
    ],
)
def test_bad_settings_get_a_sentence(settings, error, sentence):
    with pytest.raises(error, match=sentence):
        make(**settings)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
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
