"""A small neural network as a surrogate, asked for its interactions by virtual ablations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.approximator import Asked, DescribedPlan, SpectralApproximator
from shapiq_spex.checks import whole
from shapiq_spex.proxyspex.gaussian_process import share_explained
from shapiq_spex.proxyspex.plan import plan_masks
from shapiq_spex.proxyspex.proxies import Surrogate
from shapiq_spex.result import Recovery, placed, status_of
from shapiq_spex.spectral.draws import draw_new
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spectral.walsh import all_coalitions
from shapiq_spex.spex import SPEX

from .proxy import is_constant, signs_of

if TYPE_CHECKING:
    from shapiq_spex.approximator import Game
    from shapiq_spex.proxyspex.proxies import Finish
    from shapiq_spex.spectral.indices import Index

EXHAUSTIVE = 16  # players up to which the network is asked for every coalition
ALPHA = 0.1  # penalty of squared weights
VIRTUAL = 1500  # coalitions it is asked for beyond
CONFIRMED, HELD_OUT = 10, 5  # a tenth of the budget confirms, a fifth of the rest judges


class NeuralSurrogate(SpectralApproximator):
    """A network with one hidden layer, read by virtual ablations, confirmed by a few real ones.

    The network learns four fifths of the uniform masks. Then *it* is asked instead of the game:
    for all coalitions up to 16 players, for a design of SPEX beyond. The strongest sets of two to
    four players found there are tested by real ablations, all subsets of the set taken out of the
    full input; a set whose real interaction has the other sign is dropped. ``reason`` says how many
    passed, and R² is that on masks the network never saw.

    Limits: a network needs many masks: below a few hundred it learns little beyond single players,
    and a parity of many players it does not learn at all. The confirmation speaks for the
    neighbourhood of the full input.

    Args:
        n: Number of players.
        max_order: Largest interaction reported, at least 1.
        index: SV, BV, SII, k-SII, BII, STII, FSII, FBII or Moebius.
        top_order: Whether to report interactions of size max_order only.
        random_state: Seed of everything random.
        hidden: Units of the hidden layer, at least 1.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> game = lambda x: 3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2]
        >>> found = NeuralSurrogate(n=8, random_state=0).recover(200, game)
        >>> round(found.interactions("SII")[(1, 2)]), found.reason.split(":")[0]
        (-2, 'real ablations')
    """

    def __init__(
        self,
        *,
        n: int,
        max_order: int = 2,
        index: Index = "k-SII",
        top_order: bool = False,
        random_state: int | None = None,
        hidden: int = 32,
    ) -> None:
        """See the class."""
        super().__init__(
            n=n, max_order=max_order, index=index, top_order=top_order, random_state=random_state
        )
        self.hidden = whole("NeuralSurrogate", "hidden", hidden)

    def _recover(self, budget: int, game: Game, rng: np.random.Generator) -> Recovery:
        asked = Asked(game, self.n)
        plan = plan_masks(self.n, budget - budget // CONFIRMED, rng)
        empty, full, *_ = values = asked(plan.coalitions)
        judged = np.arange(len(values) - (len(values) - 2) // HELD_OUT, len(values))
        learned = np.arange(2, judged[0] if len(judged) else len(values))
        x, y = plan.coalitions[learned], values[learned]
        series = self.proxy.fit(x, y, rng, finish=lambda series: series).series
        series, note = _confirmed(series, budget, asked)
        rest = draw_new(self.n, budget - len(asked.values), asked.coalitions, rng)
        more = asked(rest) if len(rest) else np.zeros(0)
        judged = np.r_[judged, len(asked.values) - len(more) : len(asked.values)]
        series = meet_ends(series, empty, full)
        left = asked.values[judged] - series(asked.coalitions[judged])
        r2 = share_explained(left, asked.values[judged]) if len(judged) > 1 else None
        uniform = len(learned) + len(judged)
        drawn = f"empty, full, {uniform} uniform ones, {budget - 2 - uniform} to confirm"
        return Recovery(
            series,
            DescribedPlan(asked.coalitions, drawn),
            asked.values,
            r2=r2,
            r2_kind="held-out",
            residuals=placed(left, judged, budget),
            status=status_of(r2),
            index=self.index,
            max_order=self.max_order,
            reason=note,
        )

    @property
    def proxy(self) -> NetworkReading:
        """What learns the values, before anything is confirmed."""
        return NetworkReading(self.hidden, self.seed)


@dataclass(frozen=True)
class NetworkReading:
    """The surrogate of `NeuralSurrogate`: a network, and the series read from it."""

    hidden: int
    seed: int

    def fit(
        self,
        coalitions: np.ndarray,
        values: np.ndarray,
        rng: np.random.Generator,
        finish: Finish,
    ) -> Surrogate:
        """See :class:`shapiq_spex.proxyspex.proxies.Proxy`; it is judged elsewhere."""
        del rng
        n = coalitions.shape[1]
        if len(values) < 2 or is_constant(values):
            mean = values.mean() if len(values) else 0.0
            return Surrogate(finish(FourierSeries.constant(n, mean)), None)
        network = Network.fit(coalitions, values, self.hidden, self.seed)
        if n <= EXHAUSTIVE:
            series = FourierSeries.from_table(network(all_coalitions(n)))
        else:
            series = SPEX(n=n, random_state=self.seed).recover(VIRTUAL, network).series
        return Surrogate(finish(series), None)


@dataclass(frozen=True)
class Network:
    """A fitted network as a game, without what was learned from."""

    model: Any
    mean: float
    scale: float

    @classmethod
    def fit(cls, coalitions: np.ndarray, values: np.ndarray, hidden: int, seed: int) -> Network:
        """Learn values (m,) of coalitions (m, n)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        mean, scale = float(values.mean()), float(values.std())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early is as good
            model = MLPRegressor(
                hidden_layer_sizes=(hidden,),
                solver="lbfgs",
                alpha=ALPHA,
                max_iter=500,
                random_state=seed % 2**32,
            ).fit(signs_of(coalitions), (values - mean) / scale)
        return cls(model, mean, scale)

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        """What the network says of coalitions."""
        return self.mean + self.scale * self.model.predict(signs_of(coalitions))


def _confirmed(series: FourierSeries, budget: int, asked: Asked) -> tuple[FourierSeries, str]:
    """The series without the strongest sets whose real interactions have another sign."""
    sizes = (series.degrees >= 2) & (series.degrees <= 4)
    order = np.argsort(-np.abs(np.where(sizes, series.coefficients, 0.0)), kind="stable")
    wrong: list[int] = []
    tested = 0
    for term in order[: sizes.sum()]:
        rows = _subsets_absent(series.support[term])
        if len(asked.values) + len(asked.unknown(rows)) > budget:
            break
        parity = (-1.0) ** (~rows).sum(axis=1)
        real = parity @ asked(rows)
        tested += 1
        if real * (parity @ series(rows)) <= 0:
            wrong.append(int(term))
    kept = np.setdiff1d(np.arange(len(series)), wrong)
    note = f"real ablations: {tested - len(wrong)} of {tested} sets have the sign the network gave"
    return FourierSeries(series.support[kept], series.coefficients[kept]), note


def _subsets_absent(support: np.ndarray) -> np.ndarray:
    """The full input without each subset of a set, bool (2^k, n)."""
    players = np.flatnonzero(support).tolist()
    subsets = [s for k in range(len(players) + 1) for s in combinations(players, k)]
    rows = np.ones((len(subsets), len(support)), dtype=bool)
    for row, subset in zip(rows, subsets, strict=True):
        row[list(subset)] = False
    return rows
