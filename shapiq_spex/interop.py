"""Fourier series -> shapiq.InteractionValues: the one file that knows shapiq's result rules.

shapiq 1.4.1 and 1.8 share the constructor. Values that are already of the index asked for have to
name it twice (index and target_index), or they are aggregated again; a lookup has to come along,
or 1.4.1 enumerates every interaction of n players; with max_order 1 shapiq renames the index
itself (SII, k-SII, STII, FSII to SV; BII, FBII to BV).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from shapiq.interaction_values import InteractionValues

from shapiq_spex.spectral.indices import check_index, interactions

if TYPE_CHECKING:
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries

SHAPLEY_LIKE = ("SII", "k-SII", "STII", "FSII")  # at max_order 1 all of them are the SV
BANZHAF_LIKE = ("BII",)  # at max_order 1 the BV; FBII keeps its own intercept


def canonical(index: Index, max_order: int) -> tuple[Index, int]:
    """The simplest name of an index: SV and BV have order 1, and SII of order 1 is the SV.

    Example:
        >>> canonical("SV", 2), canonical("k-SII", 1), canonical("k-SII", 3)
        (('SV', 1), ('SV', 1), ('k-SII', 3))
    """
    if index in ("SV", "BV"):
        return index, 1
    if max_order == 1 and index in SHAPLEY_LIKE:
        return "SV", 1
    if max_order == 1 and index in BANZHAF_LIKE:
        return "BV", 1
    return index, max_order


def to_interaction_values(
    series: FourierSeries,
    index: Index,
    max_order: int,
    *,
    top_order: bool = False,
    estimated: bool = True,
    budget: int | None = None,
) -> InteractionValues:
    """The index of a series as shapiq's result object.

    Args:
        series: The function over n players.
        index: See :func:`shapiq_spex.spectral.interactions`.
        max_order: Largest interaction, at least 1.
        top_order: Whether to keep interactions of size max_order only.
        estimated: Whether the series comes from a sample.
        budget: Number of coalitions evaluated.

    Returns:
        Values with sorted tuples of Python ints as keys, every single player among them (unless
        top_order leaves them out), and the baseline of shapiq's exact computer: v(empty), except
        for FBII, where it is the intercept.

    Raises:
        ValueError: If the index is unknown or max_order is not a positive whole number.

    Example:
        >>> from shapiq_spex import FourierSeries
        >>> both = FourierSeries.from_table(np.array([0.0, 0.0, 0.0, 1.0]))
        >>> to_interaction_values(both, "FBII", 2)[(0, 1)]
        1.0
    """
    check_index(index, max_order)
    index, max_order = canonical(index, max_order)
    values = interactions(series, index, max_order)
    empty = float(series(np.zeros((1, series.n), dtype=bool))[0])
    baseline = values[()] if index == "FBII" else empty
    min_order = max_order if top_order else 0
    kept = {players: value for players, value in values.items() if len(players) >= min_order}
    return InteractionValues(
        np.fromiter(kept.values(), np.float64, len(kept)),
        index=index,
        target_index=index,
        max_order=max_order,
        min_order=min_order,
        n_players=series.n,
        interaction_lookup={players: place for place, players in enumerate(kept)},
        estimated=estimated,
        estimation_budget=budget,
        baseline_value=baseline,
    )
