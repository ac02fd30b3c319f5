"""Which coalitions SPEX asks for, planned to the last one before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapiq_spex.coding.bch import BCH
from shapiq_spex.spectral.packed import PackedCoalitions
from shapiq_spex.spectral.walsh import all_coalitions

GROUPS = 3  # subsampling matrices of the published design; more where the budget allows
MIN_BITS = 3  # fewer than 8 bins a group cannot tell coefficients apart
UNIFORM = 20  # coalitions at least that no decoder sees, and a twentieth of the budget


@dataclass(frozen=True)
class SamplingPlan:
    """The design of one run: C groups of 2^b coded coalitions under each of p + 1 delays.

    Group c asks for x = M_c l + o_c + d_p (modulo 2) for every l in {0,1}^b and every delay d_p:
    the zero delay and the rows of the parity check of a code that corrects ``degree`` errors. The
    offsets o_c keep the groups from asking for the same coalitions; o_0 = 0. The full coalition
    and uniform ones fill the budget up; no
    decoder sees those, so they judge what was recovered.

    Attributes:
        n: Number of players.
        bits: b, the logarithm of the number of bins of a group.
        code: The code behind the delays; its t is the largest degree decoded for sure.
        matrices: M_c, bool (C, n, b).
        offsets: o_c, bool (C, n).
        packed: All m distinct coalitions, the coded ones first.
        ends: Where the empty and the full coalition stand in ``packed``.
        rows: Where each coded coalition stands in ``packed``: int (C, p + 1, 2^b).
        n_uniform: How many coalitions, the last ones, were drawn uniformly.
    """

    n: int
    bits: int
    code: BCH
    matrices: np.ndarray
    offsets: np.ndarray
    packed: PackedCoalitions
    ends: tuple[int, int]
    rows: np.ndarray
    n_uniform: int

    @property
    def coalitions(self) -> np.ndarray:
        """All coalitions, bool (m, n)."""
        return self.packed[:]

    def __str__(self) -> str:
        """The design and what each part costs."""
        groups, delays, bins = self.rows.shape
        m = len(self.packed)
        return (
            f"{m} distinct coalitions of {self.n} players: {groups} groups x {delays} delays x "
            f"{bins} (b={self.bits}, t={self.code.t}) in {m - self.n_uniform} of them with the "
            f"full one, {self.n_uniform} left over and drawn uniformly"
        )


def largest_design(n: int, budget: int, degree: int) -> tuple[int, int, int] | None:
    """The best (groups, bits, t) of a budget, None if there is none.

    The groups cost 2^bits (p + 1) each; one more coalition is the full one, and some are kept for
    uniform draws. The degree is lowered only where even the smallest design of three groups of 8
    bins is too dear; then come as many bins a group as fit, then as many groups. Counting every
    coded coalition as new is what keeps the plan below the budget whatever the matrices.

    Example:
        >>> largest_design(60, 5000, 5), largest_design(60, 400, 5), largest_design(60, 100, 5)
        ((5, 5, 5), (3, 3, 2), None)
    """
    coded = budget - 1 - max(UNIFORM, budget // 20)
    for t in range(degree, 0, -1):
        block = BCH(n, t).p + 1
        most = coded // (GROUPS * block)
        if most >= 2**MIN_BITS:
            bits = min(most.bit_length() - 1, n)
            return coded // (block * 2**bits), bits, t
    return None


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
    groups, bits, t = design
    code = BCH(n, t)
    matrices = rng.random((groups, n, bits)) < 0.5
    offsets = rng.random((groups, n)) < 0.5
    offsets[0] = False
    coded = _coded(matrices, offsets, code)
    ends = np.packbits(np.ones((1, n), dtype=bool), axis=1)
    keys, first, inverse = np.unique(
        PackedCoalitions(np.concatenate([coded.reshape(-1, coded.shape[-1]), ends]), n).keys,
        return_index=True,
        return_inverse=True,
    )
    # Numbered in the order of asking, the empty coalition first.
    rank = np.empty(len(keys), dtype=np.int64)
    order = np.argsort(first, kind="stable")
    rank[order] = np.arange(len(keys))
    distinct = keys[order].view(np.uint8).reshape(len(keys), -1)
    uniform = _uniform(n, budget - len(keys), distinct, rng)
    return SamplingPlan(
        n=n,
        bits=bits,
        code=code,
        matrices=matrices,
        offsets=offsets,
        packed=PackedCoalitions(np.concatenate([distinct, uniform]), n),
        ends=(0, int(rank[inverse.ravel()[-1]])),
        rows=rank[inverse.ravel()[:-1]].reshape(coded.shape[:-1]),
        n_uniform=len(uniform),
    )


def delays(code: BCH) -> np.ndarray:
    """The zero delay and the rows of the parity check, bool (p + 1, n)."""
    check = code.parity_check.astype(bool)
    return np.concatenate([np.zeros((1, check.shape[1]), dtype=bool), check])


def _coded(matrices: np.ndarray, offsets: np.ndarray, code: BCH) -> np.ndarray:
    """Packed coalitions (C, p + 1, 2^b, bytes) of all groups."""
    shifts = np.packbits(delays(code), axis=1)[:, None]
    ell = all_coalitions(matrices.shape[2]).astype(np.float32)
    out = []
    for matrix, offset in zip(matrices, offsets, strict=True):
        base = (ell @ matrix.T.astype(np.float32)).astype(np.int32) & 1 != 0
        out.append(np.packbits(base ^ offset, axis=1)[None] ^ shifts)
    return np.stack(out)


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
