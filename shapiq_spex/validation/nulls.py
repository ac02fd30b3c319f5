"""What as many masks would have shown by chance. Nothing is paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.validation.standins import Drawn, Shuffled

if TYPE_CHECKING:
    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index


@dataclass(frozen=True)
class Nulls:
    """Significant interactions of two players or more.

    Attributes:
        found: How many the result has.
        shuffled: How many on average where the values are dealt out to other masks.
        additive: How many on average in an additive game with the same main effects and a noise as
            large as what the series leaves.
    """

    found: int
    shuffled: float
    additive: float


def null_control(
    result: Recovery,
    approximator: SpectralApproximator | None,
    *,
    index: Index,
    max_order: int,
    repeats: int,
    rng: np.random.Generator,
) -> Nulls:
    """Recover games without interactions from as many masks, and count what is reported.

    They are the masks of the result if the approximator is its own and draws all of them before it
    sees a value. They are others if it chooses masks by their values, as the choice of `explain`
    and greedy ablation do, and if the result stopped at a tolerance before its budget was spent:
    the first masks of a large plan are not those of a small one. Values are then dealt out to the
    other masks, too.

    Args:
        result: What was recovered.
        approximator: The method; None for counting the interactions of the result alone.
        index: The index whose interactions are counted.
        max_order: Its order.
        repeats: Number of games of each kind, at least 1.
        rng: Source of the games.
    """

    def significant(recovery: Recovery) -> int:
        return len(recovery.to_frame(index, max_order, significant=True, min_order=2))

    if approximator is None:
        return Nulls(significant(result), float("nan"), float("nan"))
    series = result.series
    single = series.degrees <= 1
    main = FourierSeries(series.support[single], series.coefficients[single])

    def mean(games: list[Any]) -> float:
        counts = [significant(approximator.recover(result.n_evaluations, g)) for g in games]
        return float(np.mean(counts))

    return Nulls(
        significant(result),
        mean([Shuffled(result, rng) for _ in range(repeats)]),
        mean([Drawn(main, result, rng) for _ in range(repeats)]),
    )
