"""Models are taken as they are given: in half precision, quantised, spread over devices."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.naive_answers import ANSWER, PROMPT, left_over, rows_of  # noqa: E402
from games.tiny_models import language_model, tiny  # noqa: E402
from shapiq_spex.games import TextGame  # noqa: E402

KINDS = ["bert", "gpt2", "llama", "t5"]


def model_of(kind):
    model, tokenizer = tiny(kind) if kind == "bert" else language_model(kind)
    return model.eval(), tokenizer


def game_on(kind, model, tokenizer, **settings):
    settings = {"tokenizer": tokenizer, "batch_size": 5, "progress": False, **settings}
    if kind == "bert":
        return TextGame.from_classifier(
            "the film never fails, unbelievably", model, label=1, output="log_odds", **settings
        )
    make = TextGame.from_seq2seq if kind == "t5" else TextGame.from_causal_lm
    return make(PROMPT, model, answer=ANSWER, **settings)


def log_p_of_answer(game, ids):
    """One forward pass for all tokens of the answer."""
    model, answer = game.scorer.local.model, game.scorer.answers[0]
    read = {"input_ids": torch.tensor([[*ids, *answer.stem]])}
    if model.config.is_encoder_decoder:
        start = [model.config.decoder_start_token_id, *answer.stem]
        read = {"input_ids": torch.tensor([ids]), "decoder_input_ids": torch.tensor([start])}
    elif "Llama" in type(model).__name__:  # in 8 bits the last layer's scale is that of its rows
        read["logits_to_keep"] = len(answer.ids)
    with torch.no_grad():
        logits = model(**read, use_cache=False).logits[0, -len(answer.ids) :].double()
    return torch.log_softmax(logits, -1)[torch.arange(len(answer.ids)), answer.ids].sum().item()


def one_at_a_time(kind, game, rows):
    """From the same model, one sequence after the other."""
    if kind != "bert":
        return [log_p_of_answer(game, left_over(game, row)) for row in rows]
    expected = []
    for row in rows:
        ids, mask = list(game.scorer.encode(game.text).ids), game.scorer.mask_id
        for player, here in zip(game.players, row, strict=True):
            for token in player.tokens:
                ids[token] = ids[token] if here else mask
        with torch.no_grad():
            z = game.scorer.local.model(input_ids=torch.tensor([ids])).logits[0].double()
        expected.append((z[1] - torch.logsumexp(z[[0, 2]], 0)).item())
    return expected


# ---------------------------------------------------------------------- half precision
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_is_taken_as_it_is(kind, dtype):
    model, tokenizer = model_of(kind)
    full = game_on(kind, copy.deepcopy(model), tokenizer)
    game = game_on(kind, model.to(dtype), tokenizer)
    rows = rows_of(game, 10)
    values, exact = game(rows), one_at_a_time(kind, game, rows)
    assert game.scorer.local.model.dtype == dtype
    assert game.identity["dtype"] == str(dtype)
    assert json.dumps(game.identity) != json.dumps(full.identity)
    # 8 and 11 bits of mantissa leave that part of the scale a rounding, and the layers have some
    # ten of them, which fall in other ways in a batch.
    scale = np.abs(exact).max()
    assert np.abs(values - exact).max() < 10 * float(torch.finfo(dtype).eps) * scale
    assert np.abs(values - full(rows)).max() > 0


# ---------------------------------------------------------------------- quantised
def quantised(kind, *, change=0.0):
    """With linear layers in 8 bits, whose weights are packed, not tensors of the model's state."""
    model, tokenizer = model_of(kind)
    with torch.no_grad():
        next(m for m in model.modules() if isinstance(m, torch.nn.Linear)).weight[0, 0] += change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch moves this to another package
        small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    assert any(not isinstance(each, torch.Tensor) for each in small.state_dict().values())
    return small, tokenizer


@pytest.mark.parametrize("kind", ["bert", "llama", "t5"])  # GPT-2 has no linear layers but one
def test_a_quantised_model_is_taken_as_it_is(kind):
    if "onednn" not in torch.backends.quantized.supported_engines and (
        "fbgemm" not in torch.backends.quantized.supported_engines
    ):
        pytest.skip("this build of torch has no products in 8 bits")
    game = game_on(kind, *quantised(kind))
    rows = rows_of(game, 8)
    assert np.ptp(game(rows)) > 0.1
    # All activations of a pass share one scale, so what is compared is one row and no prefix.
    alone = game_on(kind, *quantised(kind), batch_size=1)
    alone.scorer._shared_prefix = lambda _: None
    expected = one_at_a_time(kind, alone, rows)
    np.testing.assert_allclose(alone(rows), expected, atol=1e-4)
    full = game_on(kind, *model_of(kind))(rows)
    assert np.abs(full - expected).max() > 1e-2


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_the_identity_of_a_quantised_model_tells_its_weights(kind):
    first, again, other = (
        json.dumps(game_on(kind, *quantised(kind, change=change)).identity)
        for change in (0.0, 0.0, 3.0)
    )
    full = json.dumps(game_on(kind, *model_of(kind)).identity)
    assert first == again
    assert len({first, other, full}) == 3


def test_a_game_on_a_quantised_model_travels():
    game = game_on("bert", *quantised("bert"))
    sent = pickle.loads(pickle.dumps(game))
    assert sent.identity == game.identity
    rows = rows_of(game, 4)
    np.testing.assert_array_equal(sent(rows), game(rows))


# ---------------------------------------------------------------------- several devices
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_a_device_map_stays_where_it_is(kind, monkeypatch):
    """As accelerate leaves it behind, here with all parts on the CPU."""
    model, tokenizer = model_of(kind)
    expected, rows = (game := game_on(kind, *model_of(kind)))(rows_of(game, 6)), rows_of(game, 6)
    model.hf_device_map = {"embeddings": "cpu", "layers.0": "cpu"}

    def moved(*_, **__):
        raise AssertionError

    monkeypatch.setattr(model, "to", moved)
    spread = game_on(kind, model, tokenizer)
    np.testing.assert_allclose(spread(rows), expected, atol=1e-6)
    with pytest.raises(ValueError, match="device_map spread over cpu stays there; leave device='"):
        game_on(kind, model, tokenizer, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_partly_on_disk_gives_the_same_values(kind, tmp_path):
    """All weights on the disk, the embeddings too, as of a model larger than the memory."""
    accelerate = pytest.importorskip("accelerate", reason="device_map needs accelerate")
    model, tokenizer = model_of(kind)
    expected, rows = (game := game_on(kind, *model_of(kind)))(rows_of(game, 6)), rows_of(game, 6)
    spread = accelerate.disk_offload(model, tmp_path, execution_device=torch.device("cpu"))
    assert any(each.device.type == "meta" for each in spread.parameters())
    game = game_on(kind, spread, tokenizer)
    np.testing.assert_allclose(game(rows), expected, atol=1e-5)
    json.dumps(game.identity)
