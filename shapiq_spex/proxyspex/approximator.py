"""ProxySPEX: a surrogate fitted to random masks, read out as Fourier coefficients."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from shapiq_spex.approximator import Asked, SpectralApproximator, ask, keep
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.walsh import MAX_TABLE_PLAYERS, table_index

from .boosted import BoostedTrees
from .gaussian_process import GaussianProcess
from .plan import plan_masks
from .process import LARGEST_TABLE
from .stopping import gained, sizes

if TYPE_CHECKING:
    from shapiq_spex.approximator import Game
    from shapiq_spex.spectral.indices import Index

    from .plan import MaskPlan
    from .proxies import Finish, Proxy, Surrogate

# Indices that single out coalitions near the empty and the full one.
NEAR_THE_ENDS = ("SV", "SII", "k-SII", "STII", "FSII", "Moebius")
PROXIES: dict[str, type[Proxy]] = {"gp": GaussianProcess, "gbt": BoostedTrees}


class ProxySPEX(SpectralApproximator):
    """ProxySPEX (Butler et al., NeurIPS 2025): random masks, a surrogate, its Fourier series.

    A surrogate model is fitted to the game's values on randomly drawn coalitions without repeats,
    its Fourier coefficients F(S) are read out, and every index follows from them exactly,
    I(T) = sum_{R >= T} c(|R|, |T|) F(R). The coalitions are uniform and moved apart, so
    that few of them tell more; of 8 n or more with at most 16 players and the proxy "gp", a quarter
    is near the ends for the indices that depend on these, all but BV, BII and FBII (see
    :func:`shapiq_spex.proxyspex.plan.plan_masks`).

    With a tolerance, ``recover`` may stop before the budget is spent. It then asks for 4 n
    coalitions, twice, four times as many, ..., and stops as soon as R² has levelled off: on the new
    coalitions, held out in turn, the larger fit explains at most ``tolerance`` more of the variance
    than the fit to half as many, one standard error included. Where less than half of the variance
    is explained nothing has levelled off. ``reason`` of the result says where it stopped, or that
    it did not.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        proxy: "gp", a Gaussian process with a product kernel over players that needs nothing but
            numpy and scipy; "gbt", the published boosted trees with their cross-validated search
            (LightGBM where installed, scikit-learn otherwise); or an object with the method
            ``fit`` of :class:`shapiq_spex.proxyspex.proxies.Proxy`.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.

    Raises:
        TypeError: If the proxy is neither a name nor an object with a method fit.
        ValueError: If n or max_order is not a positive whole number, or the index or the proxy
            is unknown.

    Example:
        >>> import numpy as np
        >>> game = lambda x: 3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2]
        >>> found = ProxySPEX(n=12, random_state=0).approximate(150, game)
        >>> round(float(found[(1, 2)]), 1), round(float(found[(0,)]), 1)
        (-2.0, 3.0)
        >>> ProxySPEX(n=12, random_state=0).recover(4000, game, tolerance=0.01).n_evaluations < 400
        True
    """

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        proxy: Literal["gp", "gbt"] | Proxy = "gp",
        top_order: bool = False,
        random_state: int | None = None,
    ) -> None:
        """See the class."""
        super().__init__(
            n=n, max_order=max_order, index=index, top_order=top_order, random_state=random_state
        )
        self.proxy: Proxy = _proxy(proxy)

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        plan = plan_masks(self.n, budget, rng, near=self._learns_near_the_ends)
        return self._told(plan, ask(game, plan.coalitions), rng)

    def _recover_until(
        self, tolerance: float, budget: int, game: Game, rng: np.random.Generator
    ) -> Recovery:
        _check_tolerance(tolerance)
        n, complete = self.n, 2 ** min(self.n, 62)
        plan = plan_masks(n, min(budget, complete), rng, near=self._learns_near_the_ends)
        asked, values = Asked(game, n), np.full(len(plan.coalitions), np.nan)
        reason = f"all {len(values)} coalitions asked for: R² had not levelled off before"
        found = half = None
        for size in sizes(n, len(values)):
            part, rows = plan.part(size)
            new = np.isnan(values[rows])
            values[rows[new]] = asked(part.coalitions[new])
            if n <= MAX_TABLE_PLAYERS and size == complete:
                table = values[np.argsort(table_index(plan.coalitions))]
                found = self._recover_exactly(lambda x: table[table_index(x)])  # noqa: B023
                break
            half, found = found, self._told(part, values[rows], deepcopy(rng))
            gain = gained(half, found, new) if half else None
            if gain is not None and gain <= tolerance:
                reason = f"levelled off at {size} of {budget} coalitions: R² gained {gain:.3f}"
                break
        return replace(cast("Recovery", found), reason=reason)

    def _told(self, plan: MaskPlan, values: np.ndarray, rng: np.random.Generator) -> Recovery:
        # The ends are no uniform draws and often far out; they are met, not fitted.
        finish = partial(meet_ends, empty=values[0], full=values[1])
        try:
            fit = self._fit(plan, values, rng, finish)
        except BaseException as error:
            keep(error, plan.coalitions, values)
            raise
        return Recovery(
            fit.series,
            plan,
            values,
            r2=fit.r2,
            r2_kind="cross-validated",
            residuals=placed(fit.residuals, slice(2, None), len(values)),
            status=status_of(fit.r2),
            index=self.index,
            max_order=self.max_order,
        )

    @property
    def _learns_near_the_ends(self) -> bool:
        # A sparse series of many players cannot bend near the ends without harm to the middle.
        learns = isinstance(self.proxy, GaussianProcess) and self.n <= LARGEST_TABLE
        return learns and self.index in NEAR_THE_ENDS

    def _fit(
        self, plan: MaskPlan, values: np.ndarray, rng: np.random.Generator, finish: Finish
    ) -> Surrogate:
        """The surrogate on all but the ends, judged on the uniform coalitions alone."""
        x, y = plan.coalitions[2:], values[2:]
        if isinstance(self.proxy, GaussianProcess):
            judged = np.arange(plan.n_near, len(y))
            return self.proxy.fit(x, y, rng, finish, judged=judged)
        return self.proxy.fit(x, y, rng, finish)


def _check_tolerance(tolerance: object) -> None:
    if not isinstance(tolerance, Real) or not 0 < float(tolerance) < 1:
        msg = f"ProxySPEX needs a tolerance between 0 and 1, got {tolerance!r}."
        raise ValueError(msg)


def _proxy(proxy: object) -> Proxy:
    if isinstance(proxy, str):
        if proxy not in PROXIES:
            msg = f"ProxySPEX needs a proxy among {', '.join(PROXIES)}, got {proxy!r}."
            raise ValueError(msg)
        return PROXIES[proxy]()
    if isinstance(proxy, type) or not callable(getattr(proxy, "fit", None)):
        msg = f"ProxySPEX needs a proxy by name or an object with a method fit, got {proxy!r}."
        raise TypeError(msg)
    return cast("Proxy", proxy)
