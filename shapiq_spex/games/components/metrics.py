"""How well an ablated model does on each example of a data set."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, get_args

import numpy as np

from shapiq_spex.games.components.reading import (
    as_ids,
    check_causal,
    check_vocabulary,
    logits_of,
    token_ids,
)
from shapiq_spex.games.models.encoders import POOLS, Pooling
from shapiq_spex.games.models.scorers import check_choice, check_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.components.ablated import Rows
    from shapiq_spex.games.models.local import LocalModel
    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = [
    "ChoiceMetric",
    "ClassMetric",
    "Metric",
    "NextTokenMetric",
    "SimilarityMetric",
]

LabelValue = Literal["accuracy", "log_prob", "margin", "score"]
TokenValue = Literal["log_prob", "accuracy"]


class Metric(Protocol):
    """What a `ComponentGame` reads from a model's output; a plain function is one.

    These members are made use of if there are any: ``aggregate(outputs)`` turns outputs (m,
    examples, k) into (m, examples) and is needed if k > 1; ``read_as(value=...)`` returns the
    metric with another aggregation; ``bind(local, inputs)`` returns it fit for a model and its
    inputs; ``logits(output, rows)`` with the members ``labels`` and ``with_labels`` let the intact
    model label the inputs; ``arguments`` are more arguments of the model's forward pass;
    ``auto_class`` names the class of transformers that loads the model; ``identity`` is a
    dictionary, fit for JSON, of all that decides the outputs.
    """

    def __call__(self, output: Any, rows: Rows) -> Any:
        """Return a tensor of shape (rows,) or (rows, k) for what the model gave for rows."""
        ...


class _LabelMetric:
    """What metrics share that hold one logit against the others.

    Kept of every example are three numbers: the label's own logit, the largest other one, and the
    logarithm of the sum of the exponentials of all.
    """

    auto_class: ClassVar[str]
    arguments: ClassVar[dict[str, Any]] = {}

    def __init__(self, labels: Sequence[int] | None, value: LabelValue) -> None:
        check_choice("value", value, get_args(LabelValue))
        self.labels = None if labels is None else np.array(labels)
        self.value = value

    def logits(self, output: Any, rows: Rows) -> Any:
        """One number for each label, shape (rows, labels)."""
        raise NotImplementedError

    def __call__(self, output: Any, rows: Rows) -> Any:
        """Return the three numbers, shape (rows, 3)."""
        import torch

        logits = self.logits(output, rows).float()
        assert self.labels is not None  # noqa: S101
        own = torch.as_tensor(self.labels[rows.examples], device=logits.device).unsqueeze(1)
        others = logits.scatter(1, own, -torch.inf).amax(dim=1)
        return torch.stack([logits.gather(1, own)[:, 0], others, logits.logsumexp(dim=1)], dim=1)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (m, examples) of outputs (m, examples, 3)."""
        own, other, total = np.moveaxis(outputs, -1, 0)
        if self.value == "accuracy":
            return np.asarray(own > other, dtype=np.float64)
        return {"log_prob": own - total, "margin": own - other, "score": own}[self.value]

    def read_as(self, *, value: LabelValue) -> Self:
        """Return this metric with another value."""
        check_choice("value", value, get_args(LabelValue))
        other = copy(self)
        other.value = value
        return other

    def with_labels(self, labels: NDArray[np.intp], count: int) -> Self:
        """Return this metric for labels in range(count), one for each example."""
        whole = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
        if count < 2 or not whole or not ((labels >= 0) & (labels < count)).all():
            msg = (
                f"{type(self).__name__} needs labels that are whole numbers below the number of "
                f"classes, {count}, and at least 2 classes, but got {labels.tolist()}."
            )
            raise ValueError(msg)
        other = copy(self)
        other.labels = labels.astype(np.intp)
        return other

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the three numbers, of which the value is read."""
        labels = None if self.labels is None else self.labels.tolist()
        return {"metric": type(self).__name__, "labels": labels}


class ClassMetric(_LabelMetric):
    """How well a sequence classifier finds the labels.

    Args:
        labels: The class of each example; by default what the intact model says, so that the
            accuracy is the share of decisions that stay.
        value: "accuracy" (0 or 1 an example; a tie counts as 0), "log_prob" of the label in nats,
            "margin" (its logit minus the largest other one) or "score" (its logit).

    Raises:
        ValueError: If the value is unknown.
    """

    auto_class = "AutoModelForSequenceClassification"

    def __init__(
        self, labels: Sequence[int] | None = None, *, value: LabelValue = "accuracy"
    ) -> None:
        """See the class."""
        super().__init__(labels, value)

    def logits(self, output: Any, rows: Rows) -> Any:
        """The model's logits."""
        del rows
        return logits_of(self, output, axes=2)


class ChoiceMetric(_LabelMetric):
    """How well a causal language model chooses among tokens that may come next.

    Args:
        choices: The tokens to choose from: ids, or texts of one token each, such as " A".
        labels: The number of the right choice for each example; by default the intact model's.
        value: As in `ClassMetric`; the probabilities are those among the choices.

    Raises:
        ValueError: If the value is unknown, if a choice is not one token of the model, if two are
            the same, or if the model reads tokens with regard to later ones.
    """

    auto_class = "AutoModelForCausalLM"
    arguments: ClassVar[dict[str, Any]] = {"logits_to_keep": 1}

    def __init__(
        self,
        choices: Sequence[int | str],
        labels: Sequence[int] | None = None,
        *,
        value: LabelValue = "accuracy",
    ) -> None:
        """See the class."""
        super().__init__(labels, value)
        self.choices = as_ids(choices)

    def bind(self, local: LocalModel, inputs: Sequence[TokenIds]) -> Self:
        """Return this metric with its choices as token ids."""
        del inputs
        check_causal(self, local)
        other = copy(self)
        other.choices = [*token_ids(local, self.choices)]
        return other

    def logits(self, output: Any, rows: Rows) -> Any:
        """The logits of the choices after the last token."""
        del rows
        logits = logits_of(self, output, axes=3)
        check_vocabulary(self.choices, logits.shape[-1], "choices")
        return logits[:, -1, self.choices]

    @property
    def identity(self) -> dict[str, Any]:
        """Labels and choices."""
        return {**super().identity, "choices": self.choices}


