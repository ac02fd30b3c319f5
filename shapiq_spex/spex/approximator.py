"""SPEX: coded coalitions, bins, peeling, and a last fit that uses every value."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from shapiq_spex.approximator import SpectralApproximator, ask, keep
from shapiq_spex.checks import whole
from shapiq_spex.coding.bch import MAX_LENGTH
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess, share_explained
from shapiq_spex.proxyspex.proxies import Surrogate
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.ends import meet_ends

from .decode import decode
from .plan import plan_spex

if TYPE_CHECKING:
    from shapiq_spex.approximator import Game
    from shapiq_spex.proxyspex.proxies import Finish
    from shapiq_spex.result import R2Kind
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries

    from .plan import SamplingPlan

Decoder = Literal["soft", "hard"]


class SPEX(SpectralApproximator):
    """SPEX (Kang et al., ICML 2025): sparse Fourier recovery from coded masks.

    Coalitions are chosen so that the large Fourier coefficients F(S) can be decoded one by one from
    short Walsh-Hadamard transforms (see :mod:`shapiq_spex.spex.plan` and
    :mod:`shapiq_spex.spex.peel`). Where what was decoded explains all values, or with more than 16
    players leaves nothing that small sets could explain, it is the answer; otherwise the surrogate
    of :class:`shapiq_spex.ProxySPEX` is fitted to all values with the decoded terms known to it.
    Budgets below the smallest coded design go to the surrogate alone.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.
        decoder_type: "soft" tries the likely sign errors of noisy bins, "hard" takes the signs as
            they are.
        degree_parameter: Largest |S| that is decoded for sure where the budget allows, at least 1.

    Raises:
        ValueError: If n, max_order or degree_parameter is not a positive whole number, n is above
            65,535, or the index or the decoder is unknown.

    Example:
        >>> import numpy as np
        >>> game = lambda x: 1.0 * (x[:, 3] ^ x[:, 40] ^ x[:, 77])
        >>> result = SPEX(n=100, random_state=0).recover(1000, game)
        >>> result.series.truncate(energy=0.99).terms()[(3, 40, 77)]
        -0.5
    """

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        top_order: bool = False,
        random_state: int | None = None,
        decoder_type: Decoder = "soft",
        degree_parameter: int = 5,
    ) -> None:
        """See the class."""
        super().__init__(
            n=n, max_order=max_order, index=index, top_order=top_order, random_state=random_state
        )
        if n > MAX_LENGTH:
            msg = f"SPEX needs at most n={MAX_LENGTH:,} players, got {n}; use ProxySPEX."
            raise ValueError(msg)
        if decoder_type not in get_args(Decoder):
            msg = f"SPEX needs a decoder_type among soft, hard, got {decoder_type!r}."
            raise ValueError(msg)
        self.decoder_type: Decoder = decoder_type
        self.degree_parameter = whole("SPEX", "degree_parameter", degree_parameter)

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        plan = plan_spex(self.n, budget, self.degree_parameter, rng)
        if plan is None:
            return self._recover_uncoded(budget, game)
        values = ask(game, plan.packed)
        try:
            return self._decode_and_fit(plan, values, rng)
        except BaseException as error:
            keep(error, plan.coalitions, values)
            raise

    def _recover_uncoded(self, budget: int, game: Game) -> Recovery:
        surrogate = ProxySPEX(
            n=self.n, max_order=self.max_order, index=self.index, random_state=self.seed
        )
        result = surrogate.recover(budget, game)
        note = f"{budget} coalitions are too few for a coded design, so the surrogate worked alone"
        return replace(result, status=status_of(result.r2, note))

    def _decode_and_fit(
        self, plan: SamplingPlan, values: np.ndarray, rng: np.random.Generator
    ) -> Recovery:
        """Judged on the uniform coalitions, which no decoder saw; the last fit sees all."""
        empty, full = plan.ends
        finish = partial(meet_ends, empty=values[empty], full=values[full])
        decoded = decode(plan, values, soft=self.decoder_type == "soft")
        if decoded.complete is not None:
            unseen = slice(len(values) - plan.n_uniform, None)
            left = values[unseen] - finish(decoded.series)(plan.packed[unseen])
            residuals = placed(left, unseen, len(values))
            r2 = share_explained(left, values[unseen])
            fit = Surrogate(finish(decoded.complete), r2, residuals)
            kind: R2Kind = "held-out"
        else:
            fit = _fit_all(plan, values, decoded.series, rng, finish)
            kind = "cross-validated"
        return Recovery(
            fit.series,
            plan,
            values,
            r2=fit.r2,
            r2_kind=kind,
            residuals=fit.residuals,
            status=status_of(fit.r2, *_notes(plan, self.degree_parameter)),
            index=self.index,
            max_order=self.max_order,
        )


def _fit_all(
    plan: SamplingPlan,
    values: np.ndarray,
    decoded: FourierSeries,
    rng: np.random.Generator,
    finish: Finish,
) -> Surrogate:
    """The surrogate of ProxySPEX on all values but the ends, with the decoded terms known."""
    inner = np.setdiff1d(np.arange(len(values)), plan.ends)
    uniform = np.arange(len(inner) - plan.n_uniform, len(inner))
    fit = GaussianProcess().fit(
        plan.packed[inner], values[inner], rng, finish, known=decoded, judged=uniform
    )
    return replace(fit, residuals=placed(fit.residuals, inner, len(values)))


def _notes(plan: SamplingPlan, degree: int) -> list[str]:
    if plan.code.t == degree:
        return []
    return [f"the budget is enough to decode up to degree {plan.code.t}, not {degree}"]
