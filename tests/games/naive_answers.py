"""Games on random language models, and their values one prompt and one answer token at a time."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from games.tiny_models import language_model  # noqa: E402
from shapiq_spex.games import Prompt, TextGame  # noqa: E402

PREFIX = "a good film with a bad end, and never a dull cast but a good one; "
ABLATED = "the film never fails, unbelievably"
PROMPT = Prompt(PREFIX + ABLATED + "\nis it good?").keep(PREFIX, "\nis it good?")
ANSWER, OTHER = " good film", " not bad, never"


def game_of(kind, prompt=PROMPT, *, padding_side="right", **settings):
    model, tokenizer = language_model(kind, padding_side=padding_side)
    make = TextGame.from_seq2seq if kind == "t5" else TextGame.from_causal_lm
    settings = {"answer": ANSWER, "batch_size": 5, "progress": False, **settings}
    return make(prompt, model, tokenizer=tokenizer, **settings)


def rows_of(game, m=40):
    rows = np.random.default_rng(0).random((m, game.n_players)) < 0.5
    rows[0], rows[1] = False, True
    return rows


def left_over(game, coalition):
    """Token ids of the prompt without those of absent players."""
    absent = [p for p, here in zip(game.players, coalition, strict=True) if not here]
    gone = {token for player in absent for token in player.tokens}
    ids = game.scorer.encode_prompt(game.text).ids
    return [token for i, token in enumerate(ids) if i not in gone]


def next_token_logits(game, ids, written):
    """Logits of the next token, one sequence alone, nothing kept."""
    model = game.scorer.local.model
    with torch.no_grad():
        if game.scorer.local.model.config.is_encoder_decoder:
            written = torch.tensor([[model.config.decoder_start_token_id, *written]])
            output = model(input_ids=torch.tensor([ids]), decoder_input_ids=written)
        else:
            output = model(input_ids=torch.tensor([[*ids, *written]]), use_cache=False)
    return output.logits[0, -1].double()


def token_probabilities(game, ids, answer):
    """(log p, log (1 - p)) of every token, from the textbook."""
    found = []
    for t, token in enumerate(answer.ids):
        p = torch.softmax(next_token_logits(game, ids, answer.lead + answer.ids[:t]), 0)
        others = p.sum() - p[token]
        found.append((torch.log(p[token]).item(), torch.log(others).item()))
    return np.array(found).T


def twin(game, coalition):
    """All readings of one coalition."""
    ids = left_over(game, coalition)
    (log_p, log_not_p), *others = (token_probabilities(game, ids, a) for a in game.scorer.answers)
    p = np.exp(log_p.sum())
    lead, everything = game.scorer.answers[0].lead, left_over(game, [True] * game.n_players)
    full = torch.softmax(next_token_logits(game, everything, lead), 0)
    here = torch.softmax(next_token_logits(game, ids, lead), 0)
    return {
        "log_prob": log_p.sum(),
        "mean_log_prob": log_p.mean(),
        "perplexity": np.exp(-log_p.mean()),
        "probability": p,
        "log_odds": np.log(p / (1 - p)),
        "token_log_odds": (log_p - log_not_p).sum(),
        "contrast": log_p.sum() - np.logaddexp(*(each[0].sum() for each in others)),
        "kl": (full * torch.log(full / here)).sum().item(),
    }


def twins(game, coalitions):
    found = [twin(game, row) for row in coalitions]
    return {name: np.array([each[name] for each in found]) for name in found[0]}
