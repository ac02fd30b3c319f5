"""Claim: the masks SPEX needs for exact recovery grow with the logarithm of the number of players.

For each n the smallest budget, in steps of a tenth, at which SPEX's decoder recovers 50 random
coefficients of degree <= 5 exactly (every one to 1e-6, nothing else) in 9 of 10 seeds, by
bisection; and the straight line through budget against log2 n. No surrogate takes part.

    python benchmarks/masks_vs_n.py

Finished budgets are kept beside the table.
"""

from __future__ import annotations

import os

import numpy as np
from harness import ONE_THREAD, RESULTS, Log, table

from games import Sparse

PLAYERS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
COUNT, DEGREE, SEEDS, ENOUGH = 50, 5, 10, 9
BUDGETS = [round(200 * 1.1**step) for step in range(60)]


def exact(n, budget, seed):
    from shapiq_spex.approximator import ask
    from shapiq_spex.spex.decode import decode
    from shapiq_spex.spex.plan import plan_spex

    game = Sparse(n, COUNT, DEGREE, seed)
    plan = plan_spex(n, budget, DEGREE, np.random.default_rng(seed))
    if plan is None:
        return False
    found = decode(plan, ask(game, plan.packed), soft=True).series.terms()
    found.pop((), None)
    return found.keys() == game.terms.keys() and all(
        abs(found[s] - f) < 1e-6 for s, f in game.terms.items()
    )


def successes(log, n, budget):
    """In how many seeds recovery is exact; given up when 9 of 10 are out of reach."""

    def run():
        good = bad = 0
        for seed in range(SEEDS):
            right = exact(n, budget, seed)
            good, bad = good + right, bad + (not right)
            if bad > SEEDS - ENOUGH:
                break
        return {"good": good}

    cell = {"n": n, "budget": budget}
    log.add(cell, run)
    return log.select(**cell)[0]["good"]


def least(log, n):
    low, high = -1, len(BUDGETS) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if successes(log, n, BUDGETS[middle]) >= ENOUGH:
            high = middle
        else:
            low = middle
    return BUDGETS[high]


def draw(needed, slope, start):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    n = np.array(list(needed))
    axes.semilogx(n, list(needed.values()), "o", label="smallest budget, exact in 9 of 10 seeds")
    axes.semilogx(n, start + slope * np.log2(n), "-", label=f"{start:.0f} + {slope:.0f} log2 n")
    axes.set_xlabel("players n")
    axes.set_ylabel("masks")
    axes.set_ylim(0)
    axes.legend()
    figure.savefig(RESULTS / "masks_vs_n.png", dpi=120, bbox_inches="tight")


def main():
    os.environ.update(ONE_THREAD)
    log = Log(RESULTS / "masks_vs_n.jsonl")
    needed = {n: least(log, n) for n in PLAYERS}
    logs = np.log2(list(needed))
    slope, start = np.polyfit(logs, list(needed.values()), 1)
    fitted = start + slope * logs
    spread = np.array(list(needed.values()))
    r2 = 1 - ((spread - fitted) ** 2).sum() / ((spread - spread.mean()) ** 2).sum()
    rows = [
        [f"{n:,}", f"{m:,}", f"{f:,.0f}"] for (n, m), f in zip(needed.items(), fitted, strict=True)
    ]
    lines = [
        "# Masks against the number of players",
        "",
        f"{COUNT} random coefficients of degree <= {DEGREE}; the smallest budget tried (steps of a "
        f"tenth) with exact recovery in {ENOUGH} of {SEEDS} seeds, by decoding alone.",
        "",
        *table(["players n", "masks", "line"], rows),
        "",
        f"Line: {start:.0f} + {slope:.0f} log2 n masks, R² {r2:.3f}. From n = {PLAYERS[0]} to "
        f"{PLAYERS[-1]:,}, {PLAYERS[-1] // PLAYERS[0]} times the players take "
        f"{needed[PLAYERS[-1]] / needed[PLAYERS[0]]:.1f} times the masks.",
        "",
        "![masks against n](masks_vs_n.png)",
        "",
    ]
    draw(needed, slope, start)
    text = "\n".join(lines)
    (RESULTS / "masks_vs_n.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