class SimilarityMetric(_LabelMetric):
    """How well a sentence encoder retrieves, or labels with no training.

    The logits are scale * cos(input, candidate). The candidates are embedded by the intact model.

    Args:
        candidates: Passages or labels, as texts.
        labels: The number of the right candidate for each example; by default the one the intact
            model finds closest.
        value: As in `ClassMetric`; "score" is scale times the cosine with the right candidate.
        scale: What cosines are multiplied by, 20 in the training of MiniLM and its kin.
        pooling: "mean" or "cls"; see `shapiq_spex.games.models.encoders.SimilarityScorer`.

    Raises:
        ValueError: If value or pooling is unknown.
    """

    auto_class = "AutoModel"

    def __init__(
        self,
        candidates: Sequence[str],
        labels: Sequence[int] | None = None,
        *,
        value: LabelValue = "accuracy",
        scale: float = 20.0,
        pooling: Pooling = "mean",
    ) -> None:
        """See the class."""
        super().__init__(labels, value)
        check_choice("pooling", pooling, get_args(Pooling))
        self.candidates, self.scale, self.pooling = tuple(candidates), float(scale), pooling
        self._directions: NDArray[np.float64] | None = None

    def bind(self, local: LocalModel, inputs: Sequence[TokenIds]) -> Self:
        """Return this metric with its candidates embedded."""
        del inputs
        other = copy(self)
        sequences = [local.encode(text).ids for text in self.candidates]
        check_length(max(map(len, sequences)), local.max_tokens)
        batches = local.run(SimpleNamespace(batch_size=64), sequences, POOLS[self.pooling])
        index, states = zip(*batches, strict=True)
        embedded = np.concatenate(states)[np.argsort(np.concatenate(index))]
        other._directions = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
        return other

    def logits(self, output: Any, rows: Rows) -> Any:
        """Scaled cosines."""
        import torch

        pooled = POOLS[self.pooling](output, torch.ones_like(rows.ids)).float()
        directions = torch.as_tensor(self._directions, device=pooled.device).to(pooled)
        return self.scale * torch.nn.functional.normalize(pooled, dim=1) @ directions.T

    @property
    def identity(self) -> dict[str, Any]:
        """Labels, candidates, scale and pooling."""
        chosen = {"candidates": list(self.candidates), "scale": self.scale, "pooling": self.pooling}
        return {**super().identity, **chosen}


class NextTokenMetric:
    """How well a causal language model predicts the tokens of its inputs.

    Kept of every example are the mean log-probability of its tokens and the share of them that the
    model holds to be the likeliest.

    Args:
        value: "log_prob" in nats or "accuracy".
        span: Which of the tokens of an input count, as a slice; the first token never does, as
            nothing comes before it.

    Raises:
        ValueError: If the value is unknown, if an input has no token that counts, or if the model
            reads tokens with regard to later ones.

    Examples:
        >>> NextTokenMetric(span=slice(16, None)).identity
        {'metric': 'NextTokenMetric', 'span': [16, None, None]}
    """

    auto_class = "AutoModelForCausalLM"

    def __init__(self, *, value: TokenValue = "log_prob", span: slice = slice(None)) -> None:
        """See the class."""
        check_choice("value", value, get_args(TokenValue))
        self.value, self.span = value, span

    def bind(self, local: LocalModel, inputs: Sequence[TokenIds]) -> Self:
        """Check that something is to be predicted in every input, and is not seen."""
        if short := sum(not len(self._places(len(sequence))) for sequence in inputs):
            msg = (
                f"NextTokenMetric has no token to predict in {short} of {len(inputs)} inputs; "
                f"give longer ones or another span."
            )
            raise ValueError(msg)
        check_causal(self, local)
        return self

    def __call__(self, output: Any, rows: Rows) -> Any:
        """Return mean log-probability and share of right guesses, shape (rows, 2)."""
        places = self._places(rows.ids.shape[1])
        logits = logits_of(self, output, axes=3)[:, [place - 1 for place in places]].float()
        right = rows.ids[:, places].to(logits.device)
        log_prob = logits.gather(2, right.unsqueeze(2))[..., 0] - logits.logsumexp(dim=2)
        hit = (logits.argmax(dim=2) == right).to(log_prob)
        return _stack(log_prob.mean(dim=1), hit.mean(dim=1))

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values (m, examples) of outputs (m, examples, 2)."""
        return outputs[..., get_args(TokenValue).index(self.value)]

    def read_as(self, *, value: TokenValue) -> Self:
        """Return this metric with another value."""
        check_choice("value", value, get_args(TokenValue))
        other = copy(self)
        other.value = value
        return other

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the two numbers, of which the value is read."""
        span = [self.span.start, self.span.stop, self.span.step]
        return {"metric": type(self).__name__, "span": span}

    def _places(self, length: int) -> list[int]:
        return [place for place in range(length)[self.span] if place > 0]


def _stack(*columns: Any) -> Any:
    import torch

    return torch.stack(columns, dim=1)
