"""Language models behind a server that speaks OpenAI's language."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np

from shapiq_spex.checks import whole
from shapiq_spex.games.models.answers import Answer, AnswerReader
from shapiq_spex.games.models.replies import alternatives, echoed_tokens, prompt_tokens
from shapiq_spex.games.models.scorers import check_choice
from shapiq_spex.games.models.server import Server
from shapiq_spex.games.prompts.prompt import Prompt
from shapiq_spex.games.prompts.spans import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.models.answers import Value
    from shapiq_spex.games.models.replies import Tokens
    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["Interface", "RemoteScorer"]

T = TypeVar("T")

Interface = Literal["completions", "prompt_logprobs", "chat"]

_BREAK = chr(0x100000)  # between the contents of a chat, where no text has it
_SUREST = np.log(2.0**-24)  # log (1 - p) of the largest p below one in float32
_CHARACTERS_A_TOKEN = 4  # as a rule of thumb
_MOST_ALTERNATIVES = 20


class RemoteScorer(AnswerReader):
    """How likely a language model behind a server finds an answer.

    What may go are characters of the prompt; the server cuts what is left into tokens. The values
    are those of `shapiq_spex.games.models.answers.AnswerReader`, without the divergence. A
    probability the server rounds to one is taken for 1 - 2^-24. Servers do not promise equal
    numbers for equal requests.

    Args:
        url: The address, such as "https://api.openai.com/v1".
        model: The name of the model there.
        prompt: A text, a `Prompt`, or the messages of a chat (for the interface "chat" alone).
        answer: The answer, with the space before it if there is one.
        against: Other answers to hold this one against.
        interface: "completions" reads the tokens of the answer from the echo of a prompt;
            "prompt_logprobs" the same from servers like vLLM's; "chat" reads the first token of the
            model's reply, so an answer is one token there. An answer that is not among the 20 most
            likely replies is taken to be as likely as the least of these, which is an upper bound.
        value: What is read; by default "contrast" if there is something to hold against, else
            "log_prob".
        span: The tokens of the answer that count.
        concurrency: How many requests are under way at once.
        server: Further settings of `shapiq_spex.games.models.server.Server`: key_variable, timeout,
            attempts, pause.

    Raises:
        ConnectionError: If the server gives no answer in several attempts.
        ValueError: If the server refuses a request, gives no log-probabilities or answers in
            another form, if the prompt is a chat and the interface is not, if a setting makes no
            sense, or if the value cannot be had from the outputs.

    Examples:
        >>> scorer = RemoteScorer(
        ...     "http://localhost:8000/v1", "llama", "Paris is in France. Rome is in", " Italy"
        ... )  # doctest: +SKIP
        >>> game = TextGame(scorer.prompt, scorer, removal="delete")  # doctest: +SKIP
    """

    mask_id, max_tokens, can_hide = None, None, False
    empty_id = ord(" ")

    def __init__(
        self,
        url: str,
        model: str,
        prompt: str | Prompt | Sequence[Mapping[str, str]],
        answer: str,
        *,
        against: Sequence[str] = (),
        interface: Interface = "completions",
        value: Value | None = None,
        span: slice | str | None = None,
        concurrency: int = 8,
        **server: Any,
    ) -> None:
        """See the class; a first request tells of what tokens each answer is."""
        check_choice("interface", interface, get_args(Interface))
        self.server = Server(url, **server)
        self.model = model
        self.interface = interface
        self.concurrency = whole("RemoteScorer", "concurrency", concurrency)
        self._roles = ["user"]
        self.prompt = self._as_prompt(prompt)
        texts = [answer, *([against] if isinstance(against, str) else against)]
        found = zip(texts, self._ask(self.prompt.text, texts), strict=True)
        self.answers = tuple(
            Answer.of_pieces(text, [piece for piece, _ in tokens]) for text, tokens in found
        )
        self._choose(value, span)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the outputs; never the key."""
        return {
            "scorer": "log-odds of answer tokens",
            "server": self.server.url,
            "model": self.model,
            "interface": self.interface,
            "roles": self._roles,
            "answers": [answer.text for answer in self.answers],
        }

    def encode(self, text: str, *, add_special_tokens: bool = True) -> Encoding:
        """Return the characters of the text as its tokens."""
        del add_special_tokens
        spans = tuple((i, i + 1) for i in range(len(text)))
        return Encoding(tuple(map(ord, text)), spans, (False,) * len(text))

    def n_tokens(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return roughly how many tokens are sent, four characters taken for one."""
        more = [0] if self.interface == "chat" else [len(each.text) for each in self.answers]
        characters = sum(lengths + each for each in more)
        return np.ceil(np.asarray(characters) / _CHARACTERS_A_TOKEN).astype(np.int64)

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (number of a sequence, its log-odds of shape (1, k)) as the answers come in."""
        texts = ["".join(map(chr, sequence)) for sequence in sequences]
        pool, failure = ThreadPoolExecutor(max_workers=self.concurrency), None
        try:
            asked = {pool.submit(self._outputs, text): i for i, text in enumerate(texts)}
            for done in as_completed(asked):
                if done.cancelled():
                    continue
                if error := done.exception():
                    failure = failure or error
                    for other in asked:
                        other.cancel()
                else:  # also of requests that were under way at a failure, for they are paid
                    yield np.array([asked[done]]), done.result()[np.newaxis]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if failure is not None:
            raise failure

    def _outputs(self, text: str) -> NDArray[np.float64]:
        columns: list[float] = []
        found = self._ask(text, [answer.text for answer in self.answers])
        for answer, tokens in zip(self.answers, found, strict=True):
            if len(tokens) != len(answer.pieces):
                pieces = [piece for piece, _ in tokens]
                msg = (
                    f"After an ablated prompt the server cuts the answer {answer.text!r} into "
                    f"{pieces}, not into {list(answer.pieces)}; let it begin with white space."
                )
                raise ValueError(msg)
            columns += [log_p for _, log_p in tokens]
        log_p = np.minimum(columns, 0.0)
        with np.errstate(divide="ignore"):
            return log_p - np.maximum(np.log(-np.expm1(log_p)), _SUREST)

    def _ask(self, text: str, answers: Sequence[str]) -> list[Tokens]:
        """The tokens of every answer after a text, with their log-probabilities."""
        if self.interface == "chat":
            return self._ask_for_reply(text, answers)
        echo = self.interface == "completions"
        ask = self._ask_for_echo if echo else self._ask_for_prompt
        return [ask(text, answer) for answer in answers]

    def _ask_for_echo(self, text: str, answer: str) -> Tokens:
        more = {"max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0}
        body = {"prompt": text + answer, **more}
        return self._last(self._read("completions", body, echoed_tokens), answer)

    def _ask_for_prompt(self, text: str, answer: str) -> Tokens:
        more = {"max_tokens": 1, "prompt_logprobs": 0, "temperature": 0}
        body = {"prompt": text + answer, **more}
        return self._last(self._read("completions", body, prompt_tokens), answer)

    def _ask_for_reply(self, text: str, answers: Sequence[str]) -> list[Tokens]:
        """One request tells of all answers."""
        contents = zip(self._roles, text.split(_BREAK), strict=True)
        messages = [{"role": role, "content": content} for role, content in contents]
        more = {"max_tokens": 1, "logprobs": True, "top_logprobs": _MOST_ALTERNATIVES}
        body = {"messages": messages, "temperature": 0, **more}
        found = self._read("chat/completions", body, alternatives)
        if not found:
            msg = f"The model {self.model!r} at {self.server.url} gives no log-probabilities."
            raise ValueError(msg)
        least = min(found.values())
        return [[(answer, found.get(answer, least))] for answer in answers]

    def _read(self, path: str, body: dict[str, Any], reader: Callable[[Any], T]) -> T:
        """What a reader finds in the first choice of the answer to a request."""
        answer = self.server.post(path, {"model": self.model, **body})
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not choices or not isinstance(choices, list):
            msg = f"The server {self.server.url} gives no choice, but {self.server.says(answer)}."
            raise ValueError(msg)
        with suppress(TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            return reader(choices[0])
        raise ValueError(self._odd_form(answer))

    def _odd_form(self, said: Any) -> str:
        return (
            f"The server {self.server.url} answers in a form that is not that of the interface "
            f"{self.interface!r}: {self.server.says(said)}; use another interface= or another "
            f"server."
        )

    def _last(self, tokens: Tokens, answer: str) -> Tokens:
        """The tokens at the end that make up the answer."""
        if not tokens:
            msg = (
                f"The model {self.model!r} at {self.server.url} gives no log-probabilities of a "
                f"prompt; use another interface= or another server."
            )
            raise ValueError(msg)
        for first in range(len(tokens) - 1, -1, -1):
            found = tokens[first:]
            written = "".join(token for token, _ in found)
            if written == answer:
                if any(math.isnan(log_p) for _, log_p in found):
                    raise ValueError(self._odd_form(found))
                return found
            if len(written) >= len(answer):
                break
        msg = (
            f"The end of the prompt and the beginning of the answer {answer!r} make one token for "
            f"the model; let the answer begin with white space."
        )
        raise ValueError(msg)

    def _as_prompt(self, prompt: Any) -> Prompt:
        if isinstance(prompt, (list, tuple)):
            if self.interface != "chat":
                msg = f"The messages of a chat need interface='chat', not {self.interface!r}."
                raise ValueError(msg)
            self._roles = [message["role"] for message in prompt]
            return Prompt.from_chat(prompt, _Contents())
        return prompt if isinstance(prompt, Prompt) else Prompt(prompt)


class _Contents:
    """The template of a chat that is sent as it is: its contents, one after the other."""

    chat_template = "contents"

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        return _BREAK.join(message["content"] for message in messages)
