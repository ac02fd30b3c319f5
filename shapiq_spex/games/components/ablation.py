"""How an absent component goes: what takes the place of its activations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.prompts.spans import TokenIds

    Activations = Iterable[tuple[NDArray[np.intp], list[Any]]]
    Record = Callable[[Sequence[TokenIds]], Activations]

__all__ = ["Ablation", "AblationKind", "Fill", "MeanAblation", "ResampleAblation", "ZeroAblation"]

AblationKind = Literal["zero", "mean", "resample"]


class Fill(Protocol):
    """What stands at a site in the place of absent components."""

    def __call__(self, site: int, examples: NDArray[np.intp], here: Any) -> Any:
        """Return a number, or a tensor that broadcasts to ``here``, (rows, tokens, channels)."""
        ...


class Ablation(Protocol):
    """How absent components go."""

    @property
    def rescale(self) -> bool:
        """Whether the heads that are left in a layer are scaled up."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the values, fit for JSON."""

    def prepare(self, inputs: Sequence[TokenIds], record: Record) -> Fill:
        """Return what fills the sites.

        Args:
            inputs: Token ids of every example.
            record: Runs the intact model on token ids and yields, batch by batch, the numbers of
                the sequences, all of one length, and what is at each site, (b, tokens, channels).
        """
        ...


@dataclass(frozen=True)
class ZeroAblation:
    """Absent components contribute nothing.

    Args:
        rescale: Whether what the heads of a layer give is multiplied by the number of heads over
            the number of those present, as in the study of Butler et al. (NeurIPS 2025, C.2).

    Examples:
        >>> ZeroAblation(rescale=True).settings
        {'removal': 'zero', 'rescale': True}
    """

    rescale: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """See `Ablation`."""
        return {"removal": "zero", "rescale": self.rescale}

    def prepare(self, inputs: Sequence[TokenIds], record: Record) -> Fill:
        """See `Ablation`."""
        del inputs, record
        return lambda _site, _examples, _here: 0.0


@dataclass(frozen=True)
class MeanAblation:
    """Absent components give what they give on average, over all tokens of a reference set.

    Args:
        reference: Texts or token ids; by default the inputs of the game.
    """

    reference: Sequence[Any] | None = None
    rescale: bool = field(default=False, init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """See `Ablation`."""
        return {"removal": "mean"}

    def prepare(self, inputs: Sequence[TokenIds], record: Record) -> Fill:
        """See `Ablation`."""
        sums: list[Any] = []
        count = 0
        for _, activations in record(self.reference or inputs):
            added = [each.double().sum(dim=(0, 1)) for each in activations]
            sums = [a + b for a, b in zip(sums, added, strict=True)] if sums else added
            count += activations[0].shape[0] * activations[0].shape[1]
        means = [each / count for each in sums]
        return lambda site, _examples, here: means[site].to(here)


@dataclass(frozen=True)
class ResampleAblation:
    """Absent components give what they give on another input of a reference set.

    Every input has one partner, drawn once: another one of the inputs of the game, or any of the
    reference set. Where the partner is shorter, its tokens are gone through again.

    Args:
        reference: Texts or token ids; by default the inputs of the game, at least two.
        random_state: Seed of the draw.

    Raises:
        ValueError: If there is no other input to draw.
    """

    reference: Sequence[Any] | None = None
    random_state: int = 0
    rescale: bool = field(default=False, init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """See `Ablation`."""
        return {"removal": "resample", "seed": self.random_state}

    def prepare(self, inputs: Sequence[TokenIds], record: Record) -> Fill:
        """See `Ablation`."""
        partners = self._partners(len(inputs))
        pool = self.reference or inputs
        kept: dict[int, list[Any]] = {}
        wanted = sorted(set(partners.tolist()))
        for index, activations in record([pool[i] for i in wanted]):
            for row, i in enumerate(index):
                kept[wanted[i]] = [each[row].clone() for each in activations]

        def fill(site: int, examples: NDArray[np.intp], here: Any) -> Any:
            import torch

            others = [kept[int(partners[i])][site] for i in examples]
            places = np.arange(here.shape[1])
            return torch.stack([other[places % len(other)] for other in others]).to(here)

        return fill

    def _partners(self, count: int) -> NDArray[np.intp]:
        rng = np.random.default_rng(self.random_state)
        if self.reference is not None:
            return rng.integers(len(self.reference), size=count)
        if count < 2:
            msg = (
                "ResampleAblation takes what components give on another input, but there is only "
                "one; give reference=, a list of other inputs."
            )
            raise ValueError(msg)
        return (np.arange(count) + rng.integers(1, count, size=count)) % count
