"""Claim: a table of 100,000 retrainings on subsets of tens of thousands of examples is read in
minutes and a few gigabytes, and the pairs that act together are found.

A made-up table, as large as those published for CIFAR-10 datamodels: every subset holds each
example with probability one half. The margin of a test point is a sum of main effects, 300 of
them larger than the rest, and 20 pairs among these 300, with noise of a fifth of the variance.

    python benchmarks/retrainings.py

Reported for each size: seconds of `from_retrainings` for two test points, peak memory above the
table and what came with it, R² on rows held out beside the most that noise leaves, and how many of
the planted pairs are among the reported ones.
"""

from __future__ import annotations

import os
import resource
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness import RESULTS, table

from shapiq_spex.datamodels import from_retrainings
from shapiq_spex.spectral.coalitions import PackedCoalitions

M, POINTS = 100_000, 2
SIZES = (10_000, 20_000, 50_000)
LARGE, PAIRS, NOISE = 300, 20, 0.2  # players with large effects, pairs among them, share of noise
BLOCK = 1000


def made_up(n, rng):
    """Packed subsets (M, n / 8), margins (M, POINTS), and the pairs of each test point."""
    bits = np.empty((M, -(-n // 8)), dtype=np.uint8)
    margins = np.empty((M, POINTS))
    weights = 0.02 * rng.standard_normal((n, POINTS))
    planted = []
    for point in range(POINTS):
        large = rng.choice(n, LARGE, replace=False)
        weights[large, point] += 0.5 * rng.standard_normal(LARGE)
        planted.append(np.sort(rng.choice(large, (PAIRS, 2), replace=False), axis=1))
    for start in range(0, M, BLOCK):
        rows = rng.random((BLOCK, n), dtype=np.float32) < 0.5
        bits[start : start + BLOCK] = np.packbits(rows, axis=1)
        margins[start : start + BLOCK] = rows.astype(np.float32) @ weights.astype(np.float32)
        for point, pairs in enumerate(planted):
            both = rows[:, pairs[:, 0]] & rows[:, pairs[:, 1]]
            margins[start : start + BLOCK, point] += 2.0 * both.sum(axis=1)
    noise = rng.standard_normal(margins.shape) * margins.std(axis=0)
    return bits, margins + noise * np.sqrt(NOISE / (1 - NOISE)), planted


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(n):
    bits, margins, planted = made_up(n, np.random.default_rng(n))
    before, start = megabytes(), time.process_time()
    found = from_retrainings(PackedCoalitions(bits, n), margins)
    seconds, more = time.process_time() - start, megabytes() - before
    hits = [
        sum(tuple(map(int, pair)) in recovery.series.terms() for pair in pairs)
        for recovery, pairs in zip(found, planted, strict=True)
    ]
    r2 = np.mean([recovery.r2 for recovery in found])
    row = [f"{n:,}", f"{bits.nbytes / 2**20:,.0f}", f"{seconds:.0f}", f"{more:,.0f}"]
    return [*row, f"{r2:.3f}", f"{1 - NOISE:.2f}", f"{sum(hits)} of {PAIRS * POINTS}"]


def main():
    head = ["examples", "MB of the table", "CPU seconds", "MB beside it", "R²", "at most"]
    lines = [
        f"# {M:,} retrainings",
        "",
        f"{POINTS} test points at once; one thread.",
        "",
        *table([*head, "pairs found"], [measure(n) for n in SIZES]),
    ]
    text = "\n".join(lines) + "\n"
    (RESULTS / "retrainings.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
