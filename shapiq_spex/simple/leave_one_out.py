"""Leave-one-out: what changes when one player goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .ablation import Ablation, from_absences

if TYPE_CHECKING:
    from shapiq_spex.approximator import Asked
    from shapiq_spex.spectral.series import FourierSeries


class LeaveOneOut(Ablation):
    """f(x) = v(N) - sum over the absent i of v(N) - v(N without i), from n + 1 coalitions.

    Limits: it knows no interaction. Of two players that can stand in for each other neither has an
    effect, and of two that only work together each has the whole one.

    Args:
        n: Number of players.
        max_order: Largest interaction reported; all but the single players are 0.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of the coalitions it is judged on.

    Example:
        >>> either = lambda x: 1.0 * (x[:, 0] | x[:, 1]) + 2.0 * x[:, 2]
        >>> found = LeaveOneOut(n=3, index="SV").approximate(5, either)
        >>> [float(found[(i,)]) for i in range(3)]
        [0.0, 0.0, 2.0]
    """

    drawn: ClassVar[str] = "leaving one out"

    def _read(self, budget: int, asked: Asked) -> tuple[FourierSeries, str]:
        del budget
        full, *others = asked(self.without((), *((i,) for i in range(self.n))))
        changes: dict[tuple[int, ...], float] = {
            (i,): value - full for i, value in enumerate(others)
        }
        return from_absences(self.n, {(): full, **changes}), ""
