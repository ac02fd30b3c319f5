"""Claim: what is reported is there, and what is there is confirmed.

- An additive game of 30 players with noise, 600 masks: no pair is significant in at least 18 of 20
  seeds.
- The same with one planted pair of three noise standard deviations: it is significant, and
  `spot_check` confirms it by 36 ablations, in at least 18 of 20 seeds. A pair that has nothing to
  do with each other is tested beside it and is to be confirmed in about one of 20.
- Whether what is said of other seeds is so: a game with ten pairs of a quarter to two and a half
  deviations is recovered twice from masks of its own, and how many of the ten strongest pairs are
  the same is compared with what half of the masks, and games drawn from the first result, say.
- Beside this the simple methods on the planted game: R² on 2,000 uniform masks of the game without
  its noise, and at which place the planted pair stands among the pairs.

    python benchmarks/validation.py

Finished rows are kept beside the report, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import numpy as np
from harness import RESULTS, Log, table

from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.choice import Chosen
from shapiq_spex.simple import (
    FactorisedPairs,
    GreedyAblation,
    LassoPairs,
    LeaveOneOut,
    NeuralSurrogate,
    PairwiseAblation,
)
from shapiq_spex.validation import spot_check
from shapiq_spex.validation.purse import Purse
from shapiq_spex.validation.spots import strongest
from shapiq_spex.validation.stability import halves, other_seeds

N, MASKS, NOISE = 30, 600, 0.5
SEEDS = {"additive": 20, "planted": 20, "stable": 5, "compared": 20}
PLANTED, ABSENT = (3, 8), (5, 6)
METHODS = {"ProxySPEX": ProxySPEX, "SPEX": SPEX, "explain": Chosen}
SIMPLE = {
    kind.__name__: kind
    for kind in (
        LeaveOneOut,
        GreedyAblation,
        PairwiseAblation,
        LassoPairs,
        FactorisedPairs,
        NeuralSurrogate,
    )
}

LEARNERS = METHODS | {name: SIMPLE[name] for name in list(SIMPLE)[3:]}


class Game:
    """Random weights, planted pairs, and noise that is the same for equal masks."""

    def __init__(self, seed, pairs):
        self.seed, self.pairs = seed, pairs
        self.weights = np.random.default_rng(seed).standard_normal(N)

    def clean(self, x):
        return x @ self.weights + sum(c * x[:, p].all(axis=1) for p, c in self.pairs.items())

    def __call__(self, x):
        rows = np.packbits(x, axis=1)
        noise = [np.random.default_rng([self.seed, *row]).standard_normal() for row in rows]
        return self.clean(x) + NOISE * np.array(noise)


def additive(method, seed):
    result = METHODS[method](n=N, random_state=seed).recover(MASKS, Game(seed, {}))
    return {"significant": len(result.to_frame("BII", 2, significant=True, min_order=2))}


def planted(method, seed):
    game = Game(seed, {PLANTED: 3 * NOISE})
    result = METHODS[method](n=N, random_state=seed).recover(MASKS, game)
    frame = result.to_frame("BII", 2, significant=True, min_order=2)
    checked = spot_check(result, game, interactions=[PLANTED, ABSENT], random_state=seed)
    return {
        "significant": PLANTED in set(frame.interaction),
        "others": len(frame) - (PLANTED in set(frame.interaction)),
        "confirmed": bool(checked.confirmed[0]),
        "absent": bool(checked.confirmed[1]),
        "said": float(checked.said[0]),
        "found": float(checked.found[0]),
    }


def compared(method, seed):
    game = Game(seed, {PLANTED: 3 * NOISE})
    result = (METHODS | SIMPLE)[method](n=N, random_state=seed).recover(MASKS, game)
    x = np.random.default_rng([seed, 1]).random((2000, N)) < 0.5
    y = game.clean(x)
    frame = result.interactions("BII", 2)
    sizes = {t: abs(frame[t]) for t in frame.interaction_lookup if len(t) == 2}
    own = sizes.get(PLANTED, 0.0)
    place = 1 + sum(size >= own for t, size in sizes.items() if t != PLANTED) if own else None
    return {"r2": float(1 - ((y - result.series(x)) ** 2).mean() / y.var()), "place": place}


def stable(method, seed):
    game = Game(seed, {(2 * i, 2 * i + 1): (i + 1) * NOISE / 2 for i in range(10)})
    made = LEARNERS[method](n=N, index="BII", random_state=seed)
    result = made.recover(MASKS, game)
    sets, rng = strongest(result, 10), np.random.default_rng([seed, 2])
    how = {"index": "BII", "max_order": 2, "repeats": 1, "rng": rng}
    real, simulated = (
        other_seeds(result, made, sets, Purse(game, result, MASKS), count, **how)
        for count in (MASKS, 0)
    )
    half = halves(result, made, sets, **how)
    kinds = {"real": real, "simulated": simulated, "halves": half}
    return {name: [each.overlap, each.difference] for name, each in kinds.items()}


RUNS = {"additive": additive, "planted": planted, "compared": compared, "stable": stable}
KINDS = {"additive": METHODS, "planted": METHODS, "compared": METHODS | SIMPLE, "stable": LEARNERS}


def report(log):
    lines = [
        "# Validation: what is reported is there, what is there is confirmed",
        "",
        f"{N} players, {MASKS} masks, noise of deviation {NOISE}, a pair of {3 * NOISE}, "
        f"20 seeds (5 for stability); made by `benchmarks/validation.py`.",
        "",
    ]
    rows = []
    for method in METHODS:
        null = log.select(run="additive", method=method)
        pair = log.select(run="planted", method=method)
        rows.append(
            [
                method,
                f"{sum(not r['significant'] for r in null)} of {len(null)}",
                f"{sum(r['significant'] for r in pair)} of {len(pair)}",
                f"{sum(r['others'] for r in pair) / max(len(pair), 1):.2f}",
                f"{sum(r['confirmed'] for r in pair)} of {len(pair)}",
                f"{sum(r['absent'] for r in pair)} of {len(pair)}",
            ]
        )
    head = [
        "method",
        "additive: no significant pair (goal 18)",
        "planted pair significant",
        "other significant pairs a run",
        "planted pair confirmed (goal 18)",
        "absent pair confirmed",
    ]
    lines += [*table(head, rows), "", "## Stability: ten pairs, 5 seeds", ""]
    rows = []
    for method in LEARNERS:
        some = log.select(run="stable", method=method)
        means = [
            np.mean([r[name] for r in some], axis=0) for name in ("real", "simulated", "halves")
        ]
        rows.append([method, *(f"{value:.2f}" for value in np.transpose(means).ravel())])
    head = ["method"]
    for what in ("same of the ten strongest", "difference"):
        head += [f"{what}: other seeds", "simulated", "half the masks"]
    lines += [*table(head, rows), "", "## The simple methods on the planted game", ""]
    rows = []
    for method in METHODS | SIMPLE:
        some = log.select(run="compared", method=method)
        places = [row["place"] for row in some]
        first = sum(place == 1 for place in places)
        r2 = np.mean([row["r2"] for row in some])
        rows.append([method, f"{r2:.3f}", f"{first} of {len(some)}"])
    lines += table(["method", "R² without noise, mean", "planted pair comes first"], rows)
    (RESULTS / "validation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    log = Log(RESULTS / "validation.jsonl")
    for run, seeds in SEEDS.items():
        function = RUNS[run]
        for seed in range(seeds):
            for method in KINDS[run]:
                cell = {"run": run, "method": method, "seed": seed}
                log.add(cell, lambda f=function, m=method, s=seed: f(m, s))
    report(log)


if __name__ == "__main__":
    main()
