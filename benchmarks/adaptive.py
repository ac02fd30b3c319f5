"""Claims: masks moved apart tell more, and masks that gain nothing more can be saved.

Moving apart: every other of as many random masks is moved away from all others before the game is
asked, as ProxySPEX does; against the random masks as drawn, fitted with the same surrogate.

Stopping: `ProxySPEX.recover(budget, game, tolerance=...)` against the whole budget of the same
seed: masks spent, and R² over all coalitions that is given up by it. Games: real value tables
(folders of .npz files with `coalitions` and `values`), and two of 30 players, one of ten sets of up
to three players, one a complete hierarchy of ten sets of five.

Choosing: half the budget random masks, then, of 2,000 random candidates, those where the posterior
is least certain, one after the other, each counted as known once it is chosen; against as many
random masks, both fitted with the same surrogate.

    python benchmarks/adaptive.py --games GAMES
"""

from __future__ import annotations

import argparse
import os
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from harness import RESULTS, Log, table

from games import Hierarchy, Sparse, Table, tables

TOLERANCES = 0.05, 0.01
ROUNDS, CANDIDATES, SHRINKAGE = 5, 2000, 4.0
CHOSEN = 30, 60, 120, 240  # budgets of the other two comparisons


def games_of(folder, per_family):
    for family, name, game in tables(folder, per_family):
        yield family, name, lambda _, game=game: game
    yield "10 sets of up to 3 of 30", "sparse-30", lambda seed: Sparse(30, 10, 3, seed)
    yield "hierarchy of 30", "hierarchy-30", lambda seed: Hierarchy(30, seed)


def r2_of(series, game):
    judged = game.judged_on()
    truth = getattr(game, "clean", game)(judged)
    found = series.to_table() if isinstance(game, Table) else series(judged)
    return float(f"{1 - ((found - truth) ** 2).mean() / truth.var():.6g}")


# ---------------------------------------------------------------------- stopping
def stopped(game, seed, tolerance):
    from shapiq_spex import ProxySPEX

    budget = 64 * game.n
    method = ProxySPEX(n=game.n, index="FBII", random_state=seed)
    found = method.recover(budget, game, tolerance=tolerance)
    return {"budget": budget, "masks": found.n_evaluations, "r2": r2_of(found.series, game)}


