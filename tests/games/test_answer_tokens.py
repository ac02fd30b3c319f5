"""Tokens of an answer: which characters each is made from, and what is read from some of them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from transformers.convert_slow_tokenizer import bytes_to_unicode  # noqa: E402

from games.naive_answers import (  # noqa: E402
    ANSWER,
    OTHER,
    game_of,
    left_over,
    rows_of,
    token_probabilities,
)
from games.tiny_models import language_model  # noqa: E402
from shapiq_spex.games import TextGame  # noqa: E402

ODD_ANSWERS = (" not 😀 bad", "😀😀", " é… 東京!", " 👨‍👩‍👧 film")  # the last is five characters


def bytes_of(game, number):
    """What a byte-level tokenizer made one token of, from its vocabulary."""
    tokenizer = game.scorer.local.tokenizer
    token = game.scorer.answers[0].ids[number]
    alphabet = bytes_to_unicode()
    back = {sign: byte for byte, sign in alphabet.items()}
    return bytes(back[sign] for sign in tokenizer.convert_ids_to_tokens(token))


# ---------------------------------------------------------------------- characters of tokens
@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
@pytest.mark.parametrize("text", ODD_ANSWERS)
def test_every_token_has_the_characters_its_bytes_are_of(kind, text):
    game = game_of(kind, answer=text)
    answer = game.scorer.answers[0]
    assert answer.text == text
    written = b"".join(bytes_of(game, t) for t in range(len(answer.ids)))
    assert written == text.encode()
    place = [i for i, sign in enumerate(text) for _ in sign.encode()]  # of every byte
    done = 0
    for t, (start, end) in enumerate(answer.offsets):
        size = len(bytes_of(game, t))
        first, last = place[done], place[done + size - 1]
        done += size
        found, expected = text[start:end], text[first : last + 1]
        if kind == "t5":  # whose tokenizer here gives most spaces no characters
            found, expected = found.strip(), expected.strip()
        assert found == expected


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize("text", ODD_ANSWERS)
def test_a_token_alone_is_read_at_its_own_place(kind, text):
    game = game_of(kind, answer=text)
    answer, rows = game.scorer.answers[0], rows_of(game, 4)
    expected = np.array(
        [token_probabilities(game, left_over(game, row), answer)[0] for row in rows]
    )
    for t in range(len(answer.ids)):
        found = game.read_as(span=slice(t, t + 1))(rows)
        np.testing.assert_allclose(found, expected[:, t], rtol=1e-4, atol=1e-4)
    assert len(np.unique(expected.round(6))) > 4


def test_a_character_of_several_tokens_is_read_from_all_of_them():
    game = game_of("gpt2", answer=" not 😀 bad")
    rows, answer = rows_of(game, 4), game.scorer.answers[0]
    face = [t for t, piece in enumerate(answer.pieces) if piece == "😀"]
    assert len(face) == 4
    expected = sum(game.read_as(span=slice(t, t + 1))(rows) for t in face)
    np.testing.assert_allclose(game.read_as(span="😀")(rows), expected)
    after = [t for t, piece in enumerate(answer.pieces) if t > face[-1]]
    expected = sum(game.read_as(span=slice(t, t + 1))(rows) for t in after)
    np.testing.assert_allclose(game.read_as(span=" bad")(rows), expected)


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize("text", ODD_ANSWERS)
def test_a_generated_answer_has_the_places_of_a_given_one(kind, text, monkeypatch):
    given = game_of(kind, answer=text)
    scorer = given.scorer
    start = [1] if kind == "t5" else list(scorer.encode_prompt(scorer.prompt.text).ids)
    made = [*start, *scorer.answers[0].lead, *scorer.answers[0].ids]
    monkeypatch.setattr(type(scorer), "_greedy", lambda *_: made)
    answer = game_of(kind, answer=None).scorer.answers[0]
    assert (answer.text, answer.ids) == (text, scorer.answers[0].ids)
    assert [piece.strip() for piece in answer.pieces] == [
        piece.strip() for piece in scorer.answers[0].pieces
    ]
    rows = rows_of(given, 4)
    for piece in ("😀", "東", "👩", "é…", "bad"):
        if text.count(piece) == 1:
            generated = game_of(kind, answer=None).read_as(span=piece)
            np.testing.assert_array_equal(generated(rows), given.read_as(span=piece)(rows))


def test_characters_spelled_in_bytes_as_llamas_tokenizer_does():
    t = tokenizers
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁": 3, "▁a": 4, "▁film": 5, "a": 6, "▁so": 7}
    vocabulary |= {f"<0x{byte:02X}>": 8 + byte for byte in range(256)}
    core = t.Tokenizer(t.models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = t.pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    core.decoder = t.decoders.Sequence(
        [t.decoders.Replace("▁", " "), t.decoders.ByteFallback(), t.decoders.Fuse()]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>")
    model, _ = language_model("llama")
    game = TextGame.from_causal_lm(
        "a 😀 film", model, tokenizer=tokenizer, answer=" 😀a", progress=False
    )
    answer = game.scorer.answers[0]
    assert answer.pieces == (" ", "😀", "😀", "😀", "😀", "a")
    assert game.scorer._written((), answer.ids) == answer
    assert [player.name for player in game.players] == ["a", "😀", "film"]
    rows = rows_of(game, 4)
    expected = sum(game.read_as(span=slice(i, i + 1))(rows) for i in range(1, 5))
    np.testing.assert_allclose(game.read_as(span="😀")(rows), expected)


# ---------------------------------------------------------------------- spans
def test_another_value_is_read_from_the_same_span():
    game = game_of("gpt2", answer=" not bad, never dull", span="bad", kl=True)
    rows = rows_of(game, 6)
    log_p = game(rows)
    np.testing.assert_allclose(game.read_as(value="probability")(rows), np.exp(log_p))
    assert game.read_as(value="log_odds").scorer.span == "bad"
    whole = game_of("gpt2", answer=" not bad, never dull")(rows)
    np.testing.assert_allclose(game.read_as(span=None)(rows), whole)
    np.testing.assert_allclose(
        game.read_as(value="perplexity").read_as(value="log_prob")(rows), log_p
    )
    with pytest.raises(ValueError, match="'kl' is that of whole answers.*'bad'; give span=None"):
        game.read_as(value="kl")
    assert game.read_as(value="kl", span=None)(rows[1:2]) == pytest.approx(0, abs=1e-6)


def test_a_span_that_is_there_twice_is_refused():
    game = game_of("gpt2", answer=" not bad, not dull")
    with pytest.raises(ValueError, match="has span='not' 2 times; give a longer piece"):
        game.read_as(span="not")
    last = len(game.scorer.answers[0].ids) - 1
    assert game.read_as(span="not dull").scorer._positions[-1] == last


# ---------------------------------------------------------------------- other answers
@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize(
    ("against", "said"),
    [
        (ANSWER, "but ' good film' is the answer itself; leave it out"),
        ([OTHER, "".join([" good", " film"])], "' good film' is the answer itself"),
        ([OTHER, " dull", OTHER], "' not bad, never' is given twice; leave it out"),
    ],
)
def test_an_answer_is_held_against_others_only(kind, against, said):
    with pytest.raises(ValueError, match=f"other answers than the answer, each once, .*{said}"):
        game_of(kind, against=against)


def test_the_models_own_answer_is_held_against_others_only():
    own = game_of("gpt2", answer=None, max_new_tokens=3).scorer.answers[0].text
    with pytest.raises(ValueError, match="is the answer itself"):
        game_of("gpt2", answer=None, max_new_tokens=3, against=own)


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
def test_whole_numbers_of_numpy_are_batch_sizes(kind):
    game = game_of(kind, batch_size=np.int64(3))
    rows = rows_of(game, 10)
    assert type(game.scorer.batch_size) is int
    np.testing.assert_allclose(game(rows), game_of(kind, batch_size=3)(rows))
    with pytest.raises(ValueError, match="batch_size to be a positive whole number, got 2.5"):
        game_of(kind, batch_size=2.5)
