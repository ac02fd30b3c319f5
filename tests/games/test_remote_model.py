"""A real language model behind a real server, against the same model in this process."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from games.loopback import chat_text, start  # noqa: E402
from games.tiny_models import language_model  # noqa: E402
from shapiq_spex import Evaluator, TextGame  # noqa: E402
from shapiq_spex.games.models.remote import RemoteScorer  # noqa: E402

PROMPT, ANSWER, OTHER = "the film never fails and the cast is not", " bad acting", " good"


class Served:
    """What a server computes: one text at a time."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model.eval(), tokenizer

    @torch.no_grad()
    def log_probs(self, text):
        ids = self.tokenizer(text)["input_ids"]
        found = torch.log_softmax(self.model(torch.tensor([ids])).logits[0], dim=-1)
        after = [0.0, *(float(found[i, token]) for i, token in enumerate(ids[1:]))]
        return [self.tokenizer.decode([token]) for token in ids], after

    @torch.no_grad()
    def next_token(self, text):
        ids = self.tokenizer(text)["input_ids"]
        found = torch.log_softmax(self.model(torch.tensor([ids])).logits[0, -1], dim=-1)
        return {self.tokenizer.decode([token]): float(p) for token, p in enumerate(found)}


@pytest.fixture(scope="module")
def model():
    return language_model("gpt2")


@pytest.fixture
def serve(model, monkeypatch):
    """Slow, failing one request in five, and closing connections."""
    monkeypatch.setenv("no_proxy", "*")
    server = start(Served(*model))
    kinds = [503, "hang up", 429, "half"]
    server.state["delay"] = 0.002
    server.state["trouble"] = lambda n: kinds[n // 5 % 4] if n % 5 == 0 else None
    yield server
    server.shutdown()
    server.server_close()


def remote_game(server, prompt=PROMPT, answer=ANSWER, **settings):
    scorer = RemoteScorer(server.url, "tiny", prompt, answer, attempts=10, pause=0.001, **settings)
    return TextGame(scorer.prompt, scorer, players="words", removal="delete", progress=False)


def rows_of(n, m=30):
    rows = np.unique(np.random.default_rng(0).random((m, n)) < 0.5, axis=0)
    return rows[rows.any(axis=1)]


@pytest.mark.parametrize("interface", ["completions", "prompt_logprobs"])
def test_the_server_and_the_model_itself_say_the_same(serve, model, interface):
    away = remote_game(serve, interface=interface, against=OTHER)
    here = TextGame.from_causal_lm(
        PROMPT, model[0], tokenizer=model[1], answer=ANSWER, against=OTHER, players="words",
        removal="delete", progress=False,
    )  # fmt: skip
    rows = rows_of(away.n_players)
    for value in ("log_prob", "token_log_odds", "contrast"):
        expected = here.read_as(value=value)(rows)
        np.testing.assert_allclose(away.read_as(value=value)(rows), expected, atol=1e-4)
        assert np.ptp(expected) > 0.1
    assert len(serve.state["asked"]) > 1.2 * 2 * len(rows)  # two answers, one request in five again


def test_a_chat_and_the_model_itself_say_the_same(serve):
    messages = [{"role": "system", "content": "good"}, {"role": "user", "content": PROMPT}]
    away = remote_game(serve, messages, "b", interface="chat", value="log_prob")
    rows, bounded = rows_of(away.n_players), 0
    words = PROMPT.split(" ")
    for row, value in zip(rows, away(rows), strict=True):
        kept = [" " * (i > 0) + word for i, word in enumerate(words) if row[i]]
        asked = [messages[0], {"role": "user", "content": "".join(kept)}]
        found = serve.model.next_token(chat_text(asked))
        least = sorted(found.values())[-6]  # the server tells of six
        assert value == pytest.approx(max(found["b"], least), abs=1e-4)
        bounded += found["b"] < least
    assert bounded


def test_a_run_that_broke_off_goes_on_with_the_values_it_has(serve, tmp_path):
    rows = rows_of(remote_game(serve).n_players)
    whole = remote_game(serve)(rows)
    down = serve.state["trouble"]
    with Evaluator(remote_game(serve), store=tmp_path / "values", progress=False) as evaluator:
        evaluator(rows[:10])
        serve.state["trouble"] = lambda _: 400
        with pytest.raises(ValueError, match="refuses the request"):
            evaluator(rows)
    serve.state["trouble"] = down
    with Evaluator(remote_game(serve), store=tmp_path / "values", progress=False) as evaluator:
        np.testing.assert_allclose(evaluator(rows), whole, atol=1e-5)
        assert (evaluator.n_from_store, evaluator.n_evaluated) == (10, len(rows) - 10)
