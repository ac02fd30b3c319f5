"""What a choice a server offers holds; any exception says that it has another form."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

__all__ = ["Tokens", "alternatives", "echoed_tokens", "prompt_tokens"]

Tokens: TypeAlias = list[tuple[str, float]]


def echoed_tokens(choice: Any) -> Tokens:
    """The tokens of an echo and their log-probabilities, NaN where there is none."""
    found = choice.get("logprobs") or {}
    tokens, log_probs = _list(found.get("tokens", [])), _list(found.get("token_logprobs", []))
    return [_token(*each) for each in zip(tokens, log_probs, strict=True)]


def prompt_tokens(choice: Any) -> Tokens:
    """The tokens of a prompt and their log-probabilities, as vLLM tells them."""
    return [
        _token(told["decoded_token"], told["logprob"])
        for position in _list(choice.get("prompt_logprobs") or [])
        for told in (position or {}).values()  # the one of the prompt, and none beside it
    ]


def alternatives(choice: Any) -> dict[str, float]:
    """The likely first tokens of a reply and their log-probabilities."""
    content = _list((choice.get("logprobs") or {}).get("content") or [{}])
    found = dict(
        _token(each["token"], each["logprob"]) for each in _list(content[0].get("top_logprobs", []))
    )
    if any(map(math.isnan, found.values())):
        raise ValueError
    return found


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise TypeError
    return given


def _token(token: Any, log_p: Any) -> tuple[str, float]:
    if not isinstance(token, str):
        raise TypeError
    if log_p is None:  # the first token of a text comes after nothing
        return token, math.nan
    if isinstance(log_p, bool) or not isinstance(log_p, int | float) or not log_p < math.inf:
        raise TypeError
    return token, float(log_p)