# ---------------------------------------------------------------------- choosing
def compared(game, seed, budget):
    """R² of random masks, of the same moved apart, and of those the posterior is unsure of."""
    from shapiq_spex.proxyspex.spread import spread
    from shapiq_spex.spectral.draws import draw_new

    ends = np.stack([np.zeros(game.n, dtype=bool), np.ones(game.n, dtype=bool)])
    rows = draw_new(game.n, budget + CANDIDATES, ends, np.random.default_rng(seed))
    x = rows[:budget]
    chosen = x[: budget // 2]
    while len(chosen) < budget:
        step = min(budget // 2 // ROUNDS, budget - len(chosen))
        known = set(map(bytes, chosen))
        left = rows[[bytes(row) not in known for row in rows]]
        best = least_certain(chosen, game(chosen), left, step, SHRINKAGE)
        chosen = np.concatenate([chosen, best])
    masks = {
        "random": x,
        "moved": spread(x, ends, np.random.default_rng([seed, 1])),
        "chosen": chosen,
    }
    return {name: r2_of(fit(some, game), game) for name, some in masks.items()}


def fit(x, game):
    from shapiq_spex.proxyspex.gaussian_process import GaussianProcess

    return GaussianProcess().fit(x, game(x), np.random.default_rng(0), lambda s: s).series


def least_certain(x, values, candidates, count, shrinkage):
    """The candidates of largest posterior variance, each counted as known once it is chosen."""
    from shapiq_spex.proxyspex.process import Data, Model
    from shapiq_spex.spectral.characters import signs

    z, far = signs(x).astype(float), signs(candidates).astype(float)
    model = Model.learn(Data(z, (values - values.mean()) / (values.std() or 1.0)), shrinkage)
    noise = model.kernel.noise + 1e-8
    gram = model.covariance(z, z) + noise * np.eye(len(z))
    half = np.linalg.solve(np.linalg.cholesky(gram), model.covariance(z, far))
    variance = model.kernel.total + model.terms.coefficients.sum() - (half**2).sum(axis=0)
    chosen = []
    for _ in range(count):
        chosen.append(int(np.argmax(variance)))
        # One more row of the triangular factor.
        cross = model.covariance(far[chosen[-1:]], far)[0] - half[:, chosen[-1]] @ half
        row = cross / np.sqrt(cross[chosen[-1]] + noise)
        half = np.concatenate([half, row[None]])
        variance = variance - row**2
        variance[chosen[-1]] = -np.inf
    return candidates[chosen]


# ---------------------------------------------------------------------- report
WHAT = "share of masks", "R² given up"
TITLES = {
    "moved": "Moving masks apart before the game is asked",
    "chosen": "Choosing masks where the posterior is least certain",
}


def report(log):
    lines = ["# Adaptive budgets", "", "## Stopping", ""]
    rows = [r for r in log.rows if r["cell"]["part"] == "stop"]
    seeds = sorted({r["cell"]["seed"] for r in rows})
    lines += [f"Budget 64 masks a player; means over seeds {', '.join(map(str, seeds))}.", ""]
    head = ["games", "R², all masks"]
    head += [f"{what}, {t}" for t in TOLERANCES for what in WHAT]
    body = []
    for family in dict.fromkeys(r["family"] for r in rows):
        of = {(c["game"], c["seed"], c["tolerance"]): r for r in rows
              if r["family"] == family and (c := r["cell"])}  # fmt: skip
        whole = {key[:2]: r for key, r in of.items() if key[2] is None}
        line = [family, f"{np.mean([r['r2'] for r in whole.values()]):.3f}"]
        for t in TOLERANCES:
            pairs = [(of[*key, t], r) for key, r in whole.items() if (*key, t) in of]
            line.append(f"{np.mean([a['masks'] / b['masks'] for a, b in pairs]):.0%}")
            line.append(f"{np.mean([b['r2'] - a['r2'] for a, b in pairs]):.3f}")
        body.append(line)
    lines += [*table(head, body), ""]
    for kind, title in TITLES.items():
        lines += [
            f"## {title}",
            "",
            "R² more than that of random masks, mean and standard error over",
        ]
        lines[-1] += " games and seeds."
        lines += ["", *gains(log, kind), ""]
    return "\n".join(lines[:-1]) + "\n"


def gains(log, kind):
    rows, body = [r for r in log.rows if r["cell"]["part"] == "choose"], []
    for family in [*dict.fromkeys(r["family"] for r in rows), "all"]:
        line = [family]
        for budget in CHOSEN:
            some = [r for r in rows if r["cell"]["budget"] == budget]
            gain = [r[kind] - r["random"] for r in some if family in (r["family"], "all")]
            error = np.std(gain) / np.sqrt(max(len(gain), 1))
            line.append(f"{np.mean(gain):+.3f} ± {error:.3f}" if gain else "–")
        body.append(line)
    return table(["games", *(f"{b} masks" for b in CHOSEN)], body)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, required=True, help="folder of folders of .npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-family", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "adaptive.md")
    args = parser.parse_args()
    log = Log(args.out.with_suffix(".jsonl"))
    for seed, (family, name, make) in product(args.seeds, games_of(args.games, args.per_family)):
        game = make(seed)
        for budget in CHOSEN:
            cell = {"part": "choose", "game": name, "seed": seed, "budget": budget}
            log.add(cell, lambda b=budget: {"family": family} | compared(game, seed, b))  # noqa: B023
        for tolerance in (None, *TOLERANCES):
            cell = {"part": "stop", "game": name, "seed": seed, "tolerance": tolerance}
            log.add(cell, lambda t=tolerance: {"family": family} | stopped(game, seed, t))  # noqa: B023
    text = report(log)
    args.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
