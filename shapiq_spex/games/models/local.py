"""A transformers model with its tokenizer: tokens in, batches through, and who it is."""

from __future__ import annotations

import inspect
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.games.models.inference import inference
from shapiq_spex.games.prompts.spans import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["Batch", "LocalModel", "in_batches", "some_pad_id", "text_config"]

_NO_PADDING = -1  # a token id that never occurs
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Batch:
    """Sequences side by side, padded on the right.

    Attributes:
        ids: Token ids, int64 of shape (b, longest).
        real: 1 where there is a token, 0 where there is padding, int64 of shape (b, longest).
        seen: The same, but 0 for hidden tokens, too.
        lengths: The number of tokens of every sequence, shape (b,).
    """

    ids: Any
    real: Any
    seen: Any
    lengths: NDArray[np.intp]

    @classmethod
    def of(cls, sequences: Sequence[TokenIds], pad_id: int, device: Any) -> Batch:
        """Pad sequences, in which ~id is the hidden token id, and bring them to the device."""
        import torch

        lengths = np.array([len(sequence) for sequence in sequences])
        given = np.full((len(sequences), lengths.max()), pad_id, dtype=np.int64)
        for row, sequence in enumerate(sequences):
            given[row, : len(sequence)] = sequence
        hidden = given < 0
        real = (np.arange(given.shape[1]) < lengths[:, None]).astype(np.int64)
        arrays = np.where(hidden, ~given, given), real, np.where(hidden, 0, real)
        ids, real, seen = (torch.from_numpy(array).to(device) for array in arrays)
        return cls(ids, real, seen, lengths)

    @property
    def hides(self) -> bool:
        """Whether any token is hidden."""
        return not bool((self.real == self.seen).all())


