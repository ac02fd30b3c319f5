"""What the ablation methods share: a design near the full input, and a check far from it."""

from __future__ import annotations

from abc import abstractmethod
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from shapiq_spex.approximator import Asked, DescribedPlan, SpectralApproximator
from shapiq_spex.proxyspex.gaussian_process import share_explained
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.draws import draw_new
from shapiq_spex.spectral.series import FourierSeries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapiq_spex.approximator import Game

ENOUGH = 10  # held-out coalitions below which an R² would be luck


class Ablation(SpectralApproximator):
    """Take players out of the full input, and read f from what that changes.

    What the design leaves of the budget goes to uniform coalitions, on which the series is judged;
    it is never fitted to them, so it need not meet the empty coalition, and is not exact where
    every coalition is evaluated.
    """

    drawn: ClassVar[str]

    @abstractmethod
    def _read(self, budget: int, asked: Asked) -> tuple[FourierSeries, str]:
        """Ask for the coalitions of the design; the series, and a note on how it went."""

    def _recover_exactly(self, game: Game) -> Recovery:
        return self._recover(2**self.n, game, np.random.default_rng(self.seed))

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        asked = Asked(game, self.n)
        series, note = self._read(budget, asked)
        design = len(asked.values)
        judged = draw_new(self.n, budget - design, asked.coalitions, rng)
        values = asked(judged) if len(judged) else np.zeros(0)
        left = values - series(judged)
        r2 = share_explained(left, values) if len(values) >= ENOUGH else None
        drawn = f"{design} for {self.drawn}, {len(judged)} uniform ones to judge it"
        return Recovery(
            series,
            DescribedPlan(asked.coalitions, drawn),
            asked.values,
            r2=r2,
            r2_kind="held-out",
            residuals=placed(left, slice(design, None), len(asked.values)),
            status=status_of(r2),
            index=self.index,
            max_order=self.max_order,
            reason=note,
        )

    def without(self, *removed: tuple[int, ...]) -> np.ndarray:
        """The full input without each of some sets of players, bool (k, n)."""
        rows = np.ones((len(removed), self.n), dtype=bool)
        for row, players in zip(rows, removed, strict=True):
            row[list(players)] = False
        return rows


def from_absences(n: int, changes: Mapping[tuple[int, ...], float]) -> FourierSeries:
    """The series of f(x) = sum_T c(T) prod_{i in T} (1 - x_i), from {T: c(T)}.

    With chi_i = 1 - 2 x_i a product of absences is 2^-|T| sum_{S in T} chi_S.

    Example:
        >>> from_absences(2, {(): 3.0, (0,): -1.0}).terms()
        {(): 2.5, (0,): -0.5}
    """
    terms: dict[tuple[int, ...], float] = {}
    for players, change in changes.items():
        for size in range(len(players) + 1):
            for some in combinations(players, size):
                terms[some] = terms.get(some, 0.0) + change / 2 ** len(players)
    return FourierSeries.from_terms(n, terms)
