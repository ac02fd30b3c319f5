"""Answers of language models, and the numbers that can be read from what is kept of them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

import numpy as np

from shapiq_spex.games.models.scorers import check_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import Span

    AnswerSpan: TypeAlias = slice | str | None

__all__ = ["Answer", "AnswerReader", "Value"]

Value = Literal[
    "log_prob",
    "mean_log_prob",
    "perplexity",
    "probability",
    "log_odds",
    "token_log_odds",
    "contrast",
    "kl",
]
_AS_IT_IS: Literal["as it is"] = "as it is"  # told from a text by being this very object


@dataclass(frozen=True)
class Answer:
    """A text a model may answer with.

    Attributes:
        text: The text.
        ids: Its tokens.
        lead: Special tokens the decoder writes before them, which are not scored.
        offsets: For every token, the characters ``text[start:end]`` it was made from. Tokens that
            are some bytes of one character, as of an emoji, have all of it.
    """

    text: str
    ids: tuple[int, ...]
    lead: tuple[int, ...]
    offsets: tuple[Span, ...]

    @classmethod
    def of_pieces(cls, text: str, pieces: Sequence[str]) -> Answer:
        """Return the answer whose tokens are known by their texts only."""
        ends = [0, *accumulate(map(len, pieces))]
        return cls(text, (), (), tuple(pairwise(ends)))

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text of every token."""
        return tuple(self.text[start:end] for start, end in self.offsets)

    @property
    def stem(self) -> tuple[int, ...]:
        """What the model has to read to score all tokens: everything but the last."""
        return self.lead + self.ids[:-1]


class AnswerReader:
    """What is read from the outputs of a scorer that scores answers.

    The tokens a_1 ... a_T of an answer are given to the model, and p_t is the probability it gives
    a_t after the prompt and a_1 ... a_{t-1}. What is kept are the log-odds o_t =
    log p_t / (1 - p_t), from which log p_t = -log(1 + exp(-o_t)) and log(1 - p_t) =
    -log(1 + exp(o_t)) follow without loss, however sure the model is. With log p = sum_t log p_t
    over the tokens in ``span``, the value is

    - "log_prob": log p, in nats; "mean_log_prob": log p / T; "perplexity": exp(-log p / T);
      "probability": p;
    - "log_odds": log p / (1 - p); "token_log_odds": sum_t o_t;
    - "contrast": log p - log sum_b p(b) over the answers b in ``against``, so for one other answer
      the difference of the log-probabilities, and for several choices the log-odds of the answer
      among them;
    - "kl": the divergence KL(P || Q) = sum_w P(w) log P(w) / Q(w) of the distribution Q of the next
      token from P, that of the whole prompt, in nats; it is 0 when nothing is left out.

    Attributes:
        answers: The answer and those it is held against.
        has_divergence: Whether the divergence is among the outputs.
        value: What is read.
        span: The tokens of the answer that count: a slice of them, a part of its text, or all.
    """

    answers: tuple[Answer, ...] = ()
    has_divergence: bool = False
    value: Value
    span: AnswerSpan

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of outputs of shape (m, k).

        The columns are the log-odds of the tokens of each answer, one answer after the other, and
        last the divergence if there is one.
        """
        if self.value == "kl":
            return outputs[:, -1]
        columns = list(accumulate((len(each.offsets) for each in self.answers), initial=0))
        log_odds = [outputs[:, i:j] for i, j in pairwise(columns)]
        if self.value == "contrast":
            own, *others = (_log_p(each).sum(axis=1) for each in log_odds)
            return own - np.logaddexp.reduce(others, axis=0)
        return _READINGS[self.value](log_odds[0][:, self._positions])

    def read_as(self, *, value: Value | None = None, span: AnswerSpan = _AS_IT_IS) -> Self:
        """Return this scorer, on the same model, with its outputs read in another way.

        Args:
            value: What is read; by default the same as here.
            span: The tokens that count, None for all; by default the same as here.
        """
        other = copy(self)
        other._choose(value or self.value, self.span if span is _AS_IT_IS else span)
        return other

    def _choose(self, value: Value | None, span: AnswerSpan) -> None:
        if value is None:
            value = "contrast" if len(self.answers) > 1 else "log_prob"
        check_choice("value", value, get_args(Value))
        if value == "kl" and not self.has_divergence:
            msg = "The value 'kl' needs an output of its own; make the game with kl=True."
            raise ValueError(msg)
        if value == "contrast" and len(self.answers) < 2:
            msg = "The value 'contrast' holds an answer against others; give some as against=."
            raise ValueError(msg)
        if value != "kl" and not self.answers:
            msg = f"The value {value!r} needs an answer; make the game with answer=."
            raise ValueError(msg)
        if span is not None and value in ("contrast", "kl"):
            msg = (
                f"The value {value!r} is that of whole answers, but it was to be read from "
                f"span={span!r}; give span=None."
            )
            raise ValueError(msg)
        _refuse_equal(self.answers)
        self.value, self.span = value, span
        self._positions: list[int] = _tokens_in_span(self.answers[0], span) if self.answers else []


def _log_p(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.logaddexp(0.0, -log_odds)


def _odds_of_all(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log-odds of the product of all p; those of one token are kept to the last bit."""
    if log_odds.shape[1] == 1:
        return log_odds[:, 0]
    log_p = _log_p(log_odds).sum(axis=1)
    with np.errstate(divide="ignore"):
        return log_p - np.log(-np.expm1(log_p))


_READINGS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "log_prob": lambda o: _log_p(o).sum(axis=1),
    "mean_log_prob": lambda o: _log_p(o).mean(axis=1),
    "perplexity": lambda o: np.exp(-_log_p(o).mean(axis=1)),
    "probability": lambda o: np.exp(_log_p(o).sum(axis=1)),
    "log_odds": _odds_of_all,
    "token_log_odds": lambda o: o.sum(axis=1),
}


def _refuse_equal(answers: Sequence[Answer]) -> None:
    for one, other in combinations(answers, 2):
        if one.text == other.text or (one.ids and one.ids == other.ids):
            fault = "the answer itself" if one is answers[0] else "given twice"
            msg = (
                f"against holds other answers than the answer, each once, but {other.text!r} is "
                f"{fault}; leave it out."
            )
            raise ValueError(msg)


def _tokens_in_span(answer: Answer, span: AnswerSpan) -> list[int]:
    positions = list(range(len(answer.offsets)))
    if span is None:
        return positions
    if isinstance(span, slice):
        chosen = positions[span]
    else:
        times = answer.text.count(span) if span else 0
        if times > 1:
            msg = (
                f"The answer {answer.text!r} has span={span!r} {times} times; give a longer piece, "
                f"or the numbers of its tokens as a slice."
            )
            raise ValueError(msg)
        start = answer.text.find(span)
        end = start + len(span)
        touched = (i < end and start < j for i, j in answer.offsets)
        chosen = [position for position, each in enumerate(touched) if each and times]
    if not chosen:
        msg = f"No token of the answer {answer.text!r} lies in span={span!r}."
        raise ValueError(msg)
    return chosen
