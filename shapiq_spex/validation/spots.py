"""The strongest interactions put to the test, each by real ablations of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student

from shapiq_spex.checks import whole
from shapiq_spex.spectral.walsh import all_coalitions
from shapiq_spex.validation.purse import Purse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries

LEVEL = 0.05  # of the one-sided test of the sign
FEWEST = 3  # random contexts below which nothing is tested


def spot_check(
    result: Recovery,
    game: Any,
    *,
    budget: int | None = None,
    top: int = 5,
    contexts: int = 8,
    interactions: Sequence[Sequence[int | str]] | None = None,
    index: Index | None = None,
    max_order: int | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Test interactions by all 2^k subsets of their players, around the full input and elsewhere.

    In a context c, who else is present, the interaction of a set S is
    D_S(c) = sum_{R in S} (-1)^(|S| - |R|) v(c + R). Its mean over uniform contexts is the Banzhaf
    interaction BII(S), so the contexts drawn here give an unbiased estimate of that. It is
    confirmed where their mean has the sign that the series says, and Student's one-sided test finds
    it different from 0 at 5%.

    Args:
        result: What was recovered.
        game: The game; known coalitions are not evaluated again.
        budget: How many unknown coalitions may be evaluated; as many as it takes if left out.
        top: How many of the strongest interactions of two players or more are tested.
        contexts: How many random contexts each one gets, fewer where the budget is small.
        interactions: The sets to test instead, players by number or name.
        index: Index that says which interactions are strongest; the result's own if left out.
        max_order: Likewise, at least 2.
        random_state: Seed of the contexts.

    Returns:
        A row for each: interaction, label, order, said and found (BII by the series and by the
        contexts), standard_error (of found), said_full and found_full (around the full input),
        confirmed, size_fits (whether said lies in the 95% interval of found), contexts and masks
        (new ones).

    Raises:
        ValueError: If a player is unknown or a number is not whole. Exceptions of the game pass
            through.

    Example:
        >>> from shapiq_spex import ProxySPEX
        >>> game = lambda x: 3.0 * x[:, 0] * x[:, 1] - x[:, 2]
        >>> found = ProxySPEX(n=12, random_state=0).recover(100, game)
        >>> checked = spot_check(found, game, top=1)
        >>> checked[["label", "said", "found", "confirmed"]].round(3).to_dict("records")
        [{'label': '0 × 1', 'said': 3.0, 'found': 3.0, 'confirmed': True}]
    """
    contexts, top = checked_contexts(contexts), whole("spot_check", "top", top, 0)
    budget = 10**9 if budget is None else whole("spot_check", "budget", budget, 0)
    if interactions is None:
        sets = strongest(result, top, index, max_order)
    else:
        sets = [result.players(players) for players in interactions]
    purse = Purse(game, result, budget)
    rng = np.random.default_rng(whole("spot_check", "random_state", random_state, 0))
    return spots(result, purse, sets, count=purse.left, contexts=contexts, rng=rng)


def checked_contexts(contexts: int) -> int:
    """How many random contexts each interaction gets, if these are enough for a test."""
    return whole("A spot check", "contexts", contexts, FEWEST)


def strongest(
    result: Recovery, top: int, index: Index | None = None, max_order: int | None = None
) -> list[tuple[int, ...]]:
    """The interactions of two players or more with the largest values, significant ones first."""
    index = index or result.index
    index = "BII" if index in ("SV", "BV") else index
    order = max(2, result.max_order if max_order is None else max_order)
    frame = result.to_frame(index, order, min_order=2)
    frame = frame.sort_values("significant", ascending=False, kind="stable")
    return frame["interaction"].tolist()[:top]


def spots(
    result: Recovery,
    purse: Purse,
    sets: Sequence[tuple[int, ...]],
    *,
    count: int,
    contexts: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Test sets as `spot_check` does, for at most so many new coalitions."""
    import pandas as pd

    table, start = [], purse.n_new
    for players in sets:
        around = rng.random((contexts, purse.n)) < 0.5
        around = np.concatenate([np.ones((1, purse.n), dtype=bool), around])
        allowed = min(count - (purse.n_new - start), purse.left)
        while len(around) > 1 + FEWEST and purse.cost(_subsets(players, around)) > allowed:
            around = around[:-1]
        rows = _subsets(players, around)
        if purse.cost(rows) > allowed:
            break
        before = purse.n_new
        real = _derivatives(purse(rows), len(players), len(around))
        row = {"interaction": players, "label": result.label(players)}
        row |= _compared(result.series, players, real, rows)
        table.append(row | {"contexts": len(around) - 1, "masks": purse.n_new - before})
    columns = ["interaction", "label", "order", "said", "found", "standard_error", "said_full"]
    columns += ["found_full", "confirmed", "size_fits", "contexts", "masks"]
    return pd.DataFrame(table, columns=columns).astype({"confirmed": bool, "size_fits": bool})


def _compared(
    series: FourierSeries, players: Sequence[int], real: np.ndarray, rows: np.ndarray
) -> dict[str, Any]:
    said = _derivatives(series(rows), len(players), len(real))
    holding = series.degrees == len(players)
    same = holding & series.support[:, list(players)].all(axis=1)
    bii = float((-2.0) ** len(players) * series.coefficients[same].sum())
    found, scatter = float(real[1:].mean()), float(real[1:].std(ddof=1))
    error = scatter / np.sqrt(len(real) - 1)
    # What is the same in every context but for rounding needs no test.
    rounding = 1e-9 * float(np.abs(real).max() + np.abs(said).max())
    error_or_rounding = max(error, rounding, np.finfo(float).tiny)
    freedom = len(real) - 2
    reach = student.isf(LEVEL / 2, freedom) * error_or_rounding
    return {
        "order": len(players),
        "said": bii,
        "found": found,
        "standard_error": error,
        "said_full": float(said[0]),
        "found_full": float(real[0]),
        "confirmed": bool(student.sf(found * np.sign(bii) / error_or_rounding, freedom) < LEVEL),
        "size_fits": bool(abs(found - bii) <= reach),
    }


def _subsets(players: Sequence[int], contexts: np.ndarray) -> np.ndarray:
    """Every subset of the players in every context, bool (c 2^k, n)."""
    present = all_coalitions(len(players))
    rows = np.repeat(contexts, len(present), axis=0)
    rows[:, list(players)] = np.tile(present, (len(contexts), 1))
    return rows


def _derivatives(values: np.ndarray, k: int, contexts: int) -> np.ndarray:
    """D_S of every context, (c,)."""
    signs = (-1.0) ** (k - all_coalitions(k).sum(axis=1))
    return values.reshape(contexts, -1) @ signs
