"""A language model behind a real HTTP server on loopback, slow, failing and hanging up."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from games.loopback import start
from shapiq_spex import Evaluator, TextGame
from shapiq_spex.games.models.remote import RemoteScorer
from shapiq_spex.games.models.server import Server

KEY = "sk-very-secret"
PROMPT, ANSWER = "the film never fails", " good film"


@pytest.fixture
def serve(monkeypatch):
    """A server that can be told to make trouble."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("SECRET", KEY)
    server = start()
    yield server
    server.shutdown()
    server.server_close()


def scorer_of(server, prompt=PROMPT, answer=ANSWER, **settings):
    settings = {"key_variable": "SECRET", "pause": 0.001, "timeout": 5.0, **settings}
    return RemoteScorer(server.url, "tiny", prompt, answer, **settings)


def game_of(server, *args, **settings):
    scorer = scorer_of(server, *args, **settings)
    return TextGame(scorer.prompt, scorer, removal="delete", progress=False)


def all_coalitions(n):
    return np.array([[bool(i >> j & 1) for j in range(n)] for i in range(2**n)])


def left_over(row):
    """Deleting characters: the white space before a word goes with it."""
    pieces = ("the", " film", " never", " fails")
    return "".join(piece for piece, here in zip(pieces, row, strict=True) if here) or " "


# ---------------------------------------------------------------------- values
@pytest.mark.parametrize("interface", ["completions", "prompt_logprobs"])
def test_agrees_with_the_model_itself(serve, interface):
    game = game_of(serve, interface=interface)
    rows = all_coalitions(4)
    expected = np.array([serve.model.twin(left_over(row), ANSWER) for row in rows])
    np.testing.assert_allclose(game(rows), expected.sum(axis=1), atol=1e-9)
    per_token = game.read_as(value="token_log_odds")(rows)
    odds = np.log(np.exp(expected) / (1 - np.exp(expected)))
    np.testing.assert_allclose(per_token, odds.sum(axis=1), atol=1e-9)
    assert [answer.pieces for answer in game.scorer.answers] == [(" good", " film")]
    assert len(serve.state["asked"]) == 1 + 16


def test_an_answer_is_not_held_against_itself(serve):
    with pytest.raises(ValueError, match="but ' good' is the answer itself; leave it out"):
        game_of(serve, answer=" good", against=[" bad", " good"])


def test_answers_are_held_against_each_other(serve):
    game = game_of(serve, answer=" good", against=[" bad", " never fails"])
    rows = all_coalitions(4)
    texts = [left_over(row) for row in rows]
    own, *others = (
        np.array([serve.model.twin(text, answer).sum() for text in texts])
        for answer in (" good", " bad", " never fails")
    )
    np.testing.assert_allclose(game(rows), own - np.logaddexp(*others), atol=1e-9)


def test_a_chat_reads_one_token_and_bounds_what_is_missing(serve):
    messages = [
        {"role": "system", "content": "the film"},
        {"role": "user", "content": "film never fails"},
    ]
    game = game_of(serve, messages, " good", against=" bad", interface="chat", value="log_prob")
    assert [player.name for player in game.players] == ["user"]
    words = TextGame(game.prompt, game.scorer, players="words", removal="delete", progress=False)
    missing = 0
    for row in all_coalitions(3):
        pieces = ("film", " never", " fails")
        text = "".join(piece for piece, here in zip(pieces, row, strict=True) if here)
        found = serve.model.next_token(f"<system>the film<user>{text}")
        smallest = sorted(found.values(), reverse=True)[5]
        expected = max(found[" good"], smallest)
        missing += found[" good"] < smallest
        assert words(row[None])[0] == pytest.approx(expected, abs=1e-9)
    assert missing
    path, body, _ = serve.state["asked"][-1]
    assert path == "/v1/chat/completions"
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)


def test_a_probability_of_one_has_finite_odds(serve):
    serve.state["trouble"] = lambda _: {
        "choices": [{"logprobs": {"tokens": [" good"], "token_logprobs": [0.0]}}]
    }
    game = game_of(serve, answer=" good", value="log_odds")
    assert game.grand_coalition_value == pytest.approx(24 * np.log(2))