@dataclass(frozen=True)
class LocalModel:
    """A transformers model with its tokenizer.

    Attributes:
        model: The model.
        tokenizer: Its fast tokenizer.
        max_tokens: The longest sequence the model reads, None if there is no limit.
        name: The name it was loaded by, None if it was given as an object.
    """

    model: Any
    tokenizer: Any
    max_tokens: int | None
    name: str | None = None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> Encoding:
        """Return the tokens of the text, never cut."""
        found = self.tokenizer(
            text,
            truncation=False,
            padding=False,
            add_special_tokens=add_special_tokens,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        return Encoding(
            ids=tuple(found["input_ids"]),
            offsets=tuple((int(start), int(end)) for start, end in found["offset_mapping"]),
            special=tuple(bool(flag) for flag in found["special_tokens_mask"]),
        )

    @property
    def mask_id(self) -> int | None:
        """The mask token, if the tokenizer has one."""
        mask: int | None = self.tokenizer.mask_token_id
        return mask

    @property
    def empty_id(self) -> int | None:
        """The token that can stand for an empty text: bos, else eos."""
        bos: int | None = self.tokenizer.bos_token_id
        eos: int | None = self.tokenizer.eos_token_id
        return eos if bos is None else bos

    @property
    def pad_id(self) -> int | None:
        """The id to pad with on the right, None where padding would change the values.

        It must be the one in the model's configuration: classifiers on causal models look for the
        last token that differs from it, and RoBERTa counts positions by it. XLNet reads its answer
        from the last position, padded or not.
        """
        config = text_config(self.model)
        if getattr(config, "model_type", None) == "xlnet":
            return None
        return getattr(config, "pad_token_id", None)

    @property
    def is_stateful(self) -> bool:
        """Whether a layer keeps a running state (Mamba, convolutions) in the place of attention."""
        kinds = getattr(text_config(self.model), "layer_types", None) or ()
        others = any(kind == "linear_attention" or "attention" not in kind for kind in kinds)
        return others or bool(getattr(self.model, "_is_stateful", False))

    @cached_property
    def is_causal(self) -> bool:
        """Whether the first of two tokens is read without regard to the second, as tried out."""
        import torch

        if getattr(self.model.config, "is_encoder_decoder", False):
            return False
        first, other, another = [i for i in range(4) if i != self.pad_id][:3]
        ids = torch.tensor([[first, other], [first, another]], device=self.device)
        self.model.eval()
        with inference():
            states = self.model.base_model(input_ids=ids)[0].float()[:, 0]
        scale, eps = states.abs().max(), torch.finfo(self.model.dtype).eps
        return bool((states[0] - states[1]).abs().max() <= 32 * eps * scale)

    @property
    def device(self) -> Any:
        """Where the model takes its tokens, wherever the rest of it lies (``device_map``)."""
        embedding = self.model.get_input_embeddings()
        moved = getattr(getattr(embedding, "_hf_hook", None), "execution_device", None)
        there = getattr(getattr(embedding, "weight", None), "device", self.model.device)
        return there if moved is None else moved

    def accepts(self, argument: str) -> bool:
        """Whether the model's forward pass knows an argument."""
        return argument in inspect.signature(self.model.forward).parameters

    def run(
        self, scorer: Any, sequences: Sequence[TokenIds], read: Callable[[Any, Any], Any]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield, batch by batch, which sequences were run and what was read from the model.

        Args:
            scorer: Its ``batch_size`` is how many sequences the model gets at once.
            sequences: Token ids; ~id is the hidden token id.
            read: Takes the model's output and the attention mask, both for b sequences, and
                returns a tensor whose first axis has length b.
        """
        self.model.eval()

        def forward(index: NDArray[np.intp]) -> NDArray[np.float64]:
            return self._forward([sequences[i] for i in index], read)

        lengths = [len(sequence) for sequence in sequences]
        return in_batches(scorer, lengths, forward, equal_lengths=self.pad_id is None)

    def _forward(
        self, sequences: list[TokenIds], read: Callable[[Any, Any], Any]
    ) -> NDArray[np.float64]:

        batch = Batch.of(sequences, self.pad_id or 0, self.device)
        with inference(), some_pad_id(self.model):
            output = self.model(input_ids=batch.ids, attention_mask=batch.seen)
            answer = read(output, batch.seen)
        return np.asarray(answer.cpu().double())

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The name and revision of a model from the hub, else a hash of its weights; its dtype."""
        config = self.model.config
        revision = getattr(config, "_commit_hash", None)
        known = {"model": type(self.model).__name__, "dtype": str(self.model.dtype)}
        if self.name is not None and revision is not None:
            return {**known, "name": self.name, "revision": revision}
        settings = config.to_diff_dict()
        for unimportant in ("_name_or_path", "transformers_version"):
            settings.pop(unimportant, None)
        config_text = json.dumps(settings, sort_keys=True, default=str)
        return {**known, "weights": _hash_of(self.model, config_text)}


def in_batches(
    scorer: Any,
    lengths: Sequence[int],
    forward: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    *,
    equal_lengths: bool = False,
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield the numbers of the sequences of each batch and what ``forward`` gives, longest first.

    Neighbours in length need little padding, and memory runs out at the start or not at all. When
    it does, ``scorer.batch_size`` is halved and stays so.

    Args:
        scorer: Its ``batch_size`` is the most sequences in a batch.
        lengths: The number of tokens of every sequence.
        forward: Takes the numbers of the sequences of a batch.
        equal_lengths: Whether a batch may only hold sequences of one length.

    Examples:
        >>> from types import SimpleNamespace
        >>> two = SimpleNamespace(batch_size=2)
        >>> [index.tolist() for index, _ in in_batches(two, [2, 5, 2, 3], lambda index: index)]
        [[1, 3], [0, 2]]
        >>> batches = in_batches(two, [2, 5, 2, 3], lambda index: index, equal_lengths=True)
        >>> [index.tolist() for index, _ in batches]
        [[1], [3], [0, 2]]
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for _, group in groupby(order, key=lambda i: lengths[i] if equal_lengths else 0):
        left = np.fromiter(group, dtype=np.intp)
        while len(left):
            index = left[: scorer.batch_size]
            try:
                values = forward(index)
            except (RuntimeError, MemoryError) as error:
                if len(index) == 1 or not _is_out_of_memory(error):
                    raise
                scorer.batch_size = len(index) // 2
            else:
                yield index, values
                left = left[len(index) :]


def text_config(model: Any) -> Any:
    """Return the part of the model's configuration that is about text."""
    config = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _is_out_of_memory(error: Exception) -> bool:
    told = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in told
        or "can't allocate memory" in told
    )


def _hash_of(model: Any, settings: str) -> str:
    import torch

    digest = blake2b(settings.encode(), digest_size=16)

    def add(value: Any) -> None:
        """A state also holds packed weights, tensors made of others, and settings."""
        if isinstance(value, (tuple, list)):
            for each in value:
                add(each)
        elif not isinstance(value, torch.Tensor):
            digest.update(f"{value!r};".encode())
        elif hasattr(value, "__tensor_flatten__"):
            names, others = value.__tensor_flatten__()
            add([type(value).__name__, *(getattr(value, name) for name in names), others])
        else:
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            value = value.dequantize() if value.is_quantized else value
            if value.device.type != "meta":  # weights kept on disk cannot be read here
                flat = value.detach().cpu().contiguous().reshape(-1)
                digest.update(flat.view(torch.uint8).numpy().data)

    for item in sorted(model.state_dict().items(), key=lambda item: item[0]):
        add(item)
    return digest.hexdigest()


@contextmanager
def some_pad_id(model: Any) -> Iterator[None]:
    """Classifiers on causal models refuse batches without a pad id, though ours need no padding."""
    config = text_config(model)
    if getattr(config, "pad_token_id", None) not in (None, _NO_PADDING):
        yield
        return
    with _one_at_a_time:  # or a thread would take the id away from another
        config.pad_token_id = _NO_PADDING
        try:
            yield
        finally:
            config.pad_token_id = None
