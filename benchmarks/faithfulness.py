"""Claim: ProxySPEX explains a game better per model call than any other estimator at hand.

Side by side, same games, budgets and seeds, one thread each. Ours:

- gp: ProxySPEX as it comes; gbt: with boosted trees; spex: SPEX; each by its series, the R² it
  reports beside the true one;
- decode: what SPEX's decoder finds alone, where there is a coded design of that budget.

The peers, and how each is read as a function, are in peers.py. A peer that needs more than 600 s of
computing or 8 GB is refused, and not tried on larger budgets of that game. Sections:

- r2: R² on complete value tables (folders of .npz files with `coalitions` and `values`), over all
  coalitions, and on live MiniLM texts, over 1,000 fresh uniform ones. Budgets double from 2n to
  about 16 n log2 n, at most 4,096 above 60 players; shapiq's ProxySPEX also gets twice and four
  times the largest.
- indices: on the tables, the normalised squared error sum (I - exact)^2 / sum exact^2 over all
  interactions of orders 1 and 2 (SV: 1), and the share of the ten largest among the ten found.
- cost: seconds of computing and memory against n and budget on complete hierarchies.
- masks: budgets of decode and gp for equal R², on the texts and on complete hierarchies.
- sparse: normalised squared error on sparse games, with and without noise.

    python benchmarks/faithfulness.py --games GAMES --cache FOLDER --peer-python PYTHON

The other Python has shapiq 1.8, lightgbm, xgboost, lime and scikit-learn. Finished rows are kept
beside the report, so a run that broke off goes on where it was; values of texts in the cache.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import peers
from faithfulness_plots import draw
from faithfulness_report import COST, HIERARCHY, OURS, SPARSE, TEXTS_FOR_MASKS, Rows, report
from harness import ONE_THREAD, RESULTS, Log, Worker, serve
from spex_vs_shapiq import decode_only

from games import Hierarchy, Review, Sparse, Table, tables

CPU_S, BYTES, WALL_S = 600, 8 * 2**30, 6000
INDICES = ("SV", "k-SII", "FBII", "FSII", "STII")
TEXTS = (30, 60, 128, 256)


# ---------------------------------------------------------------------- our methods, in a worker
def surrogate(**settings):
    def method(job, game):
        from shapiq_spex import ProxySPEX

        approximator = ProxySPEX(n=job["n"], random_state=job["seed"], **settings)
        return recovered(approximator, job, game)

    return method


def spex(job, game):
    from shapiq_spex import SPEX

    return recovered(SPEX(n=job["n"], random_state=job["seed"]), job, game)


def recovered(approximator, job, game):
    result = approximator.recover(job["budget"], game)
    return {"fourier": result.series.terms(), "own_r2": result.r2}


def decode(job, game):
    return {"fourier": dict(decode_only(job, game)["terms"])}


def serve_role(role, address):
    warnings.simplefilter("ignore")
    if role == "peers":
        serve(address, peers.warm(), peers.METHODS)
        return
    methods = {"gp": surrogate(index="FBII"), "gp-ends": surrogate(index="k-SII")}
    methods |= {"gbt": surrogate(proxy="gbt"), "spex": spex, "decode": decode}
    for method in ("gp", "gbt"):
        job = {"n": 6, "budget": 60, "seed": 0}
        methods[method](job, lambda masks: masks[:, 0] + 1.0 * masks[:, 1] * masks[:, 2])
    names = ("shapiq-spex", "lightgbm", "scikit-learn", "numpy")
    serve(address, {name: version(name) for name in names}, methods)


# ---------------------------------------------------------------------- judging
class Truth:
    """A game with what it is judged on."""

    def __init__(self, game):
        self.game, self.n = game, game.n
        self.judged = game.judged_on()
        self.values = getattr(game, "clean", game)(self.judged)

    @cache  # noqa: B019  a handful of games, kept to the end
    def exact(self):
        """The indices of a table, {} of other games."""
        from shapiq_spex import FourierSeries

        if not isinstance(self.game, Table):
            return {}
        series = FourierSeries.from_table(self.game.table)
        return {index: indices_of(series, index) for index in INDICES}


def indices_of(series, index):
    from shapiq_spex.spectral.indices import interactions

    order = 1 if index == "SV" else 2
    return {s: v for s, v in interactions(series, index, order).items() if s}


def polynomial(terms, coalitions):
    """sum of a(T) over the T within x, for each x."""
    values = np.zeros(len(coalitions))
    for size in {len(s) for s in terms}:
        sets = [s for s in terms if len(s) == size]
        for start in range(0, len(sets), 256):
            some = sets[start : start + 256]
            inside = coalitions[:, np.array(some, dtype=int).reshape(len(some), size)].all(axis=2)
            values += inside @ np.array([terms[s] for s in some])
    return values


def judge(found, truth, with_indices):
    """A row of figures from what a worker gave; what it found is not kept."""
    from shapiq_spex import FourierSeries

    row = {key: found[key] for key in ("refused", "refused_indices", "masks") if key in found}
    if "refused" in found:
        return row
    figures = {key: found.get(key) for key in ("cpu_seconds", "megabytes", "own_r2")}
    row |= {key: float(f"{figure:.4g}") for key, figure in figures.items() if figure is not None}
    values = found.get("values", {})
    predicted = found.get("predicted")
    if "fourier" in found:
        series = FourierSeries.from_terms(truth.n, found["fourier"])
        is_table = isinstance(truth.game, Table)  # judged on every coalition, in its order
        predicted = series.to_table() if is_table else series(truth.judged)
        if with_indices:
            values = {index: indices_of(series, index) for index in INDICES}
    elif "moebius" in found:
        predicted = polynomial(found["moebius"], truth.judged)
    if predicted is not None:
        error = ((predicted - truth.values) ** 2).mean()
        row["r2"] = float(f"{1 - error / truth.values.var():.6g}")
    if values:
        row["indices"] = {i: compare(v, truth.exact()[i]) for i, v in values.items()}
    return row


def compare(found, exact, top=10):
    """Normalised squared error, and the share of the ten largest that is found."""
    error = sum((found.get(s, 0.0) - v) ** 2 for s, v in exact.items())
    largest = [set(sorted(x, key=lambda s: -abs(x.get(s, 0.0)))[:top]) for x in (exact, found)]
    if () in largest[1]:
        largest[1] = set(sorted(found.keys() - {()}, key=lambda s: -abs(found[s]))[:top])
    share = len(largest[0] & largest[1]) / top
    return [float(f"{error / sum(v**2 for v in exact.values()):.4g}"), share]


# ---------------------------------------------------------------------- what is run
@dataclass
class Entry:
    """A game with its place in the report; its truth is made when it is first needed."""

    family: str
    name: str
    n: int
    truth: Callable[[], Truth]
    is_table: bool = False


class Bench:
    """The log, the workers, the games, and which methods are wanted."""

    def __init__(self, log, workers, args):
        self.log, self.workers, self.methods = log, workers, args.methods
        self.too_much = {}  # (game, method): the smallest budget refused for its cost
        for row in log.rows:
            self._remember(row)
        self.real = []
        for family, name, game in tables(args.games, args.per_family):
            truth = cache(partial(Truth, game))
            self.real.append(Entry(family, name, game.n, truth, is_table=True))
        for words in args.words:
            truth = cache(lambda words=words: Truth(Review(words, args.cache)))
            family, name = f"MiniLM, {words} words", f"review-{words}"
            self.real.append(Entry(family, name, words, truth))

    def run(self, entry, budgets, seed, methods):
        """Whatever rows of a game are missing."""
        for budget, method in product(budgets, methods):
            if not self.methods or method in self.methods:
                cell = {"game": entry.name, "budget": budget, "seed": seed, "method": method}
                self.log.add(cell, partial(self._one, cell, entry))
                self._remember(self.log.rows[-1])

    def _one(self, cell, entry):
        least = self.too_much.get((cell["game"], cell["method"]))
        if least and cell["budget"] >= least:
            refusal = f"not tried: over the limits at {least} masks"
            return {"family": entry.family, "refused": refusal}
        truth = entry.truth()
        peer, exact = cell["method"] in peers.METHODS, isinstance(truth.game, Table)
        job = {key: cell[key] for key in ("method", "budget", "seed")}
        job |= {"n": truth.n, "fresh": 1, "cpu_s": CPU_S, "bytes": BYTES}
        job["indices"] = INDICES if exact else ()
        if cell["method"] == "proxyshap":
            job["judged"] = np.packbits(truth.judged, axis=1)
        found = self.workers["peers" if peer else "ours"](job, truth.game, WALL_S)
        return {"family": entry.family} | judge(found, truth, exact)

    def _remember(self, row):
        if str(row.get("refused", "")).startswith("over "):
            key = row["cell"]["game"], row["cell"]["method"]
            budget = row["cell"]["budget"]
            self.too_much[key] = min(budget, self.too_much.get(key, budget))


def budgets_of(n):
    """2n times powers of two, to about 16 n log2 n, above 60 players to 4,096."""
    most = 16.8 * n * np.log2(n) if n <= 60 else 4096
    return [2 * n * 2**k for k in range(20) if 2 * n * 2**k <= most]


def r2(bench, seed):
    for game in bench.real:
        methods = [m for m in peers.JUDGED_BY_R2 if game.n <= peers.LARGEST.get(m, game.n)]
        budgets = budgets_of(game.n)
        ours = [m for m in OURS if game.is_table or m != "gp-ends"]  # alike beyond 16 players
        bench.run(game, budgets, seed, [*ours, "decode", *methods])
        bench.run(game, [2 * budgets[-1], 4 * budgets[-1]], seed, ["proxyspex"])


def indices(bench, seed):
    methods = [*OURS, *(m for m in peers.METHODS if not m.endswith("-3"))]
    for game in bench.real:
        if game.is_table:
            bench.run(game, budgets_of(game.n), seed, methods)


def masks(bench, seed):
    large = [2**k for k in range(11, 16)]
    for game in bench.real:
        if game.name in TEXTS_FOR_MASKS:
            bench.run(game, large, seed, ["decode"])
    for n in (30, 60, 128):
        game = synthetic(HIERARCHY, n, seed)
        bench.run(game, budgets_of(n), seed, ["gp", "decode", "proxyspex"])
        bench.run(game, large, seed, ["decode"])
        # Both go from nothing to everything within one doubling of the budget.
        bench.run(game, (1000, 1200, 1400, 1700, 2400, 2900, 3400), seed, ["gp", "decode"])


def cost(bench, seed):
    for n, budgets in COST.items():
        game = synthetic(HIERARCHY, n, seed)
        bench.run(game, budgets, seed, ["gp", "gbt", "spex", "proxyspex"])


def sparse(bench, seed):
    for n, kind in product((50, 200, 1000), SPARSE):
        game = synthetic(kind, n, seed)
        bench.run(game, (2000, 5000, 10000), seed, ["gp", "spex", "proxyspex"])


def synthetic(kind, n, seed):
    return Entry(kind, f"{kind}, n={n}", n, cache(lambda: Truth(SYNTHETIC[kind](n, seed))))


SYNTHETIC = {
    HIERARCHY: Hierarchy,
    SPARSE[0]: lambda n, seed: Sparse(n, 50, 3, seed),
    SPARSE[1]: lambda n, seed: Sparse(n, 50, 3, seed, decibels=10),
    SPARSE[2]: lambda n, seed: Hierarchy(n, seed, count=10, degree=3),
}
SECTIONS = {"r2": r2, "indices": indices, "masks": masks, "cost": cost, "sparse": sparse}


def fill(log, args):
    """Whatever rows are missing, one seed after the other."""
    workers = {"peers": Worker(args.peer_python, "peers"), "ours": Worker(sys.executable, "ours")}
    for role, worker in workers.items():
        log.add({"versions": worker.versions, "of": role}, dict)
    bench = Bench(log, workers, args)
    for seed, section in product(args.seeds, args.sections):
        SECTIONS[section](bench, seed)
    for worker in workers.values():
        worker.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, help="folder of folders of .npz")
    parser.add_argument("--cache", type=Path, help="folder for the values of texts")
    parser.add_argument("--peer-python", default=sys.executable, help="has the peers")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--per-family", type=int, default=3)
    parser.add_argument("--words", type=int, nargs="*", default=TEXTS)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS / "faithfulness.md")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve_role(args.serve, args.address)
        return
    os.environ.update(ONE_THREAD)
    log = Log(args.out.with_suffix(".jsonl"))
    if not args.report_only:
        if not args.games:
            parser.error("--games is needed")
        fill(log, args)
    rows, plot = Rows(log.rows), args.out.with_suffix(".png")
    draw(rows, plot)
    text = report(log, rows, plot.name)
    args.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