# ---------------------------------------------------------------------- trouble
def test_slow_servers_failures_and_broken_connections_change_nothing(serve):
    rows = all_coalitions(4)
    expected = game_of(serve)(rows)
    serve.state["delay"] = 0.01
    kinds = [503, 429, "hang up", "half", 500]
    serve.state["trouble"] = lambda n: kinds[n // 5 % 5] if n % 5 == 0 else None
    asked = len(serve.state["asked"])
    np.testing.assert_array_equal(game_of(serve, attempts=10)(rows), expected)
    assert len(serve.state["asked"]) - asked > 17


def test_no_more_requests_are_under_way_than_allowed(serve):
    serve.state["delay"] = 0.02
    game_of(serve, concurrency=3)(all_coalitions(4))
    assert serve.state["most_busy"] == 3


def test_what_came_before_a_refusal_is_kept(serve):
    game = game_of(serve, concurrency=1)
    serve.state["trouble"] = lambda n: 400 if n > 9 else None
    with pytest.raises(ValueError, match="refuses the request: 400"):
        game(all_coalitions(4))
    assert 0 < game.n_evaluated <= 8
    serve.state["trouble"] = lambda _: None
    before = len(serve.state["asked"]), game.n_evaluated
    game(all_coalitions(4))
    assert len(serve.state["asked"]) - before[0] == 16 - before[1]


@pytest.mark.parametrize("trouble", [401, 400, 302])
def test_refusals_are_told_once_without_the_key(serve, trouble):
    serve.state["trouble"] = lambda _: trouble
    with pytest.raises(ValueError, match=f"refuses the request: {trouble}") as caught:
        scorer_of(serve)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert len(serve.state["asked"]) == 1


@pytest.mark.parametrize("trouble", [500, "hang up"])
def test_giving_up_is_one_sentence(serve, trouble):
    serve.state["trouble"] = lambda _: trouble
    with pytest.raises(ConnectionError, match="no answer in 3 attempts; last, ") as caught:
        scorer_of(serve, attempts=3)
    assert KEY not in str(caught.value)
    assert len(serve.state["asked"]) == 3


def test_a_server_that_does_not_answer_in_time_is_given_up(serve):
    serve.state["delay"] = 0.5
    with pytest.raises(ConnectionError, match="2 attempts.*(timed out|Timeout)"):
        scorer_of(serve, attempts=2, timeout=0.05)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ("html", "answers no JSON, but '<html>busy"),
        ({"error": 1}, 'gives no choice, but {"error": 1}'),
        ({"choices": [{"text": "a"}]}, "gives no log-probabilities of a prompt"),
    ],
)
def test_answers_without_sense_are_named(serve, reply, sentence):
    serve.state["trouble"] = lambda _: reply
    with pytest.raises(ValueError, match=sentence):
        scorer_of(serve)


def test_an_answer_that_shares_a_token_with_the_prompt_is_refused(serve):
    with pytest.raises(ValueError, match="make one token for the model; let the answer begin"):
        scorer_of(serve, "the film ne", "ver")


# ---------------------------------------------------------------------- settings
def test_the_key_goes_to_the_server_and_nowhere_else(serve, tmp_path):
    game = game_of(serve)
    assert {key for _, _, key in serve.state["asked"]} == {f"Bearer {KEY}"}
    assert KEY.encode() not in pickle.dumps(game)
    assert KEY not in json.dumps(game.identity)
    with Evaluator(game, store=tmp_path / "values", progress=False) as evaluator:
        evaluator(all_coalitions(4))
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())
    scorer_of(serve, key_variable=None)
    assert serve.state["asked"][-1][2] is None


def test_a_key_that_is_not_there_is_named(serve):
    with pytest.raises(ValueError, match="environment variable NO_SUCH_KEY.* is empty"):
        scorer_of(serve, key_variable="NO_SUCH_KEY")
    assert not serve.state["asked"]


def test_white_space_around_a_key_does_not_count_and_odd_characters_are_no_key(serve, monkeypatch):
    monkeypatch.setenv("SECRET", f" {KEY}\n")
    scorer_of(serve)
    assert {key for _, _, key in serve.state["asked"]} == {f"Bearer {KEY}"}
    monkeypatch.setenv("SECRET", f"{KEY}\n{KEY}")
    with pytest.raises(ValueError, match="SECRET holds no key") as caught:
        scorer_of(serve)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("wanted", ["-1", "nan", "inf", "86400", "tomorrow", None])
def test_no_server_decides_on_an_endless_pause(wanted):
    assert 0.5 <= Server("https://host/v1", pause=1.0)._pause(1, wanted) <= 1.0
    assert Server("https://host/v1")._pause(1, "3") == 3.0


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/v1", "needs an address like"),
        ("host/v1", "needs an address like"),
        ("http://me:secret@host/v1", "may hold no user, password or query"),
        ("https://host/v1?key=secret", "may hold no user, password or query"),
    ],
)
def test_odd_addresses_are_refused_without_showing_a_secret(url, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        Server(url)
    assert "secret" not in str(caught.value)


def test_odd_settings_are_refused(serve):
    with pytest.raises(ValueError, match="interface can be completions, prompt_logprobs, chat"):
        scorer_of(serve, interface="grpc")
    with pytest.raises(ValueError, match="need interface='chat', not 'completions'"):
        scorer_of(serve, [{"role": "user", "content": "a"}])
    with pytest.raises(ValueError, match="use removal='delete' or 'neutral' or 'filler'"):
        TextGame(PROMPT, scorer_of(serve), removal="attention")


def test_the_cost_is_told_beforehand(serve):
    game = game_of(serve)
    assert game.n_tokens(all_coalitions(4)[[0, -1]]).tolist() == [3, 8]
    assert len(serve.state["asked"]) == 1
