"""Greedy iterative ablation: the player goes whose removal changes most, then the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from shapiq_spex.checks import whole

from .ablation import Ablation, from_absences

if TYPE_CHECKING:
    from shapiq_spex.approximator import Asked
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries


class GreedyAblation(Ablation):
    """Take out, one at a time, the player with which the value is farthest from v(N).

    Round k asks for what is left without each of its n - k players, so s rounds cost
    1 + n + (n - 1) + ... coalitions. f is additive: who was taken out counts what that changed at
    the time, every other player what taking it out would have changed in the last round. The
    ``reason`` of the result names the set found and the change without it.

    Limits: a step that only pays together with the next one is not taken. Of a parity, the first
    player taken out changes everything, and the second one puts it back, so the others are never
    chosen; of two players that can stand in for each other neither is.

    Args:
        n: Number of players.
        max_order: Largest interaction reported; all but the single players are 0.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of the coalitions it is judged on.
        steps: How many players are taken out, as far as the budget goes; at least 1.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> game = lambda x: 3.0 * x[:, 0] + 2.0 * x[:, 1] * x[:, 3]
        >>> GreedyAblation(n=4, steps=2).recover(8, game).reason
        'without players 0, 1 the value is 5 lower'
    """

    drawn: ClassVar[str] = "taking out one player after the other"

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        top_order: bool = False,
        random_state: int | None = None,
        steps: int = 5,
    ) -> None:
        """See the class."""
        super().__init__(
            n=n, max_order=max_order, index=index, top_order=top_order, random_state=random_state
        )
        self.steps = whole("GreedyAblation", "steps", steps)

    def _read(self, budget: int, asked: Asked) -> tuple[FourierSeries, str]:
        full = current = float(asked(self.without(()))[0])
        removed: tuple[int, ...] = ()
        weights = np.zeros(self.n)
        for _ in range(min(self.steps, self.n)):
            left = [i for i in range(self.n) if i not in removed]
            if len(asked.values) + len(left) > budget:
                break
            values = asked(self.without(*((*removed, i) for i in left)))
            weights[left] = current - values
            best = int(np.abs(values - full).argmax())
            removed, current = (*removed, left[best]), float(values[best])
        players = ", ".join(map(str, removed))
        way = "lower" if current < full else "higher"
        change = "unchanged" if current == full else f"{abs(full - current):.3g} {way}"
        note = f"without players {players} the value is {change}"
        changes: dict[tuple[int, ...], float] = {
            (i,): -weight for i, weight in enumerate(weights.tolist())
        }
        return from_absences(self.n, {(): full, **changes}), note
