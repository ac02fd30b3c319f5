"""Loading models from their folders, their limits, and refusing what cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.tiny_models import tiny  # noqa: E402
from shapiq_spex.games import ClassScorer, SimilarityScorer, TextGame  # noqa: E402
from shapiq_spex.games.models.loading import token_limit  # noqa: E402


def test_a_model_object_needs_a_fast_tokenizer():
    model, _ = tiny("bert")
    with pytest.raises(ValueError, match="comes without its tokenizer; give it as tokenizer="):
        ClassScorer(model, label=0)
    with pytest.raises(ValueError, match="cannot tell where in the text.*give a fast one"):
        ClassScorer(model, type("Slow", (), {"is_fast": False})(), label=0)
    with pytest.raises(ValueError, match="No tokenizer could be loaded from '/nowhere'"):
        ClassScorer(model, "/nowhere", label=0)


def test_a_saved_classifier_is_loaded_from_its_folder(tmp_path):
    model, tokenizer = tiny("roberta")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    rows = np.array([[i >> j & 1 for j in range(3)] for i in range(8)])
    settings = {"label": 0, "progress": False}
    loaded = TextGame.from_classifier("never so good", str(tmp_path), **settings)
    given = TextGame.from_classifier("never so good", model, tokenizer=tmp_path, **settings)
    np.testing.assert_allclose(loaded(rows), given(rows), rtol=1e-6)
    assert np.ptp(given(rows)) > 0.01


def test_weights_in_half_precision_are_run_in_single(tmp_path):
    model, tokenizer = tiny("bert")
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    scorer = ClassScorer(tmp_path, tokenizer, label=0)
    assert scorer.local.model.dtype == torch.float32


def test_an_untrained_head_is_refused(tmp_path):
    model, tokenizer = tiny("bert")
    model.bert.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"never trained.*classifier\.bias, classifier\.weight"):
        ClassScorer(tmp_path, label=0)
    assert SimilarityScorer(tmp_path).max_tokens == 64


def test_an_unknown_model_is_one_sentence_with_its_cause(tmp_path):
    with pytest.raises(ValueError, match="could not be loaded; give the name") as caught:
        ClassScorer(tmp_path / "nothing", label=0)
    assert caught.value.__cause__ is not None


def test_limits_of_models():
    model, tokenizer = tiny("bert")
    assert token_limit(model, tokenizer) == 64
    tokenizer.model_max_length = 10
    assert token_limit(model, tokenizer) == 10
    roberta, tokenizer = tiny("roberta")
    assert token_limit(roberta, tokenizer) == 64
    roberta(input_ids=torch.full((1, 64), 7))
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        roberta(input_ids=torch.full((1, 65), 7))
    unlimited = transformers.T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    assert token_limit(transformers.T5EncoderModel(unlimited), tokenizer) is None
