"""The seam to a model: a scorer cuts a text into tokens and scores token sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from shapiq_spex.checks import whole
from shapiq_spex.games.models.loading import load_model
from shapiq_spex.games.prompts.spans import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["Encoding", "LocalScorer", "Scorer", "check_choice", "check_length"]


class Scorer(Protocol):
    """What a `TextGame` needs of a model; a class with these five members is one.

    These members are made use of if there are any: ``aggregate(outputs)`` turns outputs of shape
    (m, k) into m values, and is needed if k > 1; ``read_as(**settings)`` returns the scorer with
    another aggregation; ``identity`` is a dictionary, fit for JSON, of all that decides the
    outputs; ``can_hide`` says that a negative number ~id is understood as the token id in its
    place, seen by no other token, and ``is_causal`` that tokens are read without regard to later
    ones; ``encode`` with ``add_special_tokens=False`` reads a text that holds its special tokens.

    Examples:
        >>> import numpy as np
        >>> class Length:
        ...     mask_id, empty_id, max_tokens = 0, None, None
        ...
        ...     def encode(self, text):
        ...         n = len(text)
        ...         return Encoding(
        ...             ids=tuple(map(ord, text)),
        ...             offsets=tuple((i, i + 1) for i in range(n)),
        ...             special=(False,) * n,
        ...         )
        ...
        ...     def score(self, sequences):
        ...         for i, sequence in enumerate(sequences):
        ...             yield np.array([i]), np.array([np.count_nonzero(sequence)], dtype=float)
        >>> [values.tolist() for _, values in Length().score([[72, 105], [72, 0]])]
        [[2.0], [1.0]]
    """

    @property
    def mask_id(self) -> int | None:
        """The id of the mask token, None if there is none."""

    @property
    def empty_id(self) -> int | None:
        """The id of a token that can stand for an empty text, None if there is none."""

    @property
    def max_tokens(self) -> int | None:
        """The longest sequence the model reads, None if there is no limit."""

    def encode(self, text: str) -> Encoding:
        """Return all tokens of the text, never cut."""
        ...

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of b sequences, their outputs) as soon as a batch is finished.

        The outputs are one number for every sequence, shape (b,), or several, shape (b, k). The
        batches may come in any order, but together they hold every sequence once. An output
        depends on its sequence alone, to 1e-5 of the scale of the outputs. What was yielded before
        an error or an interruption is kept by the game.
        """
        ...


class LocalScorer:
    """What the scorers on a transformers model share.

    Attributes:
        local: The model and its tokenizer.
        batch_size: Sequences per forward pass; halved when memory runs out.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        auto: str,
        batch_size: int,
        device: Any,
        *,
        as_saved: bool = False,
    ) -> None:
        self.batch_size = whole(type(self).__name__, "batch_size", batch_size)
        self.local = load_model(model, tokenizer, auto_class=auto, device=device, as_saved=as_saved)

    @property
    def mask_id(self) -> int | None:
        """The id of the mask token, None if there is none."""
        return self.local.mask_id

    @property
    def empty_id(self) -> int | None:
        """The id of the bos token, else of the eos token, else None."""
        return self.local.empty_id

    @property
    def max_tokens(self) -> int | None:
        """The longest sequence the model reads, None if there is no limit."""
        return self.local.max_tokens

    @property
    def can_hide(self) -> bool:
        """Whether tokens can be hidden by an attention mask."""
        return not self.local.is_stateful

    @property
    def is_causal(self) -> bool:
        """Whether the model reads tokens without regard to later ones."""
        return self.local.is_causal

    def encode(self, text: str, *, add_special_tokens: bool = True) -> Encoding:
        """Return all tokens of the text, never cut."""
        return self.local.encode(text, add_special_tokens=add_special_tokens)


def check_length(n_tokens: int, max_tokens: int | None) -> None:
    """Refuse a text that a model would have to cut.

    Args:
        n_tokens: The number of tokens of the text.
        max_tokens: The longest sequence the model reads, None if there is no limit.

    Raises:
        ValueError: If the text has more tokens.

    Examples:
        >>> check_length(512, 512)
    """
    if max_tokens is not None and n_tokens > max_tokens:
        msg = (
            f"The text has {n_tokens} tokens, special ones counted, but the model reads "
            f"at most {max_tokens}; shorten the text, for nothing is cut silently."
        )
        raise ValueError(msg)


def check_choice(name: str, given: Any, allowed: Sequence[str]) -> None:
    """Refuse what is not among the allowed values of an argument."""
    if given not in allowed:
        msg = f"{name} can be {', '.join(allowed)}, but {given!r} was given."
        raise ValueError(msg)
