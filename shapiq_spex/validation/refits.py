"""What the same masks would have shown by chance, and what half of them show. Nothing is paid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import comb
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from shapiq_spex import simple
from shapiq_spex.choice import Chosen
from shapiq_spex.proxyspex import ProxySPEX
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.result import Recovery
from shapiq_spex.spectral.ends import meet_ends
from shapiq_spex.spectral.indices import interactions
from shapiq_spex.spectral.series import FourierSeries
from shapiq_spex.spex import SPEX

if TYPE_CHECKING:
    from shapiq_spex.approximator import SpectralApproximator
    from shapiq_spex.spectral.indices import Index

FEWEST = 20  # values below which halves say nothing
METHODS: dict[str, Any] = {"ProxySPEX": ProxySPEX, "SPEX": SPEX, "Chosen": Chosen}
METHODS |= {name: getattr(simple, name) for name in simple.__all__}


def same_method(result: Recovery) -> SpectralApproximator:
    """The approximator of a result, as far as its ledger tells, with the same seed and index.

    Raises:
        ValueError: If the ledger does not tell.
    """
    ledger = result.ledger
    if ledger is not None and ledger.method == "from_retrainings":
        msg = (
            "A table of retrainings asks no game, so there is no null control of it: believe its "
            "R², which is of rows held out; or give validate a game that retrains and repeats=0."
        )
        raise ValueError(msg)
    if ledger is None or ledger.method not in METHODS:
        msg = (
            "The null control runs the method of the result again, but its ledger names none of "
            f"{', '.join(METHODS)}; give validate the approximator."
        )
        raise ValueError(msg)
    found: SpectralApproximator = METHODS[ledger.method](
        n=result.series.n,
        index=result.index,  # it has a part in which masks are drawn
        max_order=result.max_order,
        random_state=ledger.seed,
    )
    return found


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
    """Recover games without interactions from the same masks, and count what is reported.

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

    def mean(make: Any) -> float:
        games = [make(result, rng) for _ in range(repeats)]
        counts = [significant(approximator.recover(result.n_evaluations, g)) for g in games]
        return float(np.mean(counts))

    return Nulls(significant(result), mean(_Shuffled), mean(_Additive))


class _Shuffled:
    """The values of a result on other masks; masks not among those get any of the values."""

    def __init__(self, result: Recovery, rng: np.random.Generator) -> None:
        rows, values = result.plan.coalitions, np.array(result.values)
        inner = np.flatnonzero(_is_inner(rows))
        values[inner] = values[rng.permutation(inner)]
        self.values, self.known = values, dict(zip(map(bytes, rows), values, strict=True))

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        keys = list(map(bytes, coalitions))
        spare = [self.values[crc32(key) % len(self.values)] for key in keys]
        return np.array([self.known.get(key, s) for key, s in zip(keys, spare, strict=True)])


class _Additive:
    """The terms of single players, and noise as large as what the series leaves."""

    def __init__(self, result: Recovery, rng: np.random.Generator) -> None:
        series = result.series
        single = series.degrees <= 1
        self.main = FourierSeries(series.support[single], series.coefficients[single])
        left = np.zeros(0) if result.residuals is None else result.residuals
        left = left[np.isfinite(left)]
        self.noise = float(np.sqrt((left**2).mean())) if len(left) else 0.0
        self.seed = int(rng.integers(2**32))

    def __call__(self, coalitions: np.ndarray) -> np.ndarray:
        seeds = [[self.seed, crc32(bytes(row))] for row in coalitions]
        noise = [np.random.default_rng(seed).standard_normal() for seed in seeds]
        return self.main(coalitions) + self.noise * np.array(noise)


@dataclass(frozen=True)
class Stability:
    """How far two halves of the masks agree, on average over several ways to halve them.

    Attributes:
        overlap: Share of the strongest interactions of one half that are so in the other.
        chance: What that would be if either half chose at random among all pairs.
        difference: Root mean square difference between the halves in the values of the result's
            strongest interactions, over the root mean square of these values: 0 where they agree,
            about 1.4 where they have nothing to do with each other.
    """

    overlap: float
    chance: float
    difference: float


def stability(
    result: Recovery,
    sets: list[tuple[int, ...]],
    *,
    index: Index,
    max_order: int,
    repeats: int,
    rng: np.random.Generator,
) -> Stability:
    """Learn either half of the masks, by the surrogate of ProxySPEX whatever the method was.

    Args:
        result: What was recovered.
        sets: Its strongest interactions of two players or more.
        index: The index compared.
        max_order: Its order.
        repeats: Number of ways to halve the masks.
        rng: Source of the halves.
    """
    inner = np.flatnonzero(_is_inner(result.plan.coalitions))
    nothing = Stability(float("nan"), float("nan"), float("nan"))
    if len(inner) < FEWEST or not sets or not repeats:
        return nothing
    overlaps, differences = [], []
    for _ in range(repeats):
        halves = np.array_split(rng.permutation(inner), 2)
        read = [interactions(_learned(result, half, rng), index, max_order) for half in halves]
        best = [set(_largest(found, len(sets))) for found in read]
        overlaps.append(len(best[0] & best[1]) / len(sets))
        values = np.array([[found.get(t, 0.0) for t in sets] for found in read])
        size = float(np.sqrt((values**2).mean()))
        apart = float(np.sqrt((np.diff(values, axis=0) ** 2).mean()))
        differences.append(apart / size if size else 0.0)
    chance = len(sets) / max(comb(result.series.n, 2), len(sets))
    return Stability(float(np.mean(overlaps)), chance, float(np.mean(differences)))


def _learned(result: Recovery, rows: np.ndarray, rng: np.random.Generator) -> FourierSeries:
    x, series = result.plan.coalitions[rows], result.series
    empty, full = series(np.array([[False] * series.n, [True] * series.n]))
    finish = partial(meet_ends, empty=empty, full=full)
    return GaussianProcess().fit(x, result.values[rows], rng, finish).series


def _largest(found: dict[tuple[int, ...], float], count: int) -> list[tuple[int, ...]]:
    """The largest interactions of two players or more."""
    return sorted((t for t in found if len(t) > 1), key=lambda t: (-abs(found[t]), t))[:count]


def _is_inner(coalitions: np.ndarray) -> np.ndarray:
    present = coalitions.sum(axis=1)
    return (present > 0) & (present < coalitions.shape[1])
