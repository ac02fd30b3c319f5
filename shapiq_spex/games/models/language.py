"""Language models of the transformers library that score answers."""

from __future__ import annotations

from itertools import pairwise
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.games.models.answers import Answer, AnswerReader
from shapiq_spex.games.models.scorers import LocalScorer
from shapiq_spex.games.prompts.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.models.answers import Value
    from shapiq_spex.games.prompts.spans import Encoding, TokenIds

__all__ = ["AnswerScorer"]


class AnswerScorer(AnswerReader, LocalScorer):
    """How likely a language model finds an answer; the base of the causal and the seq2seq scorer.

    One forward pass per sequence scores all tokens of an answer; what is kept of them and read from
    that is said in `shapiq_spex.games.models.answers.AnswerReader`.

    Attributes:
        prompt: What the answer is an answer to.
        auto_class: The class of transformers that loads such a model.
    """

    auto_class: ClassVar[str]

    def __init__(
        self,
        model: Any,
        prompt: Prompt | str | Sequence[Mapping[str, str]],
        answer: str | None = None,
        *,
        against: Sequence[str] = (),
        tokenizer: Any = None,
        value: Value | None = None,
        span: slice | str | None = None,
        kl: bool = False,
        max_new_tokens: int = 32,
        batch_size: int = 32,
        device: Any = None,
    ) -> None:
        """See the subclasses."""
        LocalScorer.__init__(
            self, model, tokenizer, self.auto_class, batch_size, device, as_saved=True
        )
        self._check_model()
        self.local.model.eval()
        self.prompt = _as_prompt(prompt, self.local.tokenizer)
        if answer is not None:
            self.answers = (self._answer(answer),)
        elif value != "kl" or against:
            self.answers = (self._generated(max_new_tokens),)
        self.answers += tuple(self._answer(other) for other in _as_list(against))
        self._stems: dict[tuple[int, ...], list[int]] = {}
        for number, each in enumerate(self.answers):
            self._stems.setdefault(each.stem, []).append(number)
        self._reference = None
        self.has_divergence = kl or value == "kl"
        if self.has_divergence:
            self._stems = self._stems or {(): []}
            self._reference = self._next_token_log_probs()
        self._choose(value, span)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the outputs, from which ``value`` and ``span`` only choose."""
        scored = [[*each.lead, *each.ids] for each in self.answers]
        more = {"answers": scored, "kl": self.has_divergence}
        return {"scorer": "log-odds of answer tokens", **more, **self.local.identity}

    def n_tokens(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many tokens the model reads for sequences of these lengths, reuse aside."""
        return np.sum([lengths + len(stem) for stem in self._stems], axis=0, dtype=np.int64)

    def encode_prompt(self, text: str) -> Encoding:
        """Return the tokens of a text of the same kind as the prompt."""
        return self.encode(text, add_special_tokens=not self.prompt.rendered)

    @property
    def _lead(self) -> tuple[int, ...]:
        return self.answers[0].lead if self.answers else ()

    def _next_token_log_probs(self) -> Any:
        import torch

        rows = [np.array(self.encode_prompt(self.prompt.text).ids)]
        return torch.log_softmax(self._logits_after(rows)(self._lead)[0, -1].float(), dim=-1)

    def _columns(self, logits_after: Callable[[tuple[int, ...]], Any]) -> NDArray[np.float64]:
        """The outputs of a batch, shape (b, k)."""
        import torch

        columns: list[Any] = [None] * len(self.answers)
        divergence: list[Any] = []
        for stem, numbers in self._stems.items():
            logits = logits_after(stem)
            for number in numbers:
                columns[number] = _log_odds(logits, self.answers[number].ids)
            if self._reference is not None and not divergence:
                divergence = [_divergence(self._reference, logits[:, len(self._lead)])]
        return np.asarray(torch.cat([*columns, *divergence], dim=1).cpu().double())

    def _written(self, lead: Sequence[int], ids: Sequence[int]) -> Answer:
        """An answer that is known by its tokens only.

        Of an unfinished character a tokenizer shows some sign that another token takes back, so a
        token begins where what is shown before it agrees with the text.
        """

        def shown(i: int) -> str:
            return self.local.tokenizer.decode(list(ids[:i]), clean_up_tokenization_spaces=False)

        text = shown(len(ids))
        ends = [len(commonprefix([text, shown(i)])) for i in range(len(ids) + 1)]  # noqa: RUF071
        offsets = tuple(
            (start, min(max(end, start + 1), len(text))) for start, end in pairwise(ends)
        )
        return Answer(text, tuple(map(int, ids)), tuple(lead), offsets)

    def _greedy(self, max_new_tokens: int) -> list[int]:
        """The most likely answer token by token, as the model generates it."""
        import torch

        ids = torch.tensor([self.encode_prompt(self.prompt.text).ids], device=self._device)
        made = self.local.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self.local.empty_id if self.local.pad_id is None else self.local.pad_id,
        )
        return made[0].tolist()

    @property
    def _device(self) -> Any:
        return self.local.device

    def _without_special(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Special tokens at the beginning, and the rest without those at the end."""
        special = set(self.local.tokenizer.all_special_ids)
        inner = [i for i, token in enumerate(ids) if token not in special]
        if not inner:
            msg = "The answer has no token to score; give another one as answer=."
            raise ValueError(msg)
        return list(ids[: inner[0]]), list(ids[inner[0] : inner[-1] + 1])

    def _check_model(self) -> None:
        raise NotImplementedError

    def _answer(self, text: str) -> Answer:
        raise NotImplementedError

    def _generated(self, max_new_tokens: int) -> Answer:
        raise NotImplementedError

    def _logits_after(self, rows: Sequence[TokenIds]) -> Callable[[tuple[int, ...]], Any]:
        """From what the model reads after the rows to logits of shape (b, T, V) at its end."""
        raise NotImplementedError


def _log_odds(logits: Any, targets: Sequence[int]) -> Any:
    """z_a - log sum_{w != a} exp z_w in float32, for the last positions of logits (b, T, V).

    From the logits as they are, one position at a time: a copy of all of them would fill the
    memory, and a log-probability near zero would have lost the odds.
    """
    import torch

    columns = []
    for offset, target in enumerate(targets, start=-len(targets)):
        others = logits[:, offset].to(torch.float32, copy=True)
        own = others[:, target].clone()
        others[:, target] = -torch.inf
        columns.append(own - torch.logsumexp(others, dim=-1))
    return torch.stack(columns, dim=1)


def _divergence(reference: Any, logits: Any) -> Any:
    """KL(P || Q), P given as log-probabilities (V,), Q as logits (b, V); shape (b, 1)."""
    import torch

    found = torch.log_softmax(logits.float(), dim=-1)
    return (reference.exp() * (reference - found)).sum(dim=-1, keepdim=True)


def _as_prompt(prompt: Any, tokenizer: Any) -> Prompt:
    if isinstance(prompt, Prompt):
        return prompt
    if isinstance(prompt, (list, tuple)):
        return Prompt.from_chat(prompt, tokenizer)
    return Prompt(prompt)


def _as_list(against: Sequence[str]) -> Sequence[str]:
    return (against,) if isinstance(against, str) else against
