"""Whether half of the masks, or other seeds, would have shown the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from shapiq_spex.methods import again
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.indices import interactions
from shapiq_spex.validation.standins import Drawn, is_inner

if TYPE_CHECKING:
    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.result import Recovery
    from shapiq_spex.spectral.indices import Index
    from shapiq_spex.spectral.series import FourierSeries
    from shapiq_spex.validation.purse import Purse

    Found = dict[tuple[int, ...], float]

FEWEST = 20  # values below which halves say nothing
ROUNDING = 1e-9  # share of a value by which equal ones may differ


@dataclass(frozen=True)
class Stability:
    """How far several results of one game agree, on average over pairs of them.

    Attributes:
        at: What differs between them, in words.
        overlap: Share of the strongest interactions of one that are so in the other.
        chance: What that would be if either chose at random among all pairs.
        difference: Root mean square difference between the two in the values of the result's
            strongest interactions, over the root mean square of these values: 0 where they agree,
            about 1.4 where they have nothing to do with each other, and 0.9 for halves of masks
            that show noise only, because the strongest are those in which both agree by chance.
        masks: How many coalitions were paid for.
    """

    at: str
    overlap: float = float("nan")
    chance: float = float("nan")
    difference: float = float("nan")
    masks: int = 0


def same_method(result: Recovery) -> SpectralApproximator:
    """The approximator of a result, with all its settings, as its ledger tells.

    Raises:
        ValueError: If the ledger does not tell.
    """
    if result.ledger is None:
        msg = (
            "The null control and other seeds need the method of the result, but it has no ledger; "
            "give validate the approximator."
        )
        raise ValueError(msg)
    if result.ledger.method == "from_retrainings":
        msg = (
            "A table of retrainings asks no game, so there is no null control of it: believe its "
            "R², which is of rows held out; or give validate a game that retrains and repeats=0."
        )
        raise ValueError(msg)
    try:
        return again(result.ledger.method, result.ledger.settings)
    except ValueError as error:
        error.add_note("Or give validate the approximator, or repeats=0 for no such checks.")
        raise


def halves(
    result: Recovery,
    approximator: SpectralApproximator | None,
    sets: list[tuple[int, ...]],
    *,
    index: Index,
    max_order: int,
    repeats: int,
    rng: np.random.Generator,
) -> Stability:
    """Learn either half of the masks, by the method's own surrogate where it has one.

    Methods that ask for masks of their own design (SPEX, the choice of `explain`, ablations) have
    none that learns from any masks; the Gaussian process of ProxySPEX stands in for them.

    Args:
        result: What was recovered.
        approximator: The method.
        sets: The strongest interactions of two players or more.
        index: The index compared.
        max_order: Its order.
        repeats: Number of ways to halve the masks.
        rng: Source of the halves.
    """
    told = Stability("half the masks")
    inner = np.flatnonzero(is_inner(result.plan.coalitions))
    if len(inner) < FEWEST or not sets or not repeats:
        return told
    proxy, pairs = getattr(approximator, "proxy", None) or GaussianProcess(), []
    for _ in range(repeats):
        both = np.array_split(rng.permutation(inner), 2)
        learned = [_learned(result, half, proxy, rng) for half in both]
        pairs.append([interactions(series, index, max_order) for series in learned])
    return _agreement(told.at, pairs, sets, result.series.n, rng)


def other_seeds(
    result: Recovery,
    approximator: SpectralApproximator | None,
    sets: list[tuple[int, ...]],
    purse: Purse,
    count: int,
    *,
    index: Index,
    max_order: int,
    repeats: int,
    rng: np.random.Generator,
) -> Stability:
    """Run the method again with other seeds and compare what it finds with the result.

    It is the game itself that is asked where ``count`` pays for a whole new run, or every coalition
    is known. Else games drawn from the result stand in, its series with noise as large as what
    that leaves: they say how much of the result the method would find again if it were true, and
    nothing of what it missed. Where the series fits well that is close to what real seeds say;
    where it fits badly, as of a network or of factors of too low a rank, it is not.

    Args:
        result: What was recovered.
        approximator: The method.
        sets: The strongest interactions of two players or more.
        purse: Where values come from.
        count: How many unknown coalitions may be spent.
        index: The index compared.
        max_order: Its order.
        repeats: Number of seeds, fewer where they have to be paid.
        rng: Source of the seeds.
    """
    if approximator is None or not sets:
        return Stability("other seeds")
    start, price = purse.n_new, 0 if result.r2_kind == "exact" else result.n_evaluations
    real = repeats if price == 0 else min(repeats, min(count, purse.left) // price)
    games: list[Any] = [purse] * real
    games = games or [Drawn(result.series, result, rng) for _ in range(repeats)]
    first, pairs = interactions(result.series, index, max_order), []
    for game in games:
        settings = approximator.settings | {"random_state": int(rng.integers(2**32))}
        found = type(approximator)(**settings).recover(result.n_evaluations, game)
        pairs.append([first, interactions(found.series, index, max_order)])
    at = "other seeds" if real else "other seeds, simulated"
    agreement = _agreement(at, pairs, sets, result.series.n, rng)
    return replace(agreement, masks=purse.n_new - start)


def _agreement(
    at: str,
    pairs: list[list[Found]],
    sets: list[tuple[int, ...]],
    n: int,
    rng: np.random.Generator,
) -> Stability:
    overlaps, differences = [], []
    for read in pairs:
        best = [set(_largest(found, len(sets), rng)) for found in read]
        overlaps.append(len(best[0] & best[1]) / len(sets))
        values = np.array([[found.get(t, 0.0) for t in sets] for found in read])
        size = float(np.sqrt((values**2).mean()))
        apart = float(np.sqrt((np.diff(values, axis=0) ** 2).mean()))
        differences.append(apart / size if size else 0.0)
    chance = len(sets) / max(comb(n, 2), len(sets))
    return Stability(at, float(np.mean(overlaps)), chance, float(np.mean(differences)))


def _learned(
    result: Recovery, rows: np.ndarray, proxy: Any, rng: np.random.Generator
) -> FourierSeries:
    x, series = result.plan.coalitions[rows], result.series
    empty, full = series(np.array([[False] * series.n, [True] * series.n]))
    finish = partial(meet_ends, empty=empty, full=full)
    learned: FourierSeries = proxy.fit(x, result.values[rows], rng, finish).series
    return learned


def _largest(found: Found, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The largest interactions of two players or more; of equal ones, any."""
    larger = [t for t in found if len(t) > 1]
    sizes = np.abs([found[t] for t in larger]) * (1 + ROUNDING * rng.random(len(larger)))
    return [larger[i] for i in np.argsort(-sizes)[:count]]
