"""Claim: the standard errors that come with every interaction can be trusted.

- Intervals. ProxySPEX recovers games whose values are all known (folders of .npz files with
  `coalitions` and `values`, as published with the shapiq benchmark). Nine of ten 90% intervals are
  to hold the exact value, for main effects, for the ten interactions of order 2 with the largest
  estimates, and for all others. The method was developed on the other half of the tables.
- Null games: additive ones with and without noise, constants, pure noise. In nine of ten runs no
  interaction of two players or more is to be significant.
- Planted games: known interactions, and all others 0. At most a tenth of what is significant is to
  be wrong on average; power is the share of the planted ones that is found.

    python benchmarks/calibration.py --games GAMES

Finished rows are kept beside the report, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from harness import RESULTS, Log, table

from games import Sparse, Table
from shapiq_spex import SPEX, FourierSeries, ProxySPEX, uncertainty
from shapiq_spex.spectral import interactions

INDICES = (("SV", 1), ("k-SII", 2), ("BII", 2), ("FBII", 2), ("FSII", 2), ("STII", 2))
GROUPS = ("main effects", "ten largest", "other pairs")
NULLS = ("additive", "additive, noise of half its deviation", "constant", "noise")
NULL_SETTINGS = (ProxySPEX, 14, 100, 1), (SPEX, 20, 200, 4)  # players, masks, every so many runs
LEVELS = 0.5, 0.25, 0.1, 0.02  # shares of intervals that may miss
WANTED = 0.85, 0.95


# ---------------------------------------------------------------------- intervals
def groups(frame):
    """Rows of the frame, which is sorted by size, for each group."""
    pairs = np.flatnonzero(frame.order == 2)
    parts = np.flatnonzero(frame.order == 1), pairs[:10], pairs[10:]
    return {name: rows for name, rows in zip(GROUPS, parts, strict=True) if len(rows)}


def intervals(game, budget, seed):
    """Coverage, median width over the spread of the exact main effects, share significant."""
    result = ProxySPEX(n=game.n, random_state=seed).recover(budget, game)
    exact, row = FourierSeries.from_table(game.table), {"r2": result.r2}
    for index, order in INDICES:
        frame = result.to_frame(index, order)
        true, held = truth(exact, frame, index, order)
        width = ((frame.upper - frame.lower) / np.std(true[frame.order == 1])).to_numpy()
        row[f"{index} {order}"] = {
            name: [held[rows].mean(), np.median(width[rows]), frame.significant.iloc[rows].mean()]
            for name, rows in groups(frame).items()
        }
    for level in LEVELS:
        with patch.object(uncertainty, "LEVEL", level):
            frame = result.to_frame("k-SII", 2)
        _, held = truth(exact, frame, "k-SII", 2)
        row[f"missed {level}"] = {name: held[rows].mean() for name, rows in groups(frame).items()}
    return row


def truth(exact, frame, index, order):
    """The exact values of the rows, and whether the intervals hold them."""
    values = interactions(exact, index, order, min_order=1)
    true = np.array([values.get(players, 0.0) for players in frame.interaction])
    slack = 1e-9 * np.abs(true).max()  # what is known but for rounding has intervals of no width
    return true, ((frame.lower <= true + slack) & (true - slack <= frame.upper)).to_numpy()


def halves(folder, report):
    """The tables that are reported on, or those the method was developed on."""
    for family in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(family.glob("*.npz"))[1 if report else 0 :: 2]:
            game = Table(path)
            if np.ptp(game.table[1:]) > 0:  # one has the same value wherever there is a player
                yield family.name, path.stem, game


# ---------------------------------------------------------------------- null and planted games
def null_game(kind, n, seed):
    rng = np.random.default_rng([seed, NULLS.index(kind)])
    if kind.startswith("additive"):
        weights = rng.standard_normal(n)
        noise = 0.0 if kind == "additive" else 0.25 * np.sqrt(weights @ weights)
        return lambda x: x @ weights + noise * rng.standard_normal(len(x))
    if kind == "constant":
        value = rng.standard_normal()
        return lambda x: np.full(len(x), value)
    return lambda x: rng.standard_normal(len(x))


def null_run(method, kind, n, budget, seed):
    frame = method(n=n, random_state=seed).recover(budget, null_game(kind, n, seed)).to_frame()
    larger = frame[frame.order > 1]
    return {"reported": len(larger), "significant": int(larger.significant.sum())}


class Unanimous:
    """Sum of weights of sets that are wholly present, with noise of a tenth of the deviation."""

    def __init__(self, n, count, seed):
        rng = np.random.default_rng([n, count, seed])
        self.n, self.noise = n, rng
        sets = [rng.choice(n, size=1 + i % 3, replace=False) for i in range(count)]
        self.weights = {tuple(sorted(s.tolist())): rng.uniform(1, 3) for s in sets}
        probe = rng.random((2000, n)) < 0.5
        self.deviation = 0.1 * self.clean(probe).std()

    def clean(self, x):
        return sum(w * x[:, list(s)].all(axis=1) for s, w in self.weights.items())

    def __call__(self, x):
        return self.clean(x) + self.deviation * self.noise.standard_normal(len(x))

    @property
    def terms(self):
        """prod_{i in S} (1 - chi_i) / 2, summed."""
        out = {}
        for players, weight in self.weights.items():
            for bits in product([0, 1], repeat=len(players)):
                some = tuple(p for p, bit in zip(players, bits, strict=True) if bit)
                share = weight * (-1) ** len(some) / 2 ** len(players)
                out[some] = out.get(some, 0.0) + share
        return out


# name -> method, index, budget, game of a seed
PLANTED = {
    "12 characters up to 3 of 25, exact": (ProxySPEX, "BII", 400, lambda s: Sparse(25, 12, 3, s)),
    "12 characters up to 3 of 25, 10 dB": (
        ProxySPEX,
        "k-SII",
        400,
        lambda s: Sparse(25, 12, 3, s, 10),
    ),
    "12 characters up to 3 of 25, 3 dB": (
        ProxySPEX,
        "BII",
        400,
        lambda s: Sparse(25, 12, 3, s, 3),
    ),
    "18 unanimous sets of 30, 20 dB": (ProxySPEX, "k-SII", 400, lambda s: Unanimous(30, 18, s)),
    "18 unanimous sets of 30, 20 dB, order 3": (
        ProxySPEX,
        "FBII",
        600,
        lambda s: Unanimous(30, 18, s),
    ),
    "SPEX, 12 characters up to 3 of 40, 10 dB": (
        SPEX,
        "k-SII",
        1000,
        lambda s: Sparse(40, 12, 3, s, 10),
    ),
}


def planted_run(name, seed):
    method, index, budget, make = PLANTED[name]
    game, order = make(seed), 3 if name.endswith("order 3") else 2
    frame = method(n=game.n, random_state=seed).recover(budget, game).to_frame(index, order)
    exact = interactions(FourierSeries.from_terms(game.n, game.terms), index, order, min_order=2)
    real = {players for players, value in exact.items() if abs(value) > 1e-9}
    found = set(frame.interaction[frame.significant & (frame.order > 1)])
    return {
        "found": len(found),
        "false": len(found - real),
        "missed": len(real - found),
        "planted": len(real),
    }


# ---------------------------------------------------------------------- report
def mean_of(rows, index, group, place):
    return float(np.mean([row[index][group][place] for row in rows if group in row[index]]))


def interval_lines(log):
    rows = log.select(part="tables")
    games = {row["cell"]["game"] for row in rows}
    yield "## Intervals"
    yield ""
    yield (
        f"{len(rows)} runs on {len(games)} tables that played no part in the development. Coverage "
        "of 90% intervals; widths are medians over runs of the median width, in units of the "
        "standard deviation of the exact main effects of that index."
    )
    yield ""
    keys = [(f"{i} {o}", g) for i, o in INDICES for g in GROUPS if g == GROUPS[0] or o > 1]
    body = []
    for index, group in keys:
        widths = [row[index][group][1] for row in rows]
        runs = [row[index][group][0] for row in rows]
        share = mean_of(rows, index, group, 2)
        covered = f"{np.mean(runs):.3f}"
        low = f"{np.quantile(runs, 0.05):.2f}"
        body.append([index, group, covered, low, f"{np.nanmedian(widths):.2f}", f"{share:.2f}"])
    head = ["index", "group", "coverage", "5% of runs below", "median width", "significant"]
    yield from table(head, body)
    yield ""
    yield "### Coverage of k-SII by nominal level"
    yield ""
    body = [
        [group, *(f"{np.mean([row[f'missed {q}'][group] for row in rows]):.3f}" for q in LEVELS)]
        for group in GROUPS
    ]
    yield from table(["group", *(f"{1 - q:.0%}" for q in LEVELS)], body)
    yield ""
    yield from by("family", rows, keys, "Coverage by family")
    yield from by("budget", rows, keys, "Coverage by masks")


def by(name, rows, keys, title):
    kinds = list(dict.fromkeys(row["cell"][name] for row in rows))
    yield f"### {title}"
    yield ""
    body = []
    for index, group in keys:
        parts = [[row for row in rows if row["cell"][name] == kind] for kind in kinds]
        body.append([index, group, *(f"{mean_of(part, index, group, 0):.3f}" for part in parts)])
    yield from table(["index", "group", *kinds], body)
    yield ""


def null_lines(log):
    yield "## Null games"
    yield ""
    yield "Share of runs that call any interaction of two players or more significant (k-SII)."
    yield ""
    body = []
    cells = {(c["game"], c["method"], c["n"], c["budget"]) for c in cells_of(log, "null")}
    for game, method, n, budget in sorted(cells):
        rows = log.select(part="null", game=game, method=method, n=n, budget=budget)
        hits = np.mean([row["significant"] > 0 for row in rows])
        reported = np.mean([row["reported"] for row in rows])
        body.append([game, method, n, budget, len(rows), f"{reported:.0f}", f"{hits:.3f}"])
    head = ["game", "method", "players", "masks", "runs", "pairs reported", "runs with any"]
    yield from table(head, body)
    yield ""


def planted_lines(log):
    yield "## Planted games"
    yield ""
    body = []
    for name, (_, index, budget, _) in PLANTED.items():
        rows = log.select(part="planted", game=name)
        if rows:
            wrong = [row["false"] / max(row["found"], 1) for row in rows]
            power = [1 - row["missed"] / max(row["planted"], 1) for row in rows]
            shown = [f"{np.mean(wrong):.3f}", f"{np.mean(power):.2f}"]
            body.append([name, index, budget, len(rows), *shown])
    yield from table(["game", "index", "masks", "runs", "false discoveries", "power"], body)


def cells_of(log, part):
    return [row["cell"] for row in log.select(part=part)]


def draw(log, path):
    """Coverage against the nominal level, and of 90% intervals against masks, a panel a group."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    rows = log.select(part="tables")
    budgets = sorted({row["cell"]["budget"] for row in rows})
    figure, (first, *panels) = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    first.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for group in GROUPS:
        covered = [np.mean([row[f"missed {q}"][group] for row in rows]) for q in LEVELS]
        first.plot([1 - q for q in LEVELS], covered, "o-", markersize=3, label=group)
    first.set(
        title="k-SII", xlabel="nominal level", ylabel="coverage", xlim=(0.4, 1), ylim=(0.4, 1)
    )
    first.legend(frameon=False, fontsize=8)
    for panel, group in zip(panels, GROUPS, strict=True):
        panel.axhspan(*WANTED, color="0.9")
        panel.axhline(0.9, color="0.6", linewidth=0.8)
        for color, index in enumerate(f"{i} {o}" for i, o in INDICES):
            parts = [[r for r in rows if r["cell"]["budget"] == m] for m in budgets]
            if group in rows[0][index]:
                covered = [mean_of(part, index, group, 0) for part in parts]
                panel.plot(budgets, covered, f"C{color}o-", markersize=3, label=index)
        panel.set(xscale="log", title=group, xlabel="masks", ylim=(0.6, 1.0))
        panel.set_xticks(budgets, budgets)
        panel.minorticks_off()
    panels[0].set_ylabel("coverage of 90% intervals")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, required=True, help="folder of folders of .npz")
    parser.add_argument("--budgets", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--null-runs", type=int, default=200)
    parser.add_argument("--planted-runs", type=int, default=30)
    parser.add_argument("--development", action="store_true", help="the other half of the tables")
    parser.add_argument("--out", type=Path, default=RESULTS / "calibration.md")
    args = parser.parse_args()
    log = Log(args.out.with_suffix(".jsonl"))
    for name, seed in product(PLANTED, range(args.planted_runs)):
        at = {"part": "planted", "game": name, "seed": seed}
        log.add(at, lambda name=name, seed=seed: planted_run(name, seed))
    games = list(halves(args.games, report=not args.development))
    for seed in args.seeds:
        for budget, (family, name, game) in product(args.budgets, games):
            at = {"part": "tables", "family": family, "game": name, "budget": budget, "seed": seed}
            log.add(at, lambda g=game, m=budget, s=seed: intervals(g, m, s))
    for kind, (method, n, budget, step) in product(NULLS, NULL_SETTINGS):
        for seed in range(0, args.null_runs, step):
            at = {"part": "null", "game": kind, "method": method.__name__, "n": n}
            at |= {"budget": budget, "seed": seed}
            run = (method, kind, n, budget, seed)
            log.add(at, lambda run=run: null_run(*run))
    lines = ["# Can the standard errors be trusted?", "", *interval_lines(log), *null_lines(log)]
    text = "\n".join([*lines, *planted_lines(log)]) + "\n"
    args.out.write_text(text, encoding="utf-8")
    draw(log, args.out.with_suffix(".png"))
    print(text)


if __name__ == "__main__":
    main()
