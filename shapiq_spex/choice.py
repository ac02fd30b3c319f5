"""The method chosen for the user: by the number of players, the budget and a held-out fit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from shapiq_spex.approximator import Asked, DescribedPlan, SpectralApproximator
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess, share_explained
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.proxyspex.proxies import Surrogate
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.draws import draw_new
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.known import Known
from shapiq_spex.spex import SPEX
from shapiq_spex.spex.plan import largest_design

if TYPE_CHECKING:
    from shapiq_spex.approximator import Game

GOOD = 0.8  # R² of the pilot from which on more of the same is the best use of the budget
DEGREE = 3  # a design that decodes less finds nothing a surrogate does not find


class Chosen(SpectralApproximator):
    """Exact, ProxySPEX or SPEX, whichever suits; the result's ``reason`` says which and why.

    With 2^n coalitions or more in the budget everything is evaluated. Where half of the budget pays
    for no coded design of SPEX that decodes sets of three players, ProxySPEX gets all of it and
    draws its own masks. Else the first half is uniform masks, and the surrogate of ProxySPEX learns
    them. If its R² on masks held out is 0.8 or more, or cannot be told, the rest is uniform masks,
    too. Else the other half is such a design, and of what SPEX recovered and a surrogate that
    learned all masks, the one is taken that does better on the uniform masks; for both they are
    held out. No mask is paid for twice or left unused.

    With a tolerance for ``recover`` it is ProxySPEX, which alone can stop early, and the ledger
    tells so.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> found = Chosen(n=4).recover(16, lambda x: 1.0 * x.all(axis=1))
        >>> found.reason
        'exact: the budget pays for all 16 coalitions'
    """

    def recover(self, budget: int, game: Game, *, tolerance: float | None = None) -> Recovery:
        """As for every approximator; with a tolerance, what ProxySPEX finds."""
        if tolerance is None:
            return super().recover(budget, game)
        return self._made(ProxySPEX).recover(budget, game, tolerance=tolerance)

    def _recover_exactly(self, game: Game) -> Recovery:
        reason = f"exact: the budget pays for all {2**self.n} coalitions"
        return replace(super()._recover_exactly(game), reason=reason)

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        half = budget // 2
        design = largest_design(self.n, half, DEGREE)
        if design is None or design[1] < DEGREE:
            found = self._made(ProxySPEX).recover(budget, game)
            reason = f"ProxySPEX: half the budget pays for no coded design of degree {DEGREE}"
            return replace(found, reason=reason)
        asked, plan = Asked(game, self.n), plan_masks(self.n, budget, rng)
        asked(plan.coalitions[: budget - half])
        pilot = _fit(asked, rng)
        if pilot.r2 is None or pilot.r2 >= GOOD:
            asked(plan.coalitions[budget - half :])
            told = "nothing" if pilot.r2 is None else f"R² {pilot.r2:.2f}"
            reason = f"ProxySPEX: half the budget gave {told} on masks held out"
            return self._told(asked, _fit(asked, rng), str(plan).split(": ")[1], reason)
        return self._coded(asked, half, pilot, rng)

    def _coded(
        self, asked: Asked, half: int, pilot: Surrogate, rng: np.random.Generator
    ) -> Recovery:
        uniform = np.arange(2, len(asked.values))
        coded = self._made(SPEX).recover(half, asked)
        spared = half - (len(asked.values) - 2 - len(uniform))
        rest = draw_new(self.n, spared, asked.coalitions, rng)
        if len(rest):  # SPEX asks for the ends, too, and perhaps for others once more
            uniform = np.r_[uniform, len(asked.values) : len(asked.values) + len(rest)]
            asked(rest)
        decoded = Known(coded.plan.coalitions, coded.values)
        unseen = uniform[~decoded.has(asked.coalitions[uniform])]
        left = asked.values[unseen] - coded.series(asked.coalitions[unseen])
        residuals = placed(left, unseen - 2, len(asked.values) - 2)
        fits = {
            "ProxySPEX": _fit(asked, rng, judged=uniform - 2),
            "SPEX": Surrogate(coded.series, share_explained(left, asked.values[unseen]), residuals),
        }
        scores = {name: _score(fit, asked.values[2:]) for name, fit in fits.items()}
        best, other = sorted(scores, key=lambda name: -scores[name])
        reason = (
            f"{best}: half the budget gave R² {pilot.r2:.2f}, all of it {scores[best]:.2f} with "
            f"{best} and {scores[other]:.2f} with {other}, on the uniform masks"
        )
        drawn = f"empty, full, {len(uniform)} uniform ones, and {coded.plan}"
        found = self._told(asked, fits[best], drawn, reason)
        return replace(found, r2_kind="held-out") if best == "SPEX" else found

    def _made(self, method: type[SpectralApproximator]) -> SpectralApproximator:
        return method(**self.settings)

    def _told(self, asked: Asked, fit: Surrogate, drawn: str, reason: str) -> Recovery:
        return Recovery(
            fit.series,
            DescribedPlan(asked.coalitions, drawn),
            asked.values,
            r2=fit.r2,
            r2_kind="cross-validated",
            residuals=placed(fit.residuals, slice(2, None), len(asked.values)),
            status=status_of(fit.r2),
            index=self.index,
            max_order=self.max_order,
            reason=reason,
        )


def _fit(asked: Asked, rng: np.random.Generator, judged: np.ndarray | None = None) -> Surrogate:
    """The surrogate of ProxySPEX on all that was asked but the ends, which come first."""
    x, y = asked.coalitions, asked.values
    finish = partial(meet_ends, empty=y[0], full=y[1])
    return GaussianProcess().fit(x[2:], y[2:], rng, finish, judged=judged)


def _score(fit: Surrogate, values: np.ndarray) -> float:
    """R² of the bare residuals, which are alike for all methods."""
    if fit.residuals is None:
        return -np.inf
    judged = np.isfinite(fit.residuals)
    score = share_explained(fit.residuals[judged], values[judged])
    return -np.inf if score is None else score
