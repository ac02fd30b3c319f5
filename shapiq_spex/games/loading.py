"""Models of the transformers library: loading them, their limits, and running them in batches."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.games.players import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.players import TokenIds

__all__ = ["LocalModel", "batches", "is_classifier", "load_model", "token_limit"]

_INSTALL = 'pip install "shapiq-spex[text]"'
_NO_PADDING = -1  # a token id that never occurs
_LONGEST_SANE_LIMIT = 10**9  # tokenizers without a limit say 10^30


@dataclass(frozen=True)
class LocalModel:
    """A transformers model with its tokenizer, on one device.

    Attributes:
        model: The model.
        tokenizer: Its fast tokenizer.
        max_tokens: The longest sequence the model reads, None if there is no limit.
    """

    model: Any
    tokenizer: Any
    max_tokens: int | None

    def encode(self, text: str) -> Encoding:
        """Return the tokens of the text, never cut, special tokens included."""
        found = self.tokenizer(
            text,
            truncation=False,
            padding=False,
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
        config = _text_config(self.model)
        if getattr(config, "model_type", None) == "xlnet":
            return None
        return getattr(config, "pad_token_id", None)

    def run(
        self, sequences: Sequence[TokenIds], batch_size: int, read: Callable[[Any, Any], Any]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield, batch by batch, which sequences were run and what was read from the model.

        Args:
            sequences: Token ids.
            batch_size: How many sequences the model gets at once.
            read: Takes the model's output and the attention mask, both for b sequences, and
                returns a tensor whose first axis has length b.
        """
        self.model.eval()
        lengths = [len(sequence) for sequence in sequences]
        for index in batches(lengths, batch_size, equal_lengths=self.pad_id is None):
            yield index, self._forward([sequences[i] for i in index], read)

    def _forward(
        self, batch: list[TokenIds], read: Callable[[Any, Any], Any]
    ) -> NDArray[np.float64]:
        import torch

        ids, mask = (
            torch.from_numpy(array).to(self.model.device) for array in _pad(batch, self.pad_id or 0)
        )
        with torch.inference_mode(), _some_pad_id(self.model):
            answer = read(self.model(input_ids=ids, attention_mask=mask), mask)
        return np.asarray(answer.cpu().double())


def batches(
    lengths: Sequence[int], batch_size: int, *, equal_lengths: bool
) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of the sequences of each batch, the longest first.

    Neighbours in length need little padding, and memory runs out at the start or not at all.

    Args:
        lengths: The number of tokens of every sequence.
        batch_size: The most sequences in a batch.
        equal_lengths: Whether a batch may only hold sequences of one length.

    Examples:
        >>> [batch.tolist() for batch in batches([2, 5, 2, 3], 2, equal_lengths=False)]
        [[1, 3], [0, 2]]
        >>> [batch.tolist() for batch in batches([2, 5, 2, 3], 2, equal_lengths=True)]
        [[1], [3], [0, 2]]
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for _, group in groupby(order, key=lambda i: lengths[i] if equal_lengths else 0):
        members = np.fromiter(group, dtype=np.intp)
        for start in range(0, len(members), batch_size):
            yield members[start : start + batch_size]


def load_model(
    model: Any, tokenizer: Any = None, *, auto_class: str, device: Any = None
) -> LocalModel:
    """Load a model by name, or take one that is loaded.

    Args:
        model: A name on the hub, a local folder, or a transformers model. A model loaded here
            computes in float32; a given one is left as it is but for ``device`` and ``eval()``.
        tokenizer: Its tokenizer or the name of it; needed with a model object only.
        auto_class: The class of transformers that loads it, e.g. "AutoModel".
        device: Where to run, e.g. "cuda:0". By default a given model stays where it is, and a
            loaded one goes to the graphics card if there is one.

    Returns:
        The model, ready to run.

    Raises:
        ImportError: If torch or transformers is missing.
        TypeError: If the model is neither a name nor a folder nor a transformers model.
        ValueError: If the model or its tokenizer cannot be had, if the model's head was never
            trained, or if the tokenizer cannot tell where in the text its tokens are.
    """
    torch, transformers = _libraries()
    if isinstance(model, (str, Path)):
        tokenizer = model if tokenizer is None else tokenizer
        model = _from_pretrained(getattr(transformers, auto_class), model)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    elif not hasattr(model, "config"):
        msg = (
            f"A model must be a name, a folder or a model of transformers, but a "
            f"{type(model).__name__} was given."
        )
        raise TypeError(msg)
    if device is not None:
        model = model.to(device)
    tokenizer = _loaded_tokenizer(transformers, tokenizer, model)
    return LocalModel(model, tokenizer, token_limit(model, tokenizer))


