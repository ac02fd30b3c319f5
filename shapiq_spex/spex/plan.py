"""Which coalitions SPEX asks for, planned to the last one before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapiq_spex.coding.bch import BCH
from shapiq_spex.spectral.coalitions import PackedCoalitions
from shapiq_spex.spectral.walsh import all_coalitions

GROUPS = 3  # subsampling matrices of the published design; more where the budget allows
MIN_BITS = 3  # fewer than 8 bins a group cannot tell coefficients apart
LOWEST = 3  # degree that a design is lowered to
UNIFORM = (20, 100)  # coalitions that no decoder sees: a twentieth of the budget, in this range


@dataclass(frozen=True)
class SamplingPlan:
    """The design of one run: C groups of 2^b coded coalitions under each of p + 1 delays.

    Group c asks for x = M_c l + d_p (modulo 2) for every l in {0,1}^b_c and every delay d_p: the
    zero delay and the rows of the parity check of a code that corrects ``t`` errors. The groups
    share l = 0. The full coalition and uniform ones fill the budget up; no decoder sees those, so
    they judge what was recovered.

    Attributes:
        n: Number of players.
        code: The code behind the delays; its t is the largest degree decoded for sure.
        matrices: M_c, bool (n, b_c), for each group.
        packed: All m distinct coalitions, the coded ones first.
        ends: Where the empty and the full coalition stand in ``packed``.
        rows: Where the coded coalitions of each group stand in ``packed``: int (p + 1, 2^b_c).
        n_uniform: How many coalitions, the last ones, were drawn uniformly.
    """

    n: int
    code: BCH
    matrices: tuple[np.ndarray, ...]
    packed: PackedCoalitions
    ends: tuple[int, int]
    rows: tuple[np.ndarray, ...]
    n_uniform: int

    @property
    def coalitions(self) -> np.ndarray:
        """All coalitions, bool (m, n)."""
        return self.packed[:]

    @property
    def bits(self) -> tuple[int, ...]:
        """b_c, the logarithm of the number of bins of each group."""
        return tuple(matrix.shape[1] for matrix in self.matrices)

    def __str__(self) -> str:
        """The design and what each part costs."""
        m, bins = len(self.packed), " + ".join(str(2**b) for b in self.bits)
        return (
            f"{m} distinct coalitions of {self.n} players: {len(self.bits)} groups of {bins} bins "
            f"x {self.code.p + 1} delays (t={self.code.t}) in {m - self.n_uniform} of them with "
            f"the full one, {self.n_uniform} left over and drawn uniformly"
        )


def largest_design(n: int, budget: int, degree: int) -> tuple[tuple[int, ...], int] | None:
    """The best (bits of each group, t) of a budget, None if there is none.

    C groups cost (p + 1) (sum 2^b_c - C + 1); one more coalition is the full one, and some are
    kept for uniform draws. The degree is lowered only where even the smallest design of three
    groups of 8 bins is too dear, and not below 3: a surrogate finds players and pairs better. Then
    come three groups of as many bins as fit, and smaller groups for what is left.

    Example:
        >>> largest_design(60, 5000, 5), largest_design(60, 500, 5), largest_design(60, 400, 5)
        (((6, 6, 5, 4), 5), ((3, 3, 3), 3), None)
    """
    degree = min(degree, n)
    coded = budget - 1 - min(max(budget // 20, UNIFORM[0]), UNIFORM[1])
    for t in range(degree, min(degree, LOWEST) - 1, -1):
        bins = coded // (BCH(n, t).p + 1) - 1  # what the groups' 2^b_c - 1 may add up to
        if bins >= GROUPS * (2**MIN_BITS - 1):
            return tuple(_shared_out(bins, n)), t
    return None


def _shared_out(bins: int, n: int) -> list[int]:
    """Three groups, each doubled in turn while that fits, and then ever smaller ones."""
    bits = [MIN_BITS] * GROUPS
    left = bins - GROUPS * (2**MIN_BITS - 1)
    for step in range(GROUPS * n):
        group = step % GROUPS
        if 2 ** bits[group] > left or bits[group] >= n:
            break
        left -= 2 ** bits[group]
        bits[group] += 1
    for extra in range(bits[-1], MIN_BITS - 1, -1):
        if 2**extra - 1 <= left:
            bits.append(extra)
            left -= 2**extra - 1
    return bits


def plan_spex(n: int, budget: int, degree: int, rng: np.random.Generator) -> SamplingPlan | None:
    """Draw the largest design the budget affords, and fill up with uniform coalitions.

    Args:
        n: Number of players.
        budget: Number of distinct coalitions, at most 2^n; all of them are used.
        degree: Largest degree to decode for sure.
        rng: Source of all randomness.

    Returns:
        The plan, or None where the budget is below the smallest coded design.
    """
    design = largest_design(n, budget, degree)
    if design is None:
        return None
    code = BCH(n, design[1])
    matrices = tuple(rng.random((n, b)) < 0.5 for b in design[0])
    groups = [_coded(matrix, code) for matrix in matrices]
    full = np.packbits(np.ones((1, n), dtype=bool), axis=1)
    distinct, where = _distinct(n, [*(group.reshape(-1, full.shape[1]) for group in groups), full])
    uniform = _uniform(n, budget - len(distinct), distinct, rng)
    return SamplingPlan(
        n=n,
        code=code,
        matrices=matrices,
        packed=PackedCoalitions(np.concatenate([distinct, uniform]), n),
        ends=(0, int(where[-1][0])),
        rows=tuple(w.reshape(g.shape[:-1]) for w, g in zip(where[:-1], groups, strict=True)),
        n_uniform=len(uniform),
    )


def delays(code: BCH) -> np.ndarray:
    """The zero delay and the rows of the parity check, bool (p + 1, n)."""
    check = code.parity_check.astype(bool)
    return np.concatenate([np.zeros((1, check.shape[1]), dtype=bool), check])


def _coded(matrix: np.ndarray, code: BCH) -> np.ndarray:
    """Packed coalitions (p + 1, 2^b, bytes) of a group."""
    shifts = np.packbits(delays(code), axis=1)[:, None]
    ell = all_coalitions(matrix.shape[1]).astype(np.float32)
    base = (ell @ matrix.T.astype(np.float32)).astype(np.int32) & 1 != 0
    return np.packbits(base, axis=1)[None] ^ shifts


def _distinct(n: int, parts: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Distinct packed rows in the order of asking, and where the rows of each part stand."""
    keys, first, inverse = np.unique(
        PackedCoalitions(np.concatenate(parts), n).keys, return_index=True, return_inverse=True
    )
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys))
    where = np.split(rank[inverse.ravel()], np.cumsum([len(part) for part in parts[:-1]]))
    return keys[order].view(np.uint8).reshape(len(keys), -1), where


def _uniform(n: int, count: int, taken: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distinct packed coalitions drawn uniformly among those not taken."""
    if len(taken) + count > 2 ** min(n, 62) // 4:  # draws would mostly repeat: list the others
        table = np.packbits(all_coalitions(n), axis=1)
        known = np.isin(PackedCoalitions(table, n).keys, PackedCoalitions(taken, n).keys)
        free = table[~known]
        return free[rng.choice(len(free), size=count, replace=False)]
    drawn = taken
    while (missing := len(taken) + count - len(drawn)) > 0:
        new = np.packbits(rng.random((missing, n), dtype=np.float32) < 0.5, axis=1)
        drawn = np.concatenate([drawn, new])
        _, first = np.unique(PackedCoalitions(drawn, n).keys, return_index=True)
        drawn = drawn[np.sort(first)]
    return drawn[len(taken) :]
