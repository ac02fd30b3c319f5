"""ComponentGame against weights edited by hand."""

from __future__ import annotations

import numpy as np
import pytest

from games import naive_components as naive
from games import tiny_models
from games.small_components import (
    CONFIGS,
    INPUTS,
    PLAYERS,
    assert_close,
    make,
    model_of,
    some,
)
from games.tiny_models import torch
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
