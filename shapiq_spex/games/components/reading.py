"""Logits and tokens that a metric needs of a model, or one sentence why there are none."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapiq_spex.games.models.local import LocalModel

__all__ = ["as_ids", "check_causal", "check_vocabulary", "logits_of", "token_ids"]


def logits_of(metric: Any, output: Any, axes: int) -> Any:
    """Return the logits of a model's output.

    Raises:
        ValueError: If it has none, or they have not so many axes.
    """
    logits = getattr(output, "logits", None)
    if logits is None or logits.ndim != axes:
        found = "none" if logits is None else f"those of shape {tuple(logits.shape)}"
        msg = (
            f"{type(metric).__name__} needs logits with {axes} axes, but the model gives {found}; "
            f"give a model of the kind that transformers.{metric.auto_class} loads."
        )
        raise ValueError(msg)
    return logits


def check_causal(metric: Any, local: LocalModel) -> None:
    """Refuse a model that sees the token it is to predict."""
    if not local.is_causal:
        msg = (
            f"{type(local.model).__name__} is no causal language model, for it reads tokens with "
            f"regard to later ones, so {type(metric).__name__} has nothing to predict; use "
            f"ClassMetric, SimilarityMetric or a function as the metric."
        )
        raise ValueError(msg)


def check_vocabulary(ids: Sequence[Any], size: int, name: str) -> None:
    """Refuse token ids that a vocabulary of this size has not."""
    if unknown := [each for each in ids if not 0 <= each < size]:
        msg = (
            f"The {name} hold the token id {unknown[0]}, but the vocabulary of the model has the "
            f"ids 0 to {size - 1}; encode texts with the model's own tokenizer."
        )
        raise ValueError(msg)


def as_ids(choices: Sequence[int | str]) -> list[int | str]:
    """Return token ids as Python ints, and texts as they are."""
    try:
        return [choice if isinstance(choice, str) else index(choice) for choice in choices]
    except TypeError:
        msg = f"ChoiceMetric needs choices as a list of token ids or texts, got {choices!r}."
        raise ValueError(msg) from None


def token_ids(local: LocalModel, choices: Sequence[int | str]) -> list[int]:
    """Return choices as token ids of a model.

    Raises:
        ValueError: If one is not a single token, or two are the same.
    """
    ids = [_one_token(local, choice) for choice in choices]
    if len(set(ids)) < len(ids):
        msg = f"ChoiceMetric needs choices that differ, but {choices!r} are the tokens {ids}."
        raise ValueError(msg)
    return ids


def _one_token(local: LocalModel, choice: int | str) -> int:
    if not isinstance(choice, str):
        return choice
    ids = () if local.tokenizer is None else local.encode(choice, add_special_tokens=False).ids
    if len(ids) != 1:
        msg = (
            f"A choice must be one token of the model, but {choice!r} is {len(ids)}; give token "
            f"ids, or texts of one token (with the space before them if there is one)."
        )
        raise ValueError(msg)
    return int(ids[0])
