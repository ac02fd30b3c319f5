"""Claim: ProxySPEX with its Gaussian process explains real games better per model call than
shapiq's ProxySPEX and than a ridge regression on main effects, in less time.

Side by side in one run, same games, budgets and seeds:

- gp, gbt: our ProxySPEX with either surrogate;
- shapiq: its ProxySPEX with default settings, judged by its final Fourier coefficients as they
  are, before they are cut to an order or turned into an index;
- ridge: scikit-learn's RidgeCV on main effects, on our masks.

Games: complete value tables (folders of .npz files with `coalitions` and `values`, as published
with the shapiq benchmark) and live MiniLM texts. R² is over all 2^n coalitions of a table, and over
1,000 fresh uniform coalitions of a text. Seconds are those of the method alone, without the game.

    python benchmarks/proxies.py --games GAMES --peer-python PYTHON_WITH_SHAPIQ_1.8

Finished rows are kept beside the table, so a run that broke off goes on where it was.
The peer runs in a process of its own, so it may have another shapiq than we do; it asks for values
through a local socket. One thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from itertools import product
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
from harness import ONE_THREAD

from games import Review, main_effects, tables

HERE = Path(__file__).parent
METHODS = ("ridge", "shapiq", "gbt", "gp")


class Timed:
    """A game that knows how long it took."""

    keeps_values = True

    def __init__(self, game):
        self.game, self.seconds = game, 0.0

    def __call__(self, coalitions):
        start = time.perf_counter()
        values = self.game(np.asarray(coalitions, dtype=bool))
        self.seconds += time.perf_counter() - start
        return values


def ours(proxy, game, budget, seed):
    """Our ProxySPEX: a function that predicts, and its own R²."""
    from shapiq_spex import ProxySPEX

    result = ProxySPEX(n=game.game.n, proxy=proxy, random_state=seed).recover(budget, game)
    return result.series, result.r2


def ridge(game, budget, seed):
    return main_effects(game, game.game.n, budget, seed), None


class Peer:
    """shapiq's ProxySPEX in another interpreter."""

    def __init__(self, python):
        self.listener = Listener()
        code = [python, __file__, "--peer-address", self.listener.address]
        self.process = subprocess.Popen(
            code, env=os.environ | ONE_THREAD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.line = self.listener.accept()
        self.versions = self.line.recv()

    def __call__(self, game, budget, seed):
        from shapiq_spex import FourierSeries

        self.line.send((game.game.n, budget, seed))
        while isinstance(message := self.line.recv(), np.ndarray):
            self.line.send(game(message))
        return FourierSeries.from_terms(game.game.n, message), None

    def close(self):
        self.line.send(None)
        self.process.wait()


def serve(address):
    """The peer's side: answer jobs until told to stop."""
    from shapiq.approximator import ProxySPEX

    class Listening(ProxySPEX):
        def fourier_to_moebius(self, four_dict):
            self.heard = {tuple(map(int, s)): float(f) for s, f in four_dict.items()}
            return super().fourier_to_moebius(four_dict)

    warnings.simplefilter("ignore")
    with Client(address) as line:
        line.send({name: version(name) for name in ("shapiq", "lightgbm")})

        def game(coalitions):
            line.send(np.asarray(coalitions, dtype=bool))
            return line.recv()

        while (job := line.recv()) is not None:
            n, budget, seed = job
            method = Listening(n=n, index="FBII", max_order=1, random_state=seed)
            method.approximate(budget, game)
            line.send(method.heard)


def measure(method, peer, game, budget, seed):
    """R², own R², seconds without the game."""
    timed = Timed(game)
    run = {"ridge": ridge, "shapiq": peer}.get(method)
    start = time.perf_counter()
    predict, own = run(timed, budget, seed) if run else ours(method, timed, budget, seed)
    seconds = time.perf_counter() - start - timed.seconds
    judged = game.judged_on()
    truth = game(judged)
    r2 = 1 - np.mean((predict(judged) - truth) ** 2) / truth.var()
    return {"r2": float(r2), "own_r2": own, "seconds": seconds}


def run(games, budgets, seeds, peer, log):
    """All rows; each goes to the log at once, and those already there are not run again."""
    keys = ("game", "budget", "seed", "method")
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {tuple(row[key] for key in keys) for row in rows}
    for (family, name, game), budget, seed, method in product(games, budgets, seeds, METHODS):
        if (name, budget, seed, method) in done or budget < game.n + 2:
            continue
        row = {"family": family, "game": name, "budget": budget, "seed": seed, "method": method}
        rows.append(row | measure(method, peer, game, budget, seed))
        with log.open("a") as file:
            print(json.dumps(rows[-1]), file=file)
    return rows


def load_games(folder, per_family, words):
    texts = [(f"MiniLM review, {n} words", f"review-{n}", Review(n)) for n in words]
    return [*tables(folder, per_family), *texts]


def cell(rows, key, **which):
    """Mean over the rows that match; an R² below 0 counts as 0, one that is unknown not at all."""
    chosen = [r[key] for r in rows if all(r[name] == value for name, value in which.items())]
    values = np.array(chosen, dtype=float)
    return np.nanmean(values if key == "seconds" else np.maximum(values, 0.0))


def report(rows, versions, budgets, seeds):
    families = dict.fromkeys(row["family"] for row in rows)
    lines = [
        "# Surrogates against shapiq's ProxySPEX and ridge",
        "",
        f"shapiq {versions['shapiq']} with LightGBM {versions['lightgbm']}; ours with LightGBM "
        f"{version('lightgbm')} for gbt. One thread each; means over games and {len(seeds)} seeds. "
        "An R² below 0 counts as 0. Seconds without the game.",
        "",
    ]
    for family in families:
        names = dict.fromkeys(r["game"] for r in rows if r["family"] == family)
        lines.append(f"- {family}: {', '.join(names)}")
    lines += [
        "",
        "| games | masks | R² ridge | R² shapiq | R² gbt | R² gp | seconds shapiq | seconds gbt "
        "| seconds gp | own R² − R², gp | own R² − R², gbt |",
        "|---" * 11 + "|",
    ]
    for family, budget in product(families, budgets):
        if not any(r["family"] == family and r["budget"] == budget for r in rows):
            continue
        at = {"family": family, "budget": budget}
        r2 = [f"{cell(rows, 'r2', method=m, **at):.3f}" for m in METHODS]
        seconds = [f"{cell(rows, 'seconds', method=m, **at):.1f}" for m in METHODS[1:]]
        gaps = [
            f"{cell(rows, 'own_r2', method=m, **at) - cell(rows, 'r2', method=m, **at):+.3f}"
            for m in ("gp", "gbt")
        ]
        lines.append("| " + " | ".join([family, str(budget), *r2, *seconds, *gaps]) + " |")
    lines += ["", *summary(rows)]
    return "\n".join(lines) + "\n"


def summary(rows):
    for label, kept in (
        ("tables", [r for r in rows if not r["family"].startswith("MiniLM")]),
        ("texts", [r for r in rows if r["family"].startswith("MiniLM")]),
    ):
        if kept:
            means = [f"{m} {cell(kept, 'r2', method=m):.3f}" for m in METHODS]
            ratio = cell(kept, "seconds", method="shapiq") / cell(kept, "seconds", method="gp")
            yield f"Mean R² over {label}: {', '.join(means)}. Seconds shapiq : gp = {ratio:.1f}.\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, help="folder of folders of .npz")
    parser.add_argument("--peer-python", default=sys.executable, help="has shapiq >= 1.5")
    parser.add_argument("--per-family", type=int, default=3)
    parser.add_argument("--words", type=int, nargs="*", default=[30, 60, 128])
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "proxies.md")
    parser.add_argument("--peer-address", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer_address:
        serve(args.peer_address)
        return
    if not args.games:
        parser.error("--games is needed")
    os.environ.update(ONE_THREAD)
    peer = Peer(args.peer_python)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    games = load_games(args.games, args.per_family, args.words)
    rows = run(games, args.budgets, args.seeds, peer, args.out.with_suffix(".jsonl"))
    peer.close()
    text = report(rows, peer.versions, args.budgets, args.seeds)
    args.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
