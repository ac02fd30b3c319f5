"""Exhaustive pairwise ablation: what changes when two players go, beyond what each one changes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

from .ablation import Ablation, from_absences

if TYPE_CHECKING:
    from shapiq_spex.approximator import Asked
    from shapiq_spex.spectral.series import FourierSeries


class PairwiseAblation(Ablation):
    """Every player and every pair taken out once, from 1 + n + n(n-1)/2 coalitions.

    The interaction of i and j is the change by the pair minus the two single changes,
    v(N without i, j) - v(N without i) - v(N without j) + v(N); f is the quadratic function that
    these make up.

    Limits: the design grows with n^2. All it sees is the neighbourhood of the full input, with at
    most two players absent: a triple that only works as a whole is taken for three pairs, and one
    of which any single player suffices is not seen at all.

    Args:
        n: Number of players.
        max_order: Largest interaction reported; those of three or more are 0.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of the coalitions it is judged on.

    Example:
        >>> both = lambda x: 3.0 * x[:, 0] * x[:, 1] - x[:, 2]
        >>> found = PairwiseAblation(n=3, index="SII").approximate(7, both)
        >>> float(found[(0, 1)]), float(found[(0, 2)])
        (3.0, 0.0)
    """

    drawn: ClassVar[str] = "leaving one and two out"

    @property
    def least_budget(self) -> int:
        """All players, all but one, and all but two."""
        return 1 + self.n + self.n * (self.n - 1) // 2

    def _read(self, budget: int, asked: Asked) -> tuple[FourierSeries, str]:
        del budget
        sets = [(), *((i,) for i in range(self.n)), *combinations(range(self.n), 2)]
        v = dict(zip(sets, asked(self.without(*sets)).tolist(), strict=True))
        changes: dict[tuple[int, ...], float] = {
            (i, j): v[i, j] - v[i,] - v[j,] + v[()] for i, j in combinations(range(self.n), 2)
        }
        changes |= {(i,): v[i,] - v[()] for i in range(self.n)}
        return from_absences(self.n, {(): v[()], **changes}), ""