def is_classifier(name: str) -> bool:
    """Whether the saved model of this name has the head of a sequence classifier.

    Raises:
        ImportError: If torch or transformers is missing.
        ValueError: If nothing can be loaded under this name.
    """
    config = _from_pretrained_config(_libraries()[1].AutoConfig, name)
    return any("ForSequenceClassification" in each for each in config.architectures or ())


def token_limit(model: Any, tokenizer: Any) -> int | None:
    """Return the longest sequence the model reads, None if neither it nor the tokenizer says."""
    limits = [
        getattr(tokenizer, "model_max_length", None),
        getattr(_text_config(model), "max_position_embeddings", None),
        *_position_rows(model),
    ]
    sane = [int(limit) for limit in limits if limit and 0 < limit < _LONGEST_SANE_LIMIT]
    return min(sane, default=None)


def _position_rows(model: Any) -> Iterator[int]:
    """RoBERTa and its kin number positions from padding_idx + 1, so some rows are not for us."""
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            yield module.num_embeddings - padding - 1


def _text_config(model: Any) -> Any:
    config = model.config
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        msg = f"Games on language models need torch and transformers: {_INSTALL}"
        raise ImportError(msg) from error
    return torch, transformers


def _from_pretrained(auto_class: Any, name: str | Path) -> Any:
    with _named_failure(auto_class, name), _no_loading_bar():
        model, report = auto_class.from_pretrained(name, output_loading_info=True)
    _refuse_untrained_head(model, report["missing_keys"], name)
    return model.float()


def _from_pretrained_config(auto_config: Any, name: str) -> Any:
    with _named_failure(auto_config, name):
        return auto_config.from_pretrained(name)


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """The only bar a game shows counts evaluations."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _named_failure(auto_class: Any, name: str | Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        msg = (
            f"The model {str(name)!r} could not be loaded; give the name of a model on the Hugging "
            f"Face hub that {auto_class.__name__} can load, or the folder of a saved one."
        )
        raise ValueError(msg) from error


def _refuse_untrained_head(model: Any, missing: Sequence[str], name: str | Path) -> None:
    """A bare AutoModel is all body: its weights carry no prefix, and it has no head."""
    body = f"{model.base_model_prefix}."
    head = [key for key in missing if model.base_model is not model and not key.startswith(body)]
    if head:
        msg = (
            f"The model {str(name)!r} was never trained for this task: its folder holds no weights "
            f"for {', '.join(sorted(head))}, so its answers would be random; give a fine-tuned one."
        )
        raise ValueError(msg)


def _loaded_tokenizer(transformers: Any, tokenizer: Any, model: Any) -> Any:
    if tokenizer is None:
        msg = (
            f"A model object ({type(model).__name__}) comes without its tokenizer; "
            f"give it as tokenizer=, by name or as an object."
        )
        raise ValueError(msg)
    if isinstance(tokenizer, (str, Path)):
        tokenizer = _tokenizer_from(transformers, tokenizer)
    if not getattr(tokenizer, "is_fast", False):
        msg = (
            f"The tokenizer {type(tokenizer).__name__} cannot tell where in the text its tokens "
            f"are; give a fast one, e.g. from AutoTokenizer.from_pretrained(..., use_fast=True)."
        )
        raise ValueError(msg)
    return tokenizer


def _tokenizer_from(transformers: Any, name: str | Path) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        msg = f"No tokenizer could be loaded from {str(name)!r}; give one as tokenizer=."
        raise ValueError(msg) from error


def _pad(batch: list[TokenIds], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and attention mask of shape (b, longest), padded on the right."""
    shape = len(batch), max(len(sequence) for sequence in batch)
    ids, mask = np.full(shape, pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask


@contextmanager
def _some_pad_id(model: Any) -> Iterator[None]:
    """Classifiers on causal models refuse batches without a pad id, though ours need no padding."""
    config = _text_config(model)
    if getattr(config, "pad_token_id", None) is not None:
        yield
        return
    config.pad_token_id = _NO_PADDING
    try:
        yield
    finally:
        config.pad_token_id = None
