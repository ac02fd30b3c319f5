"""Claim: planted interactions among 1,000 and 4,000 players are found, seed after seed.

The game is a sum over planted sets S of 2^|S| prod_{i in S} x_i, so every subset of a planted set
has a Fourier coefficient of size one: three pairs and a triple whose players lie in different
chapters, as passages that are needed together do, and two players alone. Every player has a small
effect of its own besides, together a quarter of the planted variance. Players and effects are drawn
anew for every seed. One more pair is hidden: it counts whether both are there or both are gone, and
they lie in one chapter and go together there, so the chapter shows nothing of them, and going from
coarse to fine has to miss them.

`refine` looks at chapters of 20 players, then at the players of the 14 strongest; `screen`
makes a first pass as small as ProxySPEX allows, then looks at the 50 players kept; "flat" is
ProxySPEX on all players at once. A planted set is found if it is among the 19 largest Fourier
coefficients of the last stage, as many as there are planted ones. Only `refine` is run with 4,000
players, unless --all is given.

    python benchmarks/planted_players.py [--all]
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness import RESULTS, table

from shapiq_spex import Evaluator, ProxySPEX
from shapiq_spex.explain import refine, screen

CHAPTER, KEPT_CHAPTERS, KEPT_PLAYERS = 20, 14, 50
SIZES = (3, 2, 2, 2, 1, 1)  # of the planted sets
N_COEFFICIENTS = sum(2**size - 1 for size in SIZES)
SEEDS = range(5)


class Planted:
    """See above."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.n_players = n
        chapters = rng.choice(n // CHAPTER, sum(SIZES) + 1, replace=False)
        players = [int(k * CHAPTER + rng.integers(CHAPTER)) for k in chapters[:-1]]
        cuts = np.cumsum(SIZES)[:-1]
        self.sets = [tuple(sorted(each.tolist())) for each in np.split(np.array(players), cuts)]
        first = int(chapters[-1] * CHAPTER)
        self.hidden = (first + 3, first + 17)
        self.small = rng.normal(size=n)
        self.small *= np.sqrt(N_COEFFICIENTS / 4 / (self.small**2).sum())

    def __call__(self, x):
        signs = 2.0 * x - 1
        planted = [2 ** len(each) * x[:, list(each)].prod(axis=1) for each in self.sets]
        return signs @ self.small + signs[:, list(self.hidden)].prod(axis=1) + sum(planted)


def flat(game, budget, seed):
    recovery = ProxySPEX(n=game.n_players, random_state=seed).recover(budget, game)
    return recovery, range(game.n_players)


def screened(game, budget, seed):
    first = game.n_players + 2
    stage = screen(game, KEPT_PLAYERS, first, random_state=seed)
    second = ProxySPEX(n=KEPT_PLAYERS, random_state=seed).recover(budget - first, stage.subgame)
    return second, stage.players


def refined(game, budget, seed):
    chapters = np.arange(game.n_players).reshape(-1, CHAPTER)
    found = refine(game, chapters, budget=budget, keep=KEPT_CHAPTERS, random_state=seed)
    last = found.stages[-1]
    return last.recovery, [group[0] for group in last.game.groups]


def strongest(recovery, players, k):
    """The sets of the k largest Fourier coefficients, beside the mean."""
    series = recovery.series
    order = np.argsort(-np.abs(series.coefficients))
    sets = [tuple(players[i] for i in np.flatnonzero(series.support[row])) for row in order]
    return [each for each in sets if each][:k]


def measure(n, name, run, budget):
    found, hidden, seconds, masks, r2 = [], [], [], [], []
    for seed in SEEDS:
        truth = Planted(n, seed)
        game, start = Evaluator(truth, progress=False), time.process_time()
        recovery, players = run(game, budget, seed)
        seconds.append(time.process_time() - start)
        masks.append(game.n_evaluated)
        assert masks[-1] <= budget
        best = strongest(recovery, list(players), N_COEFFICIENTS + 1)
        found.append(sum(each in best for each in truth.sets))
        hidden.append(truth.hidden in best)
        r2.append(recovery.r2)
    row = [
        f"{n:,}",
        name,
        f"{np.mean(masks):,.0f}",
        f"{np.mean(seconds):.1f}",
        f"{np.mean(r2):.2f}",
        f"{np.mean(found):.1f} of {len(SIZES)} ({min(found)} to {max(found)})",
        f"{sum(hidden)} of {len(SEEDS)}",
    ]
    print(row, flush=True)
    return row


HEAD = [
    "players",
    "method",
    "masks",
    "seconds",
    "R² of last stage",
    "planted found",
    "hidden found",
]


def main():
    runs = [
        (1000, "refine", refined, 1200),
        (1000, "refine", refined, 2400),
        (4000, "refine", refined, 2400),
        (4000, "refine", refined, 4800),
        (1000, "screen", screened, 1500),
        (1000, "flat", flat, 1500),
    ]
    if "--all" in sys.argv:
        runs += [(4000, "screen", screened, 4500), (4000, "flat", flat, 4500)]
    rows = [measure(n, name, run, budget) for n, name, run, budget in runs]
    lines = [
        "# Planted interactions among thousands of players",
        "",
        f"Means over {len(SEEDS)} seeds, in brackets the least and the most. Seconds are those of "
        "one core.",
        "",
        *table(HEAD, rows),
        "",
    ]
    text = "\n".join(lines)
    (RESULTS / "planted_players.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
