"""Claim: a table of 100,000 retrainings on subsets of tens of thousands of examples is read in
minutes and a few gigabytes, and the pairs that act together are found.

A made-up table, as large as those published for CIFAR-10 datamodels: every subset holds each
example with probability one half. The margin of a test point is a sum of main effects, 300 of
them larger than the rest, and 20 pairs among these 300, with noise of a fifth of the variance.

    python benchmarks/retrainings.py

Reported for each size, which has a process of its own: CPU seconds of `from_retrainings` for two
test points, and of the table of interactions with their errors (`to_frame`) of one of them; peak
memory above the table and what came with it; R² on rows held out beside the most that noise leaves;
how many of the planted pairs are significant, and how many others are.

Finished rows are kept beside the table, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from harness import ONE_THREAD, RESULTS, Log, table

os.environ.update(ONE_THREAD)

import numpy as np

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
    middle = time.process_time()
    frames = [each.to_frame("FBII", 2, min_order=2, significant=True) for each in found]
    seconds = [middle - start, (time.process_time() - middle) / POINTS]
    more = megabytes() - before
    hits = others = 0
    for frame, pairs in zip(frames, planted, strict=True):
        right = {*map(tuple, pairs.tolist())}
        known = sum(each in right for each in frame["interaction"])
        hits, others = hits + known, others + len(frame) - known
    r2 = float(np.mean([recovery.r2 for recovery in found]))
    sizes = {"table": bits.nbytes / 2**20, "more": more}
    return {"seconds": seconds, **sizes, "r2": r2, "hits": hits, "others": others}


def alone(n):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, n).result()


def row_of(found):
    recovering, framing = found["seconds"]
    return [
        f"{found['cell']['examples']:,}",
        f"{found['table']:,.0f}",
        f"{recovering:.0f}",
        f"{framing:.0f}",
        f"{found['more']:,.0f}",
        f"{found['r2']:.3f}",
        f"{1 - NOISE:.2f}",
        f"{found['hits']} of {PAIRS * POINTS}",
        found["others"],
    ]


def main():
    log = Log(RESULTS / "retrainings.jsonl")
    for n in SIZES:
        log.add({"examples": n}, lambda size=n: alone(size))
    head = ["examples", "MB of the table", "CPU seconds", "of to_frame", "MB beside it", "R²"]
    lines = [
        f"# {M:,} retrainings",
        "",
        f"{POINTS} test points at once; one thread. Pairs are found if they are significant.",
        "",
        *table([*head, "at most", "pairs found", "others"], [row_of(row) for row in log.rows]),
    ]
    text = "\n".join(lines) + "\n"
    (RESULTS / "retrainings.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
