"""What costs: tokens are cut once, the prefix is run once, logits are made where they are read."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.naive_answers import PREFIX, PROMPT, game_of, rows_of  # noqa: E402
from games.tiny_models import CAUSAL, LANGUAGE_MODELS, TEXT, tiny  # noqa: E402
from shapiq_spex.games import Neutral, TextGame  # noqa: E402


def classifier(kind, **settings):
    model, tokenizer = tiny(kind)
    settings = {"tokenizer": tokenizer, "label": 1, "progress": False, **settings}
    return TextGame.from_classifier(TEXT, model, **settings)


def similarity():
    model, tokenizer = tiny("bert")
    settings = {"tokenizer": tokenizer, "query": "a good film", "progress": False}
    return TextGame.from_encoder(TEXT, model=model.bert, **settings)


GAMES = {kind: lambda kind=kind: game_of(kind, kl=True) for kind in LANGUAGE_MODELS}
GAMES |= {
    "bert": lambda: classifier("bert"),
    "roberta, filler": lambda: classifier("roberta", removal="filler"),
    "gpt2 classifier": lambda: classifier("gpt2", removal=Neutral("so")),
    "similarity": similarity,
    "documents": lambda: game_of("llama", removal="attention", players="sentences"),
}


@pytest.mark.parametrize("name", GAMES)
def test_the_tokenizer_is_never_asked_while_coalitions_are_evaluated(name, monkeypatch):
    game, twin = GAMES[name](), GAMES[name]()
    tokenizer, asked = game.scorer.local.tokenizer, []

    def refused(*args, **_):
        asked.append(args)
        raise AssertionError

    for method in ("__call__", "_encode_plus", "encode", "decode", "_decode"):
        monkeypatch.setattr(type(tokenizer), method, refused)
    with pytest.raises(AssertionError):
        game.scorer.encode("the film")
    asked.clear()
    rows = rows_of(game, 12)
    values = game(rows)
    assert not asked
    monkeypatch.undo()
    np.testing.assert_array_equal(values, twin(rows))


@pytest.mark.parametrize("kind", CAUSAL)
def test_logits_are_made_only_where_the_answer_is_scored(kind):
    """Counted at the layer that multiplies with the vocabulary."""
    game = game_of(kind, batch_size=64)
    assert game.scorer.local.accepts("logits_to_keep")
    rows, made = rows_of(game, 10), []
    head = game.scorer.local.model.get_output_embeddings()
    head.register_forward_hook(lambda _, given, __: made.append(tuple(given[0].shape[:2])))
    game.outputs(rows)
    n_answer = len(game.scorer.answers[0].ids)
    lengths = game.n_tokens(rows) - (n_answer - 1)
    wanted = np.unique(lengths[:, None] + np.arange(n_answer))  # after which numbers of tokens
    # The prefix is run for its keys and values, and cannot ask for fewer than one.
    assert made == [(1, 1), (len(np.unique(rows, axis=0)), len(wanted))]
    assert len(wanted) < lengths.max() - len(game.scorer._prefix.ids) + n_answer


@pytest.mark.parametrize("kind", CAUSAL)
def test_rows_of_one_length_have_one_position_for_every_token_of_the_answer(kind):
    game = game_of(kind, removal="filler", batch_size=64)
    rows, made = rows_of(game, 10), []
    head = game.scorer.local.model.get_output_embeddings()
    head.register_forward_hook(lambda _, given, __: made.append(given[0].shape[1]))
    game.outputs(rows)
    assert made == [1, len(game.scorer.answers[0].ids)]


def tokens_read(model):
    """How many tokens each forward pass reads, all rows together."""
    read = []
    model.register_forward_pre_hook(
        lambda _, __, settings: read.append(settings["input_ids"].shape), with_kwargs=True
    )
    return read


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_prefix_is_read_once_and_deletion_makes_sequences_shorter(kind):
    game = game_of(kind, batch_size=4)
    rows = rows_of(game, 24)
    read = tokens_read(game.scorer.local.model)
    game.outputs(rows)
    (one, n_prefix), *batches = read
    fixed = len(game.scorer.encode(PREFIX).ids)
    assert one == 1
    assert n_prefix >= fixed - 1  # the space after it may go with the first word
    distinct = np.unique(rows, axis=0)
    lengths = np.sort(game.n_tokens(distinct))[::-1] - n_prefix
    buckets = [lengths[start : start + 4] for start in range(0, len(lengths), 4)]
    assert batches == [(len(bucket), bucket.max()) for bucket in buckets]
    assert sum(b * longest for b, longest in batches) < 0.8 * len(distinct) * lengths.max()


def test_padding_on_the_right_needs_no_attention_mask():
    game, given = game_of("llama"), []
    game.scorer.local.model.register_forward_pre_hook(
        lambda _, __, settings: given.append(set(settings)), with_kwargs=True
    )
    game.outputs(rows_of(game, 10))
    assert not any("attention_mask" in each or "position_ids" in each for each in given)
    assert game.text == PROMPT.text
