"""Language models: their values against one prompt and one answer token at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
    twins,
)
from games.tiny_models import CAUSAL, LANGUAGE_MODELS, ROTARY, language_model, tiny  # noqa: E402
from shapiq_spex.games import CausalScorer, Neutral, Prompt, Seq2SeqScorer, TextGame  # noqa: E402


# ---------------------------------------------------------------------- agreement
@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_every_reading_agrees_with_one_prompt_and_one_token_at_a_time(kind, padding_side):
    game = game_of(kind, against=[OTHER, " dull"], kl=True, padding_side=padding_side)
    rows = rows_of(game, 12)
    for value, expected in twins(game, rows).items():
        found, spread = game.read_as(value=value)(rows), np.ptp(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * spread, err_msg=value)
        assert spread > 1e-2 * np.abs(expected).max(), value
    assert game.n_evaluated == len(np.unique(rows, axis=0)) > 8


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_a_value_does_not_depend_on_its_batch_or_on_the_shared_prefix(kind):
    game = game_of(kind)
    rows = rows_of(game)
    together = game(rows)
    if kind != "t5":
        assert len(game.scorer._prefix.ids) >= 16
    alone = game_of(kind, batch_size=1)
    one_by_one = np.concatenate([alone(row[None]) for row in rows])
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-5 * np.ptp(together))
    assert np.ptp(together) > 1


@pytest.mark.parametrize("kind", CAUSAL)
def test_a_prefix_is_run_once_and_shorter_calls_use_it(kind, monkeypatch):
    game = game_of(kind)
    made = []
    run = CausalScorer._run_prefix
    monkeypatch.setattr(CausalScorer, "_run_prefix", lambda *a: made.append(1) or run(*a))
    rows = rows_of(game)
    values = game.outputs(rows[:10])
    for start in range(10, 40, 10):
        values = np.concatenate([values, game.outputs(rows[start : start + 10])])
    assert len(made) == 1
    np.testing.assert_allclose(values, game_of(kind).outputs(rows), atol=1e-4)


def test_threads_do_not_take_each_others_prefix():
    """Calls whose sequences share more than the fixed part have prefixes of their own."""
    game = game_of("llama", "the film never fails, " * 12 + "is it good?", removal="filler")
    n = game.n_players
    rows = np.random.default_rng(1).random((8, 6, n)) < 0.5
    for call, block in enumerate(rows):
        block[:, : n // 2] = block[0, : n // 2]
        block[:, call] = True
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(game.outputs, rows))
    alone = game_of("llama", game.text, removal="filler", batch_size=1)
    expected = [[alone.outputs(row[None])[0] for row in block] for block in rows]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral"])
def test_hidden_tokens_are_seen_by_nobody_and_keep_their_place(kind):
    """Against a mask over single keys, written by hand, over the whole sequence."""
    game = game_of(kind, removal="attention")
    game.scorer.local.model.set_attn_implementation("eager")
    rows = rows_of(game, 8)
    answer, model = game.scorer.answers[0].ids, game.scorer.local.model
    ids = torch.tensor([[*game.scorer.encode(game.text).ids, *answer[:-1]]])
    size, window = ids.shape[1], getattr(model.config, "sliding_window", None) or 10**6
    expected = []
    for row in rows:
        seen = torch.ones(size, dtype=bool)
        for player, here in zip(game.players, row, strict=True):
            seen[list(player.tokens)] = bool(here)
        distance = torch.arange(size)[:, None] - torch.arange(size)
        mask = (distance >= 0) & (distance < window) & (seen | (distance == 0))
        bias = torch.where(mask, 0.0, torch.finfo(torch.float32).min)[None, None]
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=bias, use_cache=False).logits[0].double()
        log_p = torch.log_softmax(logits[-len(answer) :], -1)
        expected.append(sum(log_p[t, token].item() for t, token in enumerate(answer)))
    np.testing.assert_allclose(game(rows), expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(expected) > 0.1
    assert game.n_tokens(rows).tolist() == [size] * 8


def test_hiding_in_an_encoder_decoder_is_leaving_out_as_padding():
    game = game_of("t5", removal="attention")
    rows, model = rows_of(game, 8), game.scorer.local.model
    ids, found = torch.tensor([game.scorer.encode(game.text).ids]), game.scorer.answers[0]
    answer, expected = found.lead + found.ids, []
    for row in rows:
        seen = torch.ones_like(ids)
        for player, here in zip(game.players, row, strict=True):
            seen[0, list(player.tokens)] = int(here)
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=seen, labels=torch.tensor([answer])).logits
        log_p = torch.log_softmax(logits[0].double(), -1)
        expected.append(
            sum(log_p[t, answer[t]].item() for t in range(len(found.lead), len(answer)))
        )
    np.testing.assert_allclose(game(rows), expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("removal", ["neutral", "filler", Neutral("a good film")])
def test_other_text_in_the_place_of_players(removal):
    game = game_of("llama", removal=removal)
    rows, encode = rows_of(game, 8), game.scorer.encode
    tokens = encode(game.text).ids
    for row, value in zip(rows, game(rows), strict=True):
        ids, replaced = [], 0
        for i, token in enumerate(tokens):
            owner = next((k for k, p in enumerate(game.players) if i in p.tokens), None)
            if owner is None or row[owner]:
                ids.append(token)
            elif removal == "filler":
                dots = encode("...").ids
                ids.append(dots[game.players[owner].tokens.index(i) % len(dots)])
            elif i == game.players[owner].tokens[0]:
                neutral = "..." if removal == "neutral" else "a good film"
                before = "" if game.text[game.players[owner].start - 1] == "\n" else " "
                ids += encode(before + neutral).ids
            replaced += owner is not None and not row[owner]
        expected = token_probabilities(game, ids, game.scorer.answers[0])[0].sum()
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert (replaced > 0) == (not row.all())


def test_no_logit_is_clamped():
    """A value function that clamps scores to [0, 1] before its softmax is far from this one."""
    game = game_of("gpt2", answer=" good")
    token, rows = game.scorer.answers[0].ids[0], rows_of(game, 8)
    logits = torch.stack([next_token_logits(game, left_over(game, row), []) for row in rows])
    assert logits.min() < -1
    assert logits.max() > 2
    clamped = torch.log_softmax(logits.clamp(1e-6, 1 - 1e-6), -1)[:, token].numpy()
    right = torch.log_softmax(logits, -1)[:, token].numpy()
    np.testing.assert_allclose(game(rows), right, rtol=1e-5)
    assert np.abs(game(rows) - clamped).min() > 0.1


def test_odds_stay_finite_and_exact_however_sure_the_model_is():
    game = game_of("llama", answer=" good")
    head, token = game.scorer.local.model.lm_head, game.scorer.answers[0].ids[0]
    with torch.no_grad():
        head.weight[token] *= 300
    rows = rows_of(game, 20)
    logits = torch.stack([next_token_logits(game, left_over(game, row), []) for row in rows])
    others = torch.cat([logits[:, :token], logits[:, token + 1 :]], 1).logsumexp(1)
    expected = (logits[:, token] - others).numpy()
    assert expected.max() > 40  # where log p is 0 and log (1 - p) minus infinity in float64
    np.testing.assert_allclose(game.read_as(value="log_odds")(rows), expected, rtol=1e-5)
    assert np.isfinite(game.read_as(value="log_prob")(rows)).all()


# ---------------------------------------------------------------------- models
def test_models_of_another_kind_are_refused_in_a_sentence():
    model, tokenizer = tiny("bert")
    with pytest.raises(ValueError, match="no causal language model.*use from_classifier"):
        CausalScorer(model, "the film", " good", tokenizer=tokenizer)
    model, tokenizer = language_model("gpt2")
    with pytest.raises(ValueError, match="no encoder and decoder; use from_causal_lm"):
        Seq2SeqScorer(model, "the film", " good", tokenizer=tokenizer)


def test_removals_that_mean_nothing_to_a_causal_model_name_those_that_work():
    with pytest.raises(ValueError, match="mask token.*'delete' or 'neutral' or 'filler' or 'att"):
        game_of("gpt2", removal="mask")
    with pytest.raises(ValueError, match="answers from the last token.*'delete' or 'neutral'"):
        game_of("gpt2", Prompt(ABLATED).keep("the film"), removal="attention")


def mamba():
    sizes = {"vocab_size": 400, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}
    return transformers.MambaConfig(**sizes, initializer_range=0.5)


def convolutional():
    if not hasattr(transformers, "Lfm2Config"):
        pytest.skip("this version of transformers has no Lfm2")
    return transformers.Lfm2Config(**ROTARY, layer_types=["conv", "full_attention"], pad_token_id=1)


@pytest.mark.parametrize("config", [mamba, convolutional])
def test_a_model_with_a_running_state_shares_no_prefix_and_hides_nothing(config):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config())
    tokenizer = language_model("gpt2")[1]
    game = TextGame.from_causal_lm(
        PROMPT, model, tokenizer=tokenizer, answer=ANSWER, progress=False
    )
    rows = rows_of(game, 6)
    np.testing.assert_allclose(game(rows), twins_of_log_prob(game, rows), atol=1e-4)
    with pytest.raises(ValueError, match="takes no attention mask"):
        TextGame(game.prompt, game.scorer, removal="attention")


def twins_of_log_prob(game, rows):
    answer = game.scorer.answers[0]
    return [token_probabilities(game, left_over(game, row), answer)[0].sum() for row in rows]


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered(monkeypatch):
    game = game_of("llama", batch_size=16)
    rows, model = rows_of(game), game.scorer.local.model
    expected, sizes = game_of("llama")(rows), []
    forward = type(model).forward

    def limited(self, input_ids=None, **settings):
        sizes.append(len(input_ids))
        if len(input_ids) > 5:
            message = "CUDA out of memory. Tried to allocate 20.00 GiB"
            raise torch.OutOfMemoryError(message)
        return forward(self, input_ids=input_ids, **settings)

    monkeypatch.setattr(type(model), "forward", limited)
    np.testing.assert_allclose(game(rows), expected, atol=1e-4)
    assert sizes[:4] == [1, 16, 8, 4]
    assert game.scorer.batch_size == 4
    assert max(sizes[3:]) == 4


def test_an_error_that_is_not_about_memory_is_raised(monkeypatch):
    game = game_of("llama")
    model = type(game.scorer.local.model)

    def broken(*_, **__):
        message = "size mismatch"
        raise RuntimeError(message)

    monkeypatch.setattr(model, "forward", broken)
    with pytest.raises(RuntimeError, match="size mismatch"):
        game(rows_of(game))
