"""A model of which every row of a batch lacks other components."""

from __future__ import annotations

from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.games.components.anatomy import Anatomy, channels
from shapiq_spex.games.components.hooks import (
    Site,
    changed,
    one_at_a_time,
    recorded,
    recorded_layer,
    started_at,
)
from shapiq_spex.games.models.inference import inference
from shapiq_spex.games.models.local import in_batches, some_pad_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.components.ablation import Ablation, Fill
    from shapiq_spex.games.components.anatomy import ComponentPlayer
    from shapiq_spex.games.models.local import LocalModel
    from shapiq_spex.games.prompts.spans import TokenIds

    Read = Callable[[Any, "Rows"], Any]

__all__ = ["AblatedModel", "Rows"]

_PAIRS = 1024  # rows whose hidden states below the first layer are held at once
_SAME = 1e-4  # of the scale of the outputs; far above rounding, far below a missing layer


@dataclass(frozen=True)
class Rows:
    """What a model was run on.

    Attributes:
        ids: Token ids, an int64 tensor of shape (rows, tokens); nothing is padded.
        examples: The numbers of the examples the rows are, shape (rows,).
    """

    ids: Any
    examples: NDArray[np.intp]


class AblatedModel:
    """A model run on every example for every coalition of its components.

    A batch holds (coalition, example) pairs of one length, so there is no padding. What lies below
    the first layer that has a player is computed once for every example and kept.

    Args:
        local: The model.
        inputs: Token ids of every example.
        players: The players.
        ablation: How absent components go.
        read: Takes the model's output and the `Rows`, and returns a tensor (rows,) or (rows, k).
        arguments: More arguments of the model's forward pass.
        batch_size: Rows per forward pass; halved when memory runs out.
    """

    def __init__(
        self,
        local: LocalModel,
        inputs: Sequence[TokenIds],
        players: Sequence[ComponentPlayer],
        ablation: Ablation,
        read: Read,
        *,
        arguments: dict[str, Any],
        batch_size: int,
    ) -> None:
        self.local, self.inputs, self.read = local, inputs, read
        self.batch_size = batch_size
        self._ablation = ablation
        self._arguments = {key: arguments[key] for key in arguments if local.accepts(key)}
        self._n_players = len(players)
        self._players = players
        self._first = min(player.layer for player in players)
        self._prepare()

    def _prepare(self) -> None:
        anatomy = Anatomy.of(self.local.model)
        self._layers = anatomy.layers
        self._sites = _sites(anatomy, self._players)
        self._fill: Fill | None = None
        self._states: list[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what can be computed again; the sites are found again, too."""
        gone = ("_layers", "_sites", "_fill", "_states")
        return {key: value for key, value in self.__dict__.items() if key not in gone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Find the sites in the model that came along."""
        self.__dict__.update(state)
        self._prepare()

    def score(
        self, coalitions: Sequence[NDArray[np.int32]]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of coalitions, their outputs of shape (b, examples * k))."""
        start = 0
        while start < len(coalitions):
            chunk = np.array(coalitions[start : start + self.batch_size], dtype=bool)
            yield np.arange(start, start + len(chunk)), self._outputs(chunk)
            start += len(chunk)

    def score_pairs(
        self, sequences: Sequence[NDArray[np.int32]], coalitions: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Yield (numbers of rows, their outputs of shape (b, k)).

        Row i is sequence i, in the place of the first example, without the components that
        coalition i leaves out.
        """
        for start in range(0, len(sequences), _PAIRS):
            yield from self._few_pairs(start, sequences[start : start + _PAIRS], coalitions[start:])

    def _few_pairs(
        self, start: int, sequences: Sequence[NDArray[np.int32]], coalitions: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        numbers: dict[tuple[int, ...], int] = {}
        which = np.array([numbers.setdefault(tuple(s.tolist()), len(numbers)) for s in sequences])
        with one_at_a_time:
            other = self._standing_in(list(numbers))

        def forward(index: NDArray[np.intp]) -> NDArray[np.float64]:
            with one_at_a_time:
                return other._run(which[index], coalitions[index], other.read)

        lengths = [len(sequence) for sequence in sequences]
        for index, values in in_batches(self, lengths, forward, equal_lengths=True):
            yield index + start, values

    def _standing_in(self, sequences: list[tuple[int, ...]]) -> AblatedModel:
        """The model for other inputs, each of them read and filled up as the first example."""
        if self._fill is None:
            self._learn()
        fill, read = self._fill, self.read
        assert fill is not None  # noqa: S101
        other = copy(self)
        other.inputs = sequences
        other.read = lambda output, rows: read(output, Rows(rows.ids, 0 * rows.examples))
        other._fill = lambda site, examples, here: fill(site, 0 * examples, here)
        other.local.model.eval()
        other._states = None if self._states is None else other._states_below()
        return other

    def intact(self, read: Read) -> NDArray[np.float64]:
        """Return what is read from the whole model, (examples, k)."""
        with one_at_a_time:
            return self._collected(len(self.inputs), lambda i: self._run(i, None, read))

    def _outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Outputs (c, examples * k) of a few coalitions."""
        with one_at_a_time:
            if self._fill is None:
                self._learn()
            count, examples = len(coalitions), len(self.inputs)

            def forward(index: NDArray[np.intp]) -> NDArray[np.float64]:
                return self._run(index % examples, coalitions[index // examples], self.read)

            return self._collected(count * examples, forward).reshape(count, -1)

    def _collected(
        self, count: int, forward: Callable[[NDArray[np.intp]], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        self.local.model.eval()
        lengths = [len(sequence) for sequence in self.inputs]
        lengths *= count // len(lengths)
        parts = list(in_batches(self, lengths, forward, equal_lengths=True))
        order = np.concatenate([index for index, _ in parts])
        return np.concatenate([values for _, values in parts])[np.argsort(order)]

    def _run(
        self, examples: NDArray[np.intp], keep: NDArray[np.bool_] | None, read: Read
    ) -> NDArray[np.float64]:
        """One forward pass: outputs (rows, k) of examples of one length."""
        import torch

        ids = self._ids([self.inputs[i] for i in examples])
        with inference(), ExitStack() as stack:
            if keep is not None:
                present = torch.from_numpy(np.c_[keep, np.ones(len(keep), dtype=bool)])
                make = partial(self._change, present=present.to(ids.device), examples=examples)
                changes = [make(number) for number in range(len(self._sites))]
                stack.enter_context(changed(self._sites, changes))
                if self._states is not None:
                    states = torch.stack([self._states[i] for i in examples])
                    stack.enter_context(started_at(self._layers, self._first, states))
            values = read(self._forward(ids), Rows(ids, examples))
        return np.asarray(values.double().cpu()).reshape(len(examples), -1)

    def _change(
        self, number: int, present: Any, examples: NDArray[np.intp]
    ) -> Callable[[Any], Any]:
        import torch

        site, fill = self._sites[number], self._fill
        assert fill is not None  # noqa: S101
        kept = present[:, torch.as_tensor(site.owners)].unsqueeze(1)
        share = kept.float().mean(-1, keepdim=True) if self._ablation.rescale else None

        def change(here: Any) -> Any:
            mask = kept.to(here.device)
            left = torch.where(mask, here, fill(number, examples, here))
            if share is None or not site.of_heads:
                return left
            return left / share.clamp(min=1 / mask.shape[-1]).to(here)

        return change

    def _forward(self, ids: Any) -> Any:
        import torch

        with some_pad_id(self.local.model):
            return self.local.model(
                input_ids=ids, attention_mask=torch.ones_like(ids), **self._arguments
            )

    def _ids(self, sequences: Sequence[TokenIds]) -> Any:
        import torch

        ids = np.array([np.asarray(sequence, dtype=np.int64) for sequence in sequences])
        return torch.from_numpy(ids).to(self.local.device)

    def _learn(self) -> None:
        """Compute what all coalitions share."""
        self.local.model.eval()
        self._check_sites()
        self._fill = self._ablation.prepare(self.inputs, self._record)
        if self._first > 0:
            self._states = self._states_below()
            if self._states is not None and not self._starts_well():
                self._states = None

    def _record(
        self, sequences: Sequence[TokenIds]
    ) -> Iterator[tuple[NDArray[np.intp], list[Any]]]:
        """What is at each site of the intact model; see `Ablation`."""

        def forward(index: NDArray[np.intp]) -> Any:
            with inference(), recorded(self._sites) as kept:
                self._forward(self._ids([sequences[i] for i in index]))
            return [each[0] for each in kept]

        lengths = [len(sequence) for sequence in sequences]
        found: Any = in_batches(self, lengths, forward, equal_lengths=True)
        yield from found

    def _check_sites(self) -> None:
        """Every site is passed once, or removing a player would mean something else."""
        with inference(), recorded(self._sites) as kept:
            self._forward(self._ids(self.inputs[:1]))
        if times := {len(each) for each in kept} - {1}:
            msg = (
                f"{type(self.local.model).__name__} runs a projection {max(times)} times in a "
                f"pass, but ComponentGame needs each to be run once; give another model."
            )
            raise ValueError(msg)

    def _states_below(self) -> list[Any] | None:
        """The hidden states of every example, None if the layers hand over more than those."""
        import torch

        states: list[Any] = [None] * len(self.inputs)

        def forward(index: NDArray[np.intp]) -> Any:
            below = self._layers[self._first - 1]
            with inference(), recorded_layer(below) as kept:
                self._forward(self._ids([self.inputs[i] for i in index]))
            return kept[0]

        lengths = [len(sequence) for sequence in self.inputs]
        for index, output in in_batches(self, lengths, forward, equal_lengths=True):
            if not isinstance(output, torch.Tensor):
                return None
            for row, i in enumerate(index):
                states[i] = output[row].clone()
        return states

    def _starts_well(self) -> bool:
        """Whether a model that starts at the first layer gives what the whole one gives.

        It does not where upper layers look at more than the states the layer below hands over.
        """
        one = np.array([0])
        whole = self._run(one, None, self.read)
        started = self._run(one, np.ones((1, self._n_players), dtype=bool), self.read)
        return bool(np.allclose(started, whole, rtol=_SAME, atol=_SAME * np.abs(whole).max()))


def _sites(anatomy: Anatomy, players: Sequence[ComponentPlayer]) -> list[Site]:
    """One site for each projection that has players, lowest layer first."""
    owners: dict[tuple[int, str], NDArray[np.intp]] = {}
    for number, player in enumerate(players):
        for one in player.components:
            modules = anatomy.attentions if one.kind in ("head", "attention") else anatomy.mlps
            whole = one.kind in ("attention", "mlp")
            width = 1 if whole else channels(modules[one.layer])
            size = width // anatomy.n_heads if one.kind == "head" else 1
            of_site = owners.setdefault((one.layer, one.kind), np.full(width, -1))
            of_site[one.index * size : (one.index + 1) * size] = number
    return [
        Site(
            (anatomy.attentions if kind in ("head", "attention") else anatomy.mlps)[layer],
            at_input=kind in ("head", "neuron"),
            owners=of_site,
            of_heads=kind == "head",
        )
        for (layer, kind), of_site in sorted(owners.items())
    ]
