"""Words and heads, words and training examples: each value against one made by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fakes import FakeScorer
from shapiq_spex import ComponentGame, MixedGame, ProxySPEX, TextGame, TrainingGame
from shapiq_spex.games import (
    ChoiceMetric,
    ClassMetric,
    MeanAblation,
    NextTokenMetric,
    Prompt,
)

TEXT = "the film never fails"
TEXTS = ["a good film", "never dull", "the cast is good", "a bad end", "dull film", "it fails"]
LABELS = [1, 1, 1, 0, 0, 0]


def rows_of(n, count=24, seed=0):
    rows = np.random.default_rng(seed).random((count, n)) < 0.5
    rows[0], rows[1] = False, True
    return rows


# ---------------------------------------------------------------------- words and components
def models():
    for name in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(name)
    from games import tiny_models

    tiny_models.torch.set_num_threads(1)
    return tiny_models


def of_bert(metric=None, **settings):
    model, tokenizer = models().tiny("bert")
    metric = metric or ClassMetric([1], value="log_prob")
    settings = {"tokenizer": tokenizer, "progress": False, **settings}
    return ComponentGame(model, [TEXT], metric, **settings)


def one_at_a_time(game, rows, removal):
    """For each row the text is cut first, then a game of its own ablates the model."""
    words = len([lens for lens in game.lenses if lens == "words"])
    values = []
    for row in rows:
        sequence = game._text._substitution(row[np.newaxis, :words])[0]
        own = ComponentGame(
            game.game._local.model,
            [sequence.tolist()],
            game.game.metric,
            players=[player.player.name for player in game.players[words:]],
            removal=removal,
            progress=False,
        )
        values.append(float(own(row[np.newaxis, words:])[0]))
    return np.array(values)


@pytest.mark.parametrize("layers", [[0, 1], [1]])
@pytest.mark.parametrize("how", ["mask", "delete"])
def test_words_and_heads_go_as_one_at_a_time(layers, how):
    game = MixedGame(TEXT, of_bert(layers=layers), removal=how, progress=False)
    rows = rows_of(game.n_players)
    expected = one_at_a_time(game, rows, "zero")
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(game(rows), expected, atol=1e-5 * np.ptp(expected))


def test_what_fills_an_absent_head_is_taken_from_the_reference_for_every_text():
    reference = ["the cast is not bad", "a good film"]
    game = MixedGame(TEXT, of_bert(removal=MeanAblation(reference), layers=[1]), progress=False)
    ids = [game.game._local.encode(text).ids for text in reference]
    rows = rows_of(game.n_players, 12)
    expected = one_at_a_time(game, rows, MeanAblation(ids))
    np.testing.assert_allclose(game(rows), expected, atol=1e-5 * np.ptp(expected))


def test_the_mean_of_the_own_text_is_that_of_the_whole_text():
    game = MixedGame(TEXT, of_bert(removal="mean", layers=[1]), progress=False)
    ids = [game.game._local.encode(TEXT).ids]
    rows = rows_of(game.n_players, 12)
    expected = one_at_a_time(game, rows, MeanAblation(ids))
    np.testing.assert_allclose(game(rows), expected, atol=1e-5 * np.ptp(expected))


def test_the_ends_are_those_of_the_two_games():
    components = of_bert(layers=[1])
    game = MixedGame(TEXT, components, progress=False)
    n_words = game.lenses.count("words")
    no_word_absent = rows_of(game.n_players)
    no_word_absent[:, :n_words] = True
    alone = components(no_word_absent[:, n_words:])
    np.testing.assert_allclose(game(no_word_absent), alone, atol=1e-6)
    local = components._local
    text = TextGame.from_classifier(
        TEXT, local.model, tokenizer=local.tokenizer, label=1, output="probability", progress=False
    )
    no_head_absent = rows_of(game.n_players, seed=1)
    no_head_absent[:, n_words:] = True
    np.testing.assert_allclose(
        np.exp(game(no_head_absent)), text(no_head_absent[:, :n_words]), atol=1e-6
    )


def test_another_reading_costs_nothing():
    game = MixedGame(TEXT, of_bert(layers=[1]), progress=False)
    rows = rows_of(game.n_players)
    values, run = game(rows), game.n_evaluated
    accuracy = game.read_as(value="accuracy")(rows)
    assert set(accuracy) <= {0.0, 1.0}
    assert game.n_evaluated == run == len(np.unique(rows, axis=0))
    np.testing.assert_array_equal(game(rows), values)


def test_a_causal_model_without_a_mask_token_loses_words_by_deletion():
    model, tokenizer = models().language_model("gpt2")
    metric = ChoiceMetric([5, 6, 7], [1], value="margin")
    components = ComponentGame(model, [TEXT], metric, tokenizer=tokenizer, progress=False)
    game = MixedGame(TEXT, components, progress=False)
    rows = rows_of(game.n_players, 12)
    expected = one_at_a_time(game, rows, "zero")
    np.testing.assert_allclose(game(rows), expected, atol=1e-5 * np.ptp(expected))


# ---------------------------------------------------------------------- words and examples
def learner():
    return make_pipeline(CountVectorizer(), LogisticRegression())


def of_examples(**settings):
    data = (TEXTS, LABELS, [TEXT], [1])
    return TrainingGame.from_sklearn(learner(), *data, progress=False, **settings)


def test_words_and_examples_go_as_one_at_a_time():
    game = MixedGame(TEXT, of_examples(), progress=False)
    rows = rows_of(game.n_players, 40)
    words = TEXT.split()
    expected = []
    for row in rows:
        text = " ".join(word for word, kept in zip(words, row, strict=False) if kept)
        game_of_text = TrainingGame.from_sklearn(
            learner(), TEXTS, LABELS, [text], [1], progress=False
        )
        expected.append(game_of_text(row[np.newaxis, len(words) :])[0])
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(game(rows), expected, atol=1e-12)


@pytest.mark.parametrize(
    "text", ["not bad ", "a\nb not bad", "\n\n not\t\tbad\u2003film \n", " dull", "a  b  c d"]
)
def test_the_white_space_of_the_text_stays_between_its_words(text):
    letters = make_pipeline(CountVectorizer(analyzer="char"), LogisticRegression())
    labels = ["bad\n", "not\t", " a\u2003", "b  "], [1, 0, 1, 0]
    of_letters = TrainingGame.from_sklearn(letters, *labels, [text], [0], progress=False)
    game = MixedGame(text, of_letters, progress=False)
    plain = game._text.scorer
    assert plain.decode(range(len(text.split()))) == text
    whole = np.ones((1, game.n_players), dtype=bool)
    np.testing.assert_array_equal(game(whole), of_letters(np.ones((1, 4), dtype=bool)))
    ends = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    for number, word in enumerate(text.split()):
        assert plain.decode([number]) == word.join(ends)
    assert plain.decode([-1]) == "".join(ends)


def test_no_training_set_is_trained_on_twice_for_the_texts():
    training = of_examples(players=list("aabbcc"), value="loss")
    trained = []
    train = training.learner.train

    def counted(data, sets):
        trained.extend(map(tuple, sets.tolist()))
        return train(data, sets)

    training.learner.train = counted
    game = MixedGame(TEXT, training, progress=False)
    rows = np.array([[i >> j & 1 for j in range(7)] for i in range(128)], dtype=bool)
    game(rows)
    assert len(trained) == len(set(trained)) == 8
    np.testing.assert_allclose(
        game.read_as(value="margin")(rows),
        MixedGame(TEXT, training.read_as(value="margin"), progress=False)(rows),
    )


def test_a_word_and_the_example_that_taught_it_are_found_across_the_lenses():
    game = MixedGame("dull", of_training_of_one_word(), progress=False)
    found = ProxySPEX(n=game.n_players).recover(2**game.n_players, game)
    table = game.across(found.to_frame("FBII", 2))
    assert table["players"][0] == "dull × 1"
    assert all(min(pair) == 0 < max(pair) for pair in table["interaction"])
    assert len(table) == len(game.players) - 1


def of_training_of_one_word():
    texts, labels = ["good", "dull", "fine", "bad"], [1, 0, 1, 0]
    return TrainingGame.from_sklearn(learner(), texts, labels, ["dull"], [0], progress=False)


# ---------------------------------------------------------------------- refusals
def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match="needs a ComponentGame or a TrainingGame, not TextGame"):
        MixedGame(TEXT, TextGame(TEXT, FakeScorer()))
    with pytest.raises(TypeError, match="needs the text as a string, not as a Prompt"):
        MixedGame(Prompt(TEXT).keep("film"), of_examples())
    with pytest.raises(ValueError, match="about the one text 'another'.*only input or test point"):
        MixedGame("another", of_examples())
    with pytest.raises(ValueError, match="removed by 'delete' only, not 'mask'"):
        MixedGame(TEXT, of_examples(), removal="mask")
    game = MixedGame(TEXT, of_examples(), progress=False)
    with pytest.raises(ValueError, match=re.escape("shape is (1, 2)")):
        game.value_function(np.ones((1, 2), dtype=bool))


def test_components_of_other_texts_and_of_tokens_are_refused():
    with pytest.raises(ValueError, match="about the one text"):
        MixedGame("the film", of_bert())
    model, tokenizer = models().language_model("gpt2")
    tokens = ComponentGame(model, [TEXT], NextTokenMetric(), tokenizer=tokenizer, progress=False)
    with pytest.raises(TypeError, match="NextTokenMetric has no fixed tokens"):
        MixedGame(TEXT, tokens)
    grouped = of_bert(players=["L0", "L1"])
    assert MixedGame(TEXT, grouped).lenses == ["words"] * 4 + ["components"] * 2
