"""Answers of language models: where they come from, and what is read from them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.naive_answers import (  # noqa: E402
    ABLATED,
    ANSWER,
    OTHER,
    PROMPT,
    game_of,
    left_over,
    next_token_logits,
    rows_of,
    token_probabilities,
)
from games.tiny_models import LANGUAGE_MODELS, byte_level, language_model  # noqa: E402
from shapiq_spex.games import Neutral, TextGame  # noqa: E402


# ---------------------------------------------------------------------- readings
def test_readings_after_the_run_cost_nothing_and_share_an_identity():
    game = game_of("gpt2")
    rows = rows_of(game)
    values = game(rows)
    other = game.read_as(value="perplexity")
    mean = game.read_as(value="mean_log_prob")(rows)
    np.testing.assert_allclose(other(rows), np.exp(-mean))
    np.testing.assert_allclose(values, mean * len(game.scorer.answers[0].ids))
    assert game.n_evaluated == other.n_evaluated == len(game._memory._outputs)
    assert other.identity == game.identity
    assert game.scorer.value == "log_prob"
    np.testing.assert_array_equal(game.aggregate(game.outputs(rows)), values)


def test_a_span_of_the_answer_by_number_and_by_text():
    game = game_of("gpt2", answer=" not bad, never dull")
    rows, (answer,) = rows_of(game, 6), game.scorer.answers
    assert "".join(answer.pieces) == answer.text == " not bad, never dull"
    parts = [game.read_as(span=slice(i, i + 1))(rows) for i in range(len(answer.ids))]
    np.testing.assert_allclose(sum(parts), game(rows))
    assert answer.pieces[2:4] == (" bad", ",")
    expected = parts[2] + parts[3]
    np.testing.assert_allclose(game.read_as(span="bad,")(rows), expected)
    for nothing in ("good", slice(50, 60)):
        with pytest.raises(ValueError, match="No token of the answer .* lies in span="):
            game.read_as(span=nothing)


def test_contrast_of_two_answers_is_the_difference_of_their_log_probabilities():
    rows = rows_of(game_of("qwen2"), 6)
    own, other = (game_of("qwen2", answer=answer)(rows) for answer in (ANSWER, OTHER))
    contrast = game_of("qwen2", against=OTHER)
    assert contrast.scorer.value == "contrast"
    np.testing.assert_allclose(contrast(rows), own - other, atol=1e-4)


def test_single_token_choices_take_one_forward_pass(monkeypatch):
    game = game_of("llama", answer=" good", against=[" bad", " dull"])
    short = [answer for answer in game.scorer.answers if len(answer.ids) == 1]
    assert len(short) >= 2
    game = game_of("llama", answer=short[0].text, against=[a.text for a in short[1:]])
    calls = []
    model = game.scorer.local.model
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    game.scorer.batch_size = 64
    game(rows_of(game, 10))
    assert len(calls) == 2  # the prefix and the batch


def test_the_divergence_is_zero_for_the_whole_prompt_and_needs_no_answer():
    game = game_of("gpt2", answer=None, value="kl")
    assert game.scorer.answers == ()
    rows = rows_of(game, 10)
    values = game(rows)
    assert values[1] == pytest.approx(0, abs=1e-6)
    assert values[0] > 0.01
    assert (values > -1e-6).all()
    assert game.outputs(rows).shape == (10, 1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"value": "kl"}, "make the game with kl=True"),
        ({"value": "contrast"}, "give some as against="),
        ({"value": "loss"}, "value can be log_prob, mean_log_prob"),
    ],
)
def test_readings_that_were_not_declared_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        game_of("gpt2").read_as(**settings)


def test_odd_combinations_are_refused():
    with pytest.raises(ValueError, match="of whole answers, but .* span='good'; give span=None"):
        game_of("gpt2", against=OTHER, span="good")
    with pytest.raises(ValueError, match="'log_prob' needs an answer"):
        game_of("gpt2", answer=None, value="kl").read_as(value="log_prob")


# ---------------------------------------------------------------------- answers
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_without_an_answer_the_models_own_is_taken(kind):
    game = game_of(kind, answer=None, max_new_tokens=4)
    ids, written = left_over(game, [True] * game.n_players), []
    for _ in range(4):
        written.append(int(next_token_logits(game, ids, written).argmax()))
    special = set(game.scorer.local.tokenizer.all_special_ids)
    answer = game.scorer.answers[0]
    assert list(answer.lead + answer.ids) == written
    assert not special & set(answer.ids)
    assert game.grand_coalition_value == pytest.approx(
        token_probabilities(game, ids, answer)[0].sum(), abs=1e-4
    )


def test_the_answer_must_not_share_a_token_with_the_prompt():
    with pytest.raises(
        ValueError, match="joins the end of the prompt, .*'a good ', and.*' film|'film"
    ):
        game_of("gpt2", "a good ", answer="film")
    assert game_of("gpt2", "a good", answer=" film").scorer.answers[0].text == " film"


def test_the_game_must_be_about_the_prompt_of_the_scorer():
    scorer = game_of("gpt2").scorer
    with pytest.raises(ValueError, match="made for the prompt 'a good film.*about 'the film'"):
        TextGame("the film", scorer, removal="delete")
    assert TextGame(PROMPT.keep("the film"), scorer, removal="delete").n_players == 3


def test_an_answer_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no token to score"):
        game_of("t5", answer="")
    with pytest.raises(ValueError, match="joins the end"):
        game_of("gpt2", answer="")


def test_a_prompt_that_leaves_no_room_for_the_answer_is_refused():
    assert game_of("gpt2", "a " * 255, answer=" film").n_players == 255
    with pytest.raises(ValueError, match="reads at most"):
        game_of("gpt2", "a " * 256, answer=" film")


def test_a_neutral_text_that_makes_the_prompt_too_long_is_refused():
    with pytest.raises(ValueError, match="reads at most"):
        game_of("gpt2", "a " * 200, removal=Neutral("good film"))


# ---------------------------------------------------------------------- identity
def test_the_identity_is_json_and_changes_with_all_that_changes_outputs():
    def changed():
        other = game_of("gpt2")
        with torch.no_grad():
            other.scorer.local.model.transformer.h[0].mlp.c_fc.bias[0] += 1e-3
        return other

    games = [
        game_of("gpt2"),
        game_of("gpt2", answer=" good"),
        game_of("gpt2", against=OTHER),
        game_of("gpt2", kl=True),
        game_of("gpt2", removal="filler"),
        game_of("gpt2", removal=Neutral("x")),
        game_of("gpt2", removal=Neutral("y")),
        game_of("gpt2", players="tokens"),
        game_of("gpt2", ABLATED),
        game_of("llama"),
        changed(),
    ]
    texts = [json.dumps(game.identity, sort_keys=True) for game in games]
    assert len(set(texts)) == len(games)
    assert json.dumps(game_of("gpt2").identity, sort_keys=True) == texts[0]
    assert json.dumps(game_of("gpt2", span="good").identity, sort_keys=True) == texts[0]


def test_a_game_can_be_sent_to_another_process():
    game = game_of("mistral")
    rows = rows_of(game)
    values = game(rows)
    sent = pickle.loads(pickle.dumps(game))
    assert sent.scorer._prefix is None
    assert sent.identity == game.identity
    np.testing.assert_array_equal(sent(rows), values)
    assert sent.n_evaluated == game.n_evaluated


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_a_saved_language_model_is_loaded_from_its_folder(kind, tmp_path):
    given = game_of(kind)
    given.scorer.local.model.save_pretrained(tmp_path)
    given.scorer.local.tokenizer.save_pretrained(tmp_path)
    make = TextGame.from_seq2seq if kind == "t5" else TextGame.from_causal_lm
    loaded = make(PROMPT, str(tmp_path), answer=ANSWER, progress=False)
    rows = rows_of(given, 6)
    np.testing.assert_allclose(loaded(rows), given(rows), atol=1e-4)
    assert str(tmp_path) not in json.dumps(loaded.identity)


def test_the_special_tokens_of_a_chat_are_those_of_its_template():
    model, _ = language_model("llama")
    tokenizer = byte_level(special=True)
    tokenizer.chat_template = (
        "<s>{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}model:"
    )
    chat = [{"role": "system", "content": "a film"}, {"role": "user", "content": "is it bad?"}]
    game = TextGame.from_causal_lm(
        chat, model, tokenizer=tokenizer, answer=" good", players="words", progress=False
    )
    ids = game.scorer.encode_prompt(game.text).ids
    assert [ids.count(token) for token in tokenizer.convert_tokens_to_ids(["<s>", "</s>"])] == [
        1,
        2,
    ]
    assert list(ids) == tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert [player.name for player in game.players] == ["is", "it", "bad?"]
    expected = token_probabilities(game, left_over(game, [False] * 3), game.scorer.answers[0])[0]
    assert game.empty_coalition_value == pytest.approx(expected.sum(), abs=1e-4)
