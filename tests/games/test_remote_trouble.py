"""Servers that echo keys, answer nonsense or never end: one sentence, in time, without the key."""

from __future__ import annotations

import json
import math
import threading
import time
import traceback

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from games.loopback import start
from shapiq_spex.games.models.remote import RemoteScorer
from shapiq_spex.games.models.server import Server

KEYS = ["sk-very-secret", 'sk-"very"-secret', r"sk-\very\secret", "sk-very/secret+'more'="]
SEEN = ("sk-", "very", "secret", "more")


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("SECRET", KEYS[0])
    server = start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=KEYS)
def key(request, monkeypatch):
    monkeypatch.setenv("SECRET", request.param)
    return request.param


def scorer_of(server, interface="completions", **changed):
    changed = {"key_variable": "SECRET", "pause": 0.0, "timeout": 5.0, **changed}
    return RemoteScorer(server.url, "tiny", "Rome", " Italy", interface=interface, **changed)


def shown(caught):
    """All that is printed of an exception."""
    return "".join(traceback.format_exception(caught.value))


def replying(status, text):
    return lambda _: lambda handler: handler.reply(status, text.encode())


# ---------------------------------------------------------------------- the key
def escaped_by_others(key):
    """As some servers' JSON has it."""
    return "".join(f"\\u{ord(each):04X}" if each in "\"'+/" else each for each in key)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "told",
    [
        lambda key: json.dumps({"error": {"message": f"wrong key: Bearer {key}"}}),
        lambda key: json.dumps({"error": json.dumps({"message": f"wrong key: {key}"})}),
        lambda key: json.dumps([f"wrong key: {key}"]).replace("/", r"\/"),
        lambda key: f'"wrong key: {escaped_by_others(key)}',
        lambda key: f"wrong key: {key}",
        lambda key: f"wrong key: {key!r}",
    ],
    ids=["json", "json in json", "slashes", "other escapes", "text", "repr"],
)
def test_a_key_that_is_echoed_is_masked(serve, key, told, status):
    serve.state["trouble"] = replying(status, told(key))
    with pytest.raises(ValueError, match=r"wrong key: (Bearer )?['\"]?\*\*\*") as caught:
        scorer_of(serve)
    assert not any(part in shown(caught) for part in SEEN)


@pytest.mark.parametrize("interface", ["completions", "prompt_logprobs", "chat"])
def test_a_key_in_place_of_a_number_is_masked(serve, key, interface):
    told = {"token": " Italy", "decoded_token": " Italy", "logprob": key}
    logprobs = {
        "tokens": ["Rome", " Italy"],
        "token_logprobs": [None, key],
        "content": [{"top_logprobs": [told]}],
    }
    choice = {"logprobs": logprobs, "prompt_logprobs": [None, {"12": told}]}
    serve.state["trouble"] = lambda _: {"choices": [choice]}
    with pytest.raises(ValueError, match=r"in a form that is not .*\*\*\*") as caught:
        scorer_of(serve, interface)
    assert not any(part in shown(caught) for part in SEEN)


@pytest.mark.parametrize("before", [*range(62, 82, 3), *range(270, 302, 3), 65515, 65525, 65529])
@pytest.mark.parametrize("status", [200, 400])
def test_no_cut_leaves_a_part_of_the_key(serve, before, status):
    serve.state["trouble"] = replying(status, "x" * before + KEYS[0])
    with pytest.raises(ValueError, match="xxx") as caught:
        scorer_of(serve)
    assert not any(part in shown(caught) for part in SEEN)


@pytest.mark.parametrize("size", [4, 9, 13])
def test_a_beginning_of_the_key_that_was_left_by_others_is_masked(monkeypatch, size):
    monkeypatch.setenv("SECRET", KEYS[0])
    server = Server("http://host", key_variable="SECRET")
    assert server.says("wrong: " + KEYS[0][:size]) == "wrong: ***"
    assert server.says("wrong: " + KEYS[0][:size] + "\\\\u00") == "wrong: ***"
    assert server.says("no secret is here") == "no secret is here"


