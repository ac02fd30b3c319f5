"""Classifiers: tiny random ones, against one text at a time."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.tiny_models import TEXT, TOKENIZERS, tiny, wordpiece  # noqa: E402
from shapiq_spex.games import (  # noqa: E402
    ClassScorer,
    Prompt,
    SimilarityScorer,
    TextGame,
    make_players,
)

ODD_TEXTS = (
    TEXT,
    "  Émile's 😀😀 café\t\n\n(the 👨‍👩‍👧 end…)  ",
    "東京 film,  the film\r\nthe end. ",
    "[MASK] <s> never",
)


def values_of(scorer, *sequences):
    """In the order of the sequences, whatever the batches."""
    values = np.full(len(sequences), np.nan)
    for index, outputs in scorer.score(sequences):
        assert len(index) <= scorer.batch_size
        values[index] = scorer.aggregate(outputs)
    return values


def all_coalitions(n):
    return np.array(list(product([False, True], repeat=n)))


def twin(model, tokenizer, game, coalition, *, removal, output, label):
    """The definition: one sequence alone, probabilities from the textbook."""
    absent = [p for p, here in zip(game.players, coalition, strict=True) if not here]
    gone = {token for player in absent for token in player.tokens}
    ids = tokenizer(game.text)["input_ids"]
    if removal == "delete":
        ids = [token for i, token in enumerate(ids) if i not in gone] or [tokenizer.eos_token_id]
    else:
        ids = [tokenizer.mask_token_id if i in gone else token for i, token in enumerate(ids)]
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    p = torch.softmax(logits, 0)[label]
    outputs = {"logit": logits[label], "probability": p, "log_odds": torch.log(p / (1 - p))}
    return outputs[output].item()


CASES = [
    (kind, removal)
    for kind, removal in product(TOKENIZERS, ("mask", "delete"))
    if (kind, removal) != ("gpt2", "mask")  # which has no mask token
]


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("output", ["log_odds", "logit", "probability"])
@pytest.mark.parametrize(("kind", "removal"), CASES)
def test_classifier_agrees_with_one_text_at_a_time(kind, removal, output, padding_side):
    model, tokenizer = tiny(kind, padding_side=padding_side)
    game = TextGame.from_classifier(
        "the film never fails, unbelievably",
        model,
        tokenizer=tokenizer,
        label=2,
        output=output,
        removal=removal,
        batch_size=4,
        progress=False,
    )
    rows = all_coalitions(game.n_players)[::2]
    how = {"removal": removal, "output": output, "label": 2}
    expected = [twin(model, tokenizer, game, row, **how) for row in rows]
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(game(rows), expected, atol=1e-5)


def test_causal_classifier_with_a_pad_id_agrees_with_one_text_at_a_time():
    model, tokenizer = tiny("gpt2", pad_token_id=1)
    game = TextGame.from_classifier(
        TEXT, model, tokenizer=tokenizer, label=1, removal="delete", progress=False
    )
    rows = all_coalitions(game.n_players)[::37]
    how = {"removal": "delete", "output": "log_odds", "label": 1}
    expected = [twin(model, tokenizer, game, row, **how) for row in rows]
    np.testing.assert_allclose(game(rows), expected, atol=1e-5)


def test_the_model_without_a_pad_id_is_left_without_one():
    model, tokenizer = tiny("gpt2")
    scorer = ClassScorer(model, tokenizer, label=0, batch_size=2)
    list(scorer.score([[5, 6], [7, 8], [9]]))
    assert model.config.pad_token_id is None
    with pytest.raises(IndexError):
        list(scorer.score([[5, 10_000]]))
    assert model.config.pad_token_id is None


def test_xlnet_which_answers_from_the_last_position_is_not_padded():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}
    config = transformers.XLNetConfig(**sizes, num_labels=2, initializer_range=0.5)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    scorer = ClassScorer(model, wordpiece())
    sequences = [[7, 8, 9, 10], [7, 8], [9, 3, 4], [5, 6]]
    alone = [values_of(scorer, sequence)[0] for sequence in sequences]
    np.testing.assert_allclose(values_of(scorer, *sequences), alone, atol=1e-5)
    assert np.ptp(alone) > 0.1


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_value_does_not_depend_on_its_batch(kind):
    model, tokenizer = tiny(kind)
    scorer = ClassScorer(model, tokenizer, label=0)
    rng = np.random.default_rng(0)
    sequences = [rng.integers(5, 50, size=size).tolist() for size in rng.integers(1, 40, size=70)]
    results = []
    for batch_size in (1, 3, 64):
        scorer.batch_size = batch_size
        results.append(values_of(scorer, *sequences))
    scale = np.ptp(results[0])
    np.testing.assert_allclose(results[1], results[0], rtol=0, atol=1e-5 * scale)
    np.testing.assert_allclose(results[2], results[0], rtol=0, atol=1e-5 * scale)


def test_longest_sequences_come_first_and_batches_come_one_by_one():
    model, tokenizer = tiny("bert")
    scores = ClassScorer(model, tokenizer, label=0, batch_size=2).score([[7], [7] * 9, [7] * 4])
    index, values = next(scores)
    assert index.tolist() == [1, 2]
    assert values.dtype == np.float64
    assert next(scores)[0].tolist() == [0]


def test_log_odds_stay_finite_when_the_model_is_sure():
    model, tokenizer = tiny("bert")
    with torch.no_grad():
        model.classifier.bias[:] = torch.tensor([500.0, 0.0, 0.0])
    scorer = ClassScorer(model, tokenizer, label=0)
    assert 490 < values_of(scorer, [2, 7, 3])[0] < 510
    assert 0 < values_of(scorer.read_as(label=1, output="probability"), [2, 7, 3])[0] < 1e-200


def test_several_labels_at_once_and_one_label_are_sigmoids():
    for settings in ({"problem_type": "multi_label_classification"}, {"num_labels": 1}):
        model, tokenizer = tiny("bert", **settings)
        values = {
            output: values_of(ClassScorer(model, tokenizer, output=output, label=0), [2, 7, 8, 3])[
                0
            ]
            for output in ("log_odds", "logit", "probability")
        }
        assert values["log_odds"] == values["logit"]
        assert values["probability"] == pytest.approx(1 / (1 + np.exp(-values["logit"])))


def test_a_regression_has_no_log_odds():
    model, tokenizer = tiny("bert", num_labels=1, problem_type="regression")
    with pytest.raises(ValueError, match="regression model has no log_odds; use output='logit'"):
        ClassScorer(model, tokenizer)
    assert ClassScorer(model, tokenizer, output="logit").label == 0


def test_labels_by_number_by_name_and_by_default():
    model, tokenizer = tiny("bert", id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    assert ClassScorer(model, tokenizer, label="bad").label == 0
    assert ClassScorer(model, tokenizer, label=0).label == 0
    assert ClassScorer(model, tokenizer).label == 1
    for wrong in ("worse", 2, -1, True):
        with pytest.raises(ValueError, match="one of .*'bad'.*'good'.* was given"):
            ClassScorer(model, tokenizer, label=wrong)
    three, _ = tiny("bert")
    with pytest.raises(ValueError, match="label must be one of .*but None"):
        ClassScorer(three, tokenizer)


def test_unusable_settings_are_refused():
    model, tokenizer = tiny("bert")
    with pytest.raises(ValueError, match="output can be log_odds, logit, probability"):
        ClassScorer(model, tokenizer, label=0, output="odds")
    for wrong in (0, 2.0, True, np.float64(2)):
        said = f"batch_size to be a positive whole number, got {re.escape(repr(wrong))}"
        with pytest.raises(ValueError, match=said):
            ClassScorer(model, tokenizer, label=0, batch_size=wrong)
    with pytest.raises(ValueError, match="pooling can be mean, cls"):
        SimilarityScorer(model.bert, tokenizer, pooling="max")
    for labels in ("good", ("good",), ("good", " ")):
        with pytest.raises(ValueError, match="compares two different labels"):
            SimilarityScorer(model.bert, tokenizer, labels=labels)


def test_the_wrong_kind_of_model_is_named():
    model, tokenizer = tiny("bert")
    with pytest.raises(ValueError, match="must be a sequence classifier.*BaseModelOutput"):
        list(ClassScorer(model.bert, tokenizer, label=0).score([[2, 3]]))
    with pytest.raises(ValueError, match="must be an encoder.*SequenceClassifierOutput"):
        SimilarityScorer(model, tokenizer)
    with pytest.raises(TypeError, match="model of transformers, but a function"):
        ClassScorer(lambda: 0.0, tokenizer)


def test_a_text_beyond_the_limit_is_refused_not_cut():
    model, tokenizer = tiny("bert")
    with pytest.raises(ValueError, match="has 65 tokens.*at most 64"):
        TextGame.from_classifier("a " * 63, model, tokenizer=tokenizer, label=0)
    assert TextGame.from_classifier("a " * 62, model, tokenizer=tokenizer, label=0).n_players == 62


def test_mask_is_refused_without_a_mask_token():
    model, tokenizer = tiny("gpt2")
    with pytest.raises(ValueError, match="use removal='delete'"):
        TextGame.from_classifier(TEXT, model, tokenizer=tokenizer, label=0)


@pytest.mark.parametrize("kind", ["tokens", "words", "sentences"])
@pytest.mark.parametrize("name", list(TOKENIZERS))
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_every_text_token_of_real_tokenizers_has_one_owner(text, name, kind):
    model, tokenizer = tiny(name)
    encoding = ClassScorer(model, tokenizer, label=0).encode(text)
    players = make_players(Prompt(text), kind, encoding)
    owned = sorted(token for player in players for token in player.tokens)
    assert owned == [i for i, special in enumerate(encoding.special) if not special]
    assert list(encoding.ids) == tokenizer(text)["input_ids"]
    if kind == "words":
        assert [text[p.start : p.end] for p in players] == text.split()


@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
def test_hidden_tokens_of_an_encoder_are_seen_by_nobody_and_keep_their_place(kind):
    model, tokenizer = tiny(kind)
    settings = {"tokenizer": tokenizer, "label": 0, "progress": False}
    game = TextGame.from_classifier("the film never fails", model, removal="attention", **settings)
    rows = all_coalitions(4)
    ids = torch.tensor([tokenizer(game.text)["input_ids"]])
    expected, changed = [], []
    for row in rows:
        seen = torch.ones_like(ids)
        for player, here in zip(game.players, row, strict=True):
            seen[0, list(player.tokens)] = int(here)
        for results, tokens in ((expected, ids), (changed, torch.where(seen == 1, ids, 17))):
            with torch.no_grad():
                z = model(input_ids=tokens, attention_mask=seen).logits[0].double()
            results.append((z[0] - torch.logsumexp(z[1:], 0)).item())
    np.testing.assert_allclose(game(rows), expected, atol=1e-5)
    np.testing.assert_allclose(game(rows), changed, atol=1e-5)
    assert np.ptp(expected) > 0.1
    deleted = TextGame.from_classifier(game.text, model, removal="delete", **settings)
    assert np.abs(game(rows) - deleted(rows))[1:-1].max() > 1e-3


def test_hiding_means_nothing_to_a_classifier_that_reads_the_last_token():
    model, tokenizer = tiny("gpt2")
    settings = {"tokenizer": tokenizer, "label": 0, "removal": "attention"}
    with pytest.raises(ValueError, match="answers from the last token"):
        TextGame.from_classifier(Prompt(TEXT).keep("the film"), model, **settings)
    kept = TextGame.from_classifier(Prompt(TEXT).keep("bad"), model, progress=False, **settings)
    assert np.ptp(kept(all_coalitions(kept.n_players)[::50])) > 0


def test_the_logits_of_all_classes_are_kept_and_read_again():
    model, tokenizer = tiny("bert", id2label={0: "bad", 1: "fair", 2: "good"}, label2id={})
    settings = {"tokenizer": tokenizer, "progress": False}
    game = TextGame.from_classifier(TEXT, model, label="good", **settings)
    rows = all_coalitions(game.n_players)[::60]
    first = game(rows)
    again = game.read_as(label="bad", output="probability")
    fresh = TextGame.from_classifier(TEXT, model, label="bad", output="probability", **settings)
    np.testing.assert_array_equal(again(rows), fresh(rows))
    total = sum(game.read_as(label=i, output="probability")(rows) for i in range(3))
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert again.identity == game.identity == fresh.identity
    assert again.n_evaluated == game.n_evaluated
    np.testing.assert_array_equal(game(rows), first)
    with pytest.raises(ValueError, match="label must be one of"):
        game.read_as(label="best")
