"""Causal language models as scorers: what the answer is worth after an ablated prompt."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.games.models.answers import Answer
from shapiq_spex.games.models.inference import inference
from shapiq_spex.games.models.language import AnswerScorer
from shapiq_spex.games.models.local import Batch, in_batches
from shapiq_spex.games.prompts.spans import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["CausalScorer"]

_WORTH_KEEPING = 16  # tokens; the keys and values of a shorter prefix are not worth the copying


@dataclass(frozen=True)
class _Prefix:
    """Tokens all sequences begin with, and the keys and values the model has for them."""

    ids: NDArray[np.int32]
    cache: Any


class CausalScorer(AnswerScorer):
    """How likely a causal language model finds an answer after a prompt.

    The values are those of `shapiq_spex.games.models.answers.AnswerReader`. Sequences are padded on
    the right, where no token can see the padding, so positions are right for every architecture and
    no attention mask is needed. What all sequences of a call begin with is run once and its keys
    and values are shared. A model is taken as it is given: in half precision, quantised, spread by
    ``device_map``. Where its 8-bit layers scale what they read by the whole batch, as those of
    ``torch.ao``, a value depends on its batch a little, and is kept as it was found first.

    Args:
        model: A causal language model: its name on the hub, a local folder, or the model itself,
            in any precision and on any devices. A model loaded here computes in float32 on a CPU.
        prompt: What the answer is an answer to: a text, a `Prompt`, or the messages of a chat
            (dictionaries with "role" and "content").
        answer: The answer, with the space before it if there is one. By default the model's own,
            generated greedily.
        against: Other answers to hold this one against.
        tokenizer: The tokenizer, needed with a model object only.
        value: What is read; by default "contrast" if there is something to hold against, else
            "log_prob".
        span: The tokens of the answer that count: a slice of them, or a part of its text. By
            default all.
        kl: Whether the divergence is among the outputs, so that it can be read later.
        max_new_tokens: The most tokens of a generated answer.
        batch_size: Sequences per forward pass.
        device: Where to run; see `shapiq_spex.games.models.loading.load_model`.

    Raises:
        ImportError: If torch or transformers is missing.
        TypeError: If the prompt is neither text nor prompt nor chat.
        ValueError: If the model cannot be used or is not causal, if prompt and answer share a
            token, or if the value cannot be had from the outputs.

    Examples:
        >>> scorer = CausalScorer("gpt2", "The capital of France is", " Paris")  # doctest: +SKIP
    """

    auto_class: ClassVar[str] = "AutoModelForCausalLM"
    _prefix: _Prefix | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the shared prefix behind; another process makes its own."""
        return {**self.__dict__, "_prefix": None}

    @property
    def max_tokens(self) -> int | None:
        """The longest prompt the model reads beside the answer, None if there is no limit."""
        limit = self.local.max_tokens
        longest = max((len(answer.stem) for answer in self.answers), default=0)
        return None if limit is None else limit - longest

    def encode(self, text: str, *, add_special_tokens: bool = True) -> Encoding:
        """Return all tokens of the text but special ones at its end, where the answer goes."""
        found = self.local.encode(text, add_special_tokens=add_special_tokens)
        size = max((i + 1 for i, special in enumerate(found.special) if not special), default=0)
        size = size or len(found.ids)
        return Encoding(found.ids[:size], found.offsets[:size], found.special[:size])

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, their outputs of shape (b, k)), batch by batch."""
        arrays = [np.asarray(sequence, dtype=np.int32) for sequence in sequences]
        if not arrays:
            return
        prefix = self._prefix = self._shared_prefix(arrays)  # another thread may put in its own

        def forward(index: NDArray[np.intp]) -> NDArray[np.float64]:
            rows = [arrays[i] for i in index]
            return self._columns(lambda stem: self._logits(rows, stem, prefix))

        self.local.model.eval()
        yield from in_batches(self, [len(array) for array in arrays], forward)

    def _logits_after(self, rows: Sequence[TokenIds]) -> Callable[[tuple[int, ...]], Any]:
        return lambda stem: self._logits(rows, stem, None)

    def _logits(
        self, rows: Sequence[TokenIds], stem: tuple[int, ...], prefix: _Prefix | None
    ) -> Any:
        """Logits after the last token of every row and after each token of the stem, (b, T, V)."""
        import torch

        start = 0 if prefix is None else len(prefix.ids)
        batch = Batch.of(
            [np.append(row[start:], stem) for row in rows], self.local.pad_id or 0, self._device
        )
        wanted = batch.lengths[:, None] + np.arange(-len(stem) - 1, 0)
        settings = {"input_ids": batch.ids, **_keys_and_values(prefix, len(rows))}
        if batch.hides:
            settings |= _positions_kept(batch, start)
        if self.local.accepts("logits_to_keep"):  # only these are multiplied with the vocabulary
            kept, columns = np.unique(wanted, return_inverse=True)
            settings["logits_to_keep"] = torch.from_numpy(kept).to(self._device)
            wanted = columns.reshape(wanted.shape)
        with inference():
            logits = self.local.model(**settings).logits
            return logits[torch.arange(len(rows))[:, None], torch.from_numpy(wanted)]

    def _shared_prefix(self, arrays: list[NDArray[np.int32]]) -> _Prefix | None:
        """The prefix at hand if it fits, else that of these sequences if it is worth it."""
        common, held = _common_prefix(arrays), self._prefix
        if held is not None and _fits(held.ids, common):
            return held
        if len(common) < _WORTH_KEEPING or len(arrays) == 1 or self.local.is_stateful:
            return None
        return self._run_prefix(common)

    def _run_prefix(self, ids: NDArray[np.int32]) -> _Prefix | None:
        import torch

        settings = {"logits_to_keep": 1} if self.local.accepts("logits_to_keep") else {}
        given = torch.from_numpy(ids.astype(np.int64))[None].to(self._device)
        with inference():
            output = self.local.model(input_ids=given, use_cache=True, **settings)
        cache = getattr(output, "past_key_values", None)
        repeatable = all(
            hasattr(each, "batch_repeat_interleave")
            for each in (cache, *getattr(cache, "layers", ()))
        )
        return _Prefix(ids, cache) if repeatable else None

    def _check_model(self) -> None:
        if not self.local.is_causal:
            msg = (
                f"{type(self.local.model).__name__} is no causal language model, for it reads "
                f"tokens with regard to later ones; use from_classifier, from_encoder or "
                f"from_seq2seq."
            )
            raise ValueError(msg)

    def _answer(self, text: str) -> Answer:
        """The tokens that the answer adds to those of the prompt, both read as one text."""
        before = self.encode_prompt(self.prompt.text).ids
        both, start = self.encode_prompt(self.prompt.text + text), len(self.prompt.text)
        if both.ids[: len(before)] != before or len(both.ids) == len(before):
            msg = (
                f"The tokenizer joins the end of the prompt, {self.prompt.text[-20:]!r}, and the "
                f"beginning of the answer, {text[:20]!r}, to one token; let the prompt end with a "
                f"whole word, and let the answer begin with the white space after it."
            )
            raise ValueError(msg)
        offsets = ((max(i - start, 0), j - start) for i, j in both.offsets[len(before) :])
        return Answer(text, both.ids[len(before) :], (), tuple(offsets))

    def _generated(self, max_new_tokens: int) -> Answer:
        made = self._greedy(max_new_tokens)[len(self.encode_prompt(self.prompt.text).ids) :]
        lead, ids = self._without_special(made)
        return self._written(lead, ids)


def _common_prefix(arrays: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """The tokens all arrays begin with, none hidden, and not the last of any."""
    shortest = min(len(array) for array in arrays) - 1
    first = arrays[0][:shortest]
    same = first >= 0
    for array in arrays[1:]:
        same &= array[:shortest] == first
    return first[: len(same) if same.all() else int(same.argmin())]


def _fits(held: NDArray[np.int32], common: NDArray[np.int32]) -> bool:
    """Whether sequences begin with the prefix at hand, and share little more than that."""
    return len(common) <= 2 * len(held) and np.array_equal(common[: len(held)], held)


def _keys_and_values(prefix: _Prefix | None, repeats: int) -> dict[str, Any]:
    if prefix is None:
        return {"use_cache": False}
    cache = deepcopy(prefix.cache)
    cache.batch_repeat_interleave(repeats)
    return {"past_key_values": cache, "use_cache": True}


def _positions_kept(batch: Batch, start: int) -> dict[str, Any]:
    """An attention mask with holes, and the positions as if there were none."""
    import torch

    before = torch.ones((len(batch.seen), start), dtype=batch.seen.dtype, device=batch.seen.device)
    positions = torch.arange(start, start + batch.seen.shape[1], device=batch.seen.device)
    return {
        "attention_mask": torch.cat([before, batch.seen], dim=1),
        "position_ids": positions.expand(len(batch.seen), -1),
    }