key_texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(key_texts, st.integers(0, 3), st.booleans())
@example("a\\u", 1, True)
@example("a\\u0041\\", 2, True)
@example("\\n\\", 1, False)
def test_every_key_is_found_however_often_it_was_escaped(key, times, ascii_only):
    text = f"é{key}é{key}é"
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=ascii_only).strip('"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", key)
        said = Server("http://host", key_variable="SECRET").says(text)
    assert set(said) <= set("é*")


# ---------------------------------------------------------------------- answers of another form
def echo(tokens, token_logprobs):
    return {"logprobs": {"tokens": tokens, "token_logprobs": token_logprobs}}


TOKENS = ["Rome", " Italy"]
GOOD = {"decoded_token": " Italy", "logprob": -1.0}
ODD = {
    "completions": [
        "a",
        None,
        {"logprobs": "a"},
        echo(None, None),
        echo(TOKENS, None),
        echo(TOKENS, [None, None]),
        echo(TOKENS, [None]),
        echo(TOKENS, [None, math.nan]),
        echo(TOKENS, [None, math.inf]),
        echo(TOKENS, [None, True]),
        echo(TOKENS, [None, "-1.0"]),
        echo(TOKENS, [None, -(10**400)]),
        echo(["Rome", 3], [None, -1.0]),
        echo("ab", [None, -1.0]),
    ],
    "prompt_logprobs": [
        {"prompt_logprobs": "a"},
        {"prompt_logprobs": [None, {"12": {"logprob": -1.0}}]},
        {"prompt_logprobs": [None, {"12": {**GOOD, "logprob": None}}]},
        {"prompt_logprobs": [None, {"12": {"decoded_token": " Italy"}}]},
        {"prompt_logprobs": [None, {"12": None}]},
        {"prompt_logprobs": [None, [1, 2]]},
    ],
    "chat": [
        {"logprobs": {"content": "a"}},
        {"logprobs": {"content": [None]}},
        {"logprobs": {"content": [{"top_logprobs": None}]}},
        {"logprobs": {"content": [{"top_logprobs": [None]}]}},
        {"logprobs": {"content": [{"top_logprobs": [{"token": "a"}]}]}},
        {"logprobs": {"content": [{"top_logprobs": [{"token": "a", "logprob": None}]}]}},
        {"logprobs": {"content": [{"top_logprobs": [{"token": None, "logprob": -1.0}]}]}},
    ],
}


@pytest.mark.parametrize(
    ("interface", "choice"), [(name, each) for name, all_ in ODD.items() for each in all_]
)
def test_an_answer_of_another_form_is_one_sentence(serve, interface, choice):
    serve.state["trouble"] = lambda _: {"choices": [choice]}
    sentence = f"in a form that is not that of the interface '{interface}': .*; use another"
    with pytest.raises(ValueError, match=sentence) as caught:
        scorer_of(serve, interface)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("answer", ['{"choices": {"0": 1}}', "[]", "3", "null", '{"choices": []}'])
def test_an_answer_without_choices_is_named(serve, answer):
    serve.state["trouble"] = replying(200, answer)
    with pytest.raises(ValueError, match="gives no choice, but "):
        scorer_of(serve)


def test_json_without_an_end_is_none(serve):
    serve.state["trouble"] = replying(200, "[" * 100_000)
    with pytest.raises(ValueError, match="answers no JSON, but "):
        scorer_of(serve)


@pytest.mark.parametrize("interface", ["completions", "prompt_logprobs"])
def test_only_tokens_of_the_answer_need_a_number(serve, interface):
    told = [{"1": {"decoded_token": "Rome", "logprob": None}}, {"2": GOOD}]
    choice = {**echo(TOKENS, [None, -1]), "prompt_logprobs": told}
    serve.state["trouble"] = lambda _: {"choices": [choice]}
    assert scorer_of(serve, interface).answers[0].pieces == (" Italy",)


# ---------------------------------------------------------------------- time
@pytest.mark.parametrize("dripping", ["head", "body", "refusal"])
def test_a_server_that_answers_byte_by_byte_has_no_more_time(serve, dripping):
    over = threading.Event()

    def drip(handler):
        if dripping != "head":
            handler.send_response(400 if dripping == "refusal" else 200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
        try:
            while not over.wait(0.02):
                handler.wfile.write(b"x")
        except OSError:
            pass
        handler.close_connection = True

    serve.state["trouble"] = lambda _: drip
    error, sentence = ConnectionError, "no answer in 2 attempts; last, TimeoutError: timed out"
    if dripping == "refusal":
        error, sentence = ValueError, "refuses the request: 400"
    started = time.monotonic()
    try:
        with pytest.raises(error, match=sentence):
            scorer_of(serve, timeout=0.2, attempts=2)
    finally:
        over.set()
    assert time.monotonic() - started < 4  # dripping would go on for half an hour


# ---------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"attempts": 0}, "Server needs attempts to be a positive whole number, got 0"),
        ({"attempts": 2.5}, "Server needs attempts to be a positive whole number, got 2.5"),
        ({"timeout": 0}, "Server needs a timeout of at least 0.001 seconds .* got 0"),
        ({"timeout": -1.0}, "Server needs a timeout of at least 0.001 seconds .* got -1.0"),
        ({"timeout": math.nan}, "Server needs a timeout of .* got nan"),
        ({"timeout": math.inf}, "Server needs a timeout of .* got inf"),
        ({"timeout": None}, "Server needs a timeout of .* got None"),
        ({"pause": -1}, "Server needs a pause of at least 0 seconds .* got -1"),
        ({"pause": "1"}, "Server needs a pause of .* got '1'"),
        ({"concurrency": 0}, "RemoteScorer needs concurrency to be a positive .* got 0"),
        ({"concurrency": True}, "RemoteScorer needs concurrency to be a positive .* got True"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_anything_is_sent(serve, changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        scorer_of(serve, **changed)
    assert not serve.state["asked"]
