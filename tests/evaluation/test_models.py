"""A neural game that broke off goes on with the bits it had."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.tiny_models import TEXT, language_model, tiny  # noqa: E402
from shapiq_spex import Evaluator, TextGame  # noqa: E402

# Training a tokenizer twice may give two, so each game is made anew of the same parts.
PARTS = {"bert": tiny("bert"), "llama": language_model("llama")}


def classifier():
    model, tokenizer = PARTS["bert"]
    return TextGame.from_classifier(
        TEXT, model, tokenizer=tokenizer, label=1, removal="delete", progress=False
    )


def causal():
    model, tokenizer = PARTS["llama"]
    return TextGame.from_causal_lm(
        TEXT, model, tokenizer=tokenizer, answer=" dull", removal="delete", progress=False
    )


@pytest.mark.parametrize("make", [classifier, causal])
def test_stored_bits_are_reused_and_new_values_agree(make, tmp_path):
    rows = np.unique(np.random.default_rng(0).random((90, make().n_players)) < 0.5, axis=0)
    whole = make()(rows)
    game, calls = make(), []
    outputs = game.outputs

    def interrupted(batch):
        calls.append(len(batch))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return outputs(batch)

    game.outputs = interrupted
    with (
        Evaluator(game, store=tmp_path / "values", batch_size=16, progress=False) as evaluator,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        evaluator(rows)
    kept = caught.value.evaluated_coalitions
    assert len(kept) == 32
    with Evaluator(make(), store=tmp_path / "values", progress=False) as again:
        resumed, bits = again(rows), again.outputs(kept)
        assert (again.n_from_store, again.n_evaluated) == (32, len(rows) - 32)
    np.testing.assert_array_equal(
        bits.reshape(32, -1), np.reshape(caught.value.evaluated_values, (32, -1))
    )
    np.testing.assert_allclose(resumed, whole, atol=1e-5 * np.ptp(whole))
