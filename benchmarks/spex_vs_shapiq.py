"""Claim: our SPEX finds more from the same masks than shapiq's, in a fraction of its time and
memory, and uses every mask of the budget. A linear fit stands beside both.

Side by side in one run, same games, budgets and seeds:

- spex: our SPEX;
- decode: what its decoder finds alone, without surrogate or added main effects;
- shapiq: shapiq's SPEX, judged by the Fourier coefficients it ends with;
- ridge: scikit-learn's RidgeCV on main effects, on as many uniform masks.

R² is that of the noiseless game over 1,000 fresh uniform coalitions (over all 2^n of a table);
precision and recall are those of the support, the empty set left out. Seconds and megabytes are
those of the method alone; one thread. A method that takes more than 30 minutes is a refusal.

    python benchmarks/spex_vs_shapiq.py --games GAMES --peer-python PYTHON_WITH_SHAPIQ_1.8

The peer also needs sparse-transform and galois. Finished rows are kept beside the tables.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
from harness import ONE_THREAD, RESULTS, Log, Worker, serve, table

from games import Review, Sparse, main_effects, tables

PUBLISHED = {20: 16128, 64: 27648, 256: 35328, 1000: 43008, 10000: 54528}  # t = 5, b = 8
METHODS = ("shapiq", "decode", "spex")
LIMIT = 1800  # seconds a method may take, the game left out
DECIBELS = (20, 10, 5, 0)
NOISY = [  # n, coefficients, the masks of shapiq's designs from b = 4 on, judged at the first
    (30, 40, (1344, 2688, 5376, 10752)),
    (100, 60, (1968, 3936, 7872, 15744, 31488)),
]


# ---------------------------------------------------------------------- the methods, in workers
def ours(job, game):
    from shapiq_spex import SPEX

    result = SPEX(n=job["n"], random_state=job["seed"]).recover(job["budget"], game)
    return {"terms": list(result.series.terms().items()), "own_r2": result.r2}


def decode_only(job, game):
    from shapiq_spex.approximator import ask
    from shapiq_spex.spex.decode import decode
    from shapiq_spex.spex.plan import plan_spex

    plan = plan_spex(job["n"], job["budget"], 5, np.random.default_rng(job["seed"]))
    if plan is None:
        msg = "below the smallest coded design"
        raise ValueError(msg)
    series = decode(plan, ask(game, plan.packed), soft=True).series
    return {"terms": list(series.terms().items())}


def theirs(job, game):
    """shapiq's SPEX with its defaults; it draws from numpy's global generator."""
    from shapiq.approximator import SPEX
    from shapiq.approximator.sparse import base

    heard = []

    def listening(signal, **options):
        heard.append(transform(signal, **options))
        return heard[0]

    transform, base.sparse_fourier_transform = base.sparse_fourier_transform, listening
    np.random.seed(job["seed"])  # noqa: NPY002
    try:
        SPEX(n=job["n"], max_order=2, random_state=job["seed"]).approximate(job["budget"], game)
    finally:
        base.sparse_fourier_transform = transform
    terms = heard[0].items()
    return {"terms": [(tuple(map(int, np.flatnonzero(k))), float(np.real(f))) for k, f in terms]}


def serve_role(role, address):
    warnings.simplefilter("ignore")
    if role == "shapiq":
        import shapiq

        names, methods = ("shapiq", "sparse-transform", "galois", "numpy"), {"shapiq": theirs}
    else:
        import shapiq_spex

        names, methods = ("shapiq-spex", "numpy"), {"spex": ours, "decode": decode_only}
    assert shapiq_spex if role == "spex" else shapiq  # imported before memory is measured
    serve(address, {name: version(name) for name in names}, methods)


# ---------------------------------------------------------------------- judging
def judge(found, game):
    """A row of figures from what a worker gave; the terms themselves are not kept."""
    from shapiq_spex import FourierSeries

    if "refused" in found:
        return found
    terms = dict(found.pop("terms"))
    judged = game.judged_on()
    truth = getattr(game, "clean", game)(judged)
    errors = FourierSeries.from_terms(game.n, terms)(judged) - truth
    found["r2"] = float(1 - (errors**2).mean() / truth.var())
    if isinstance(game, Sparse):
        support = {s for s, f in terms.items() if s and f != 0}
        hits = len(support & game.terms.keys())
        found["precision"] = hits / max(len(support), 1)
        found["recall"] = hits / len(game.terms)
        found["f1"] = 2 * hits / (len(support) + len(game.terms))
        largest = max(abs(terms.get(s, 0.0) - f) for s, f in game.terms.items())
        found["exact"] = bool(largest < 1e-6 and found["r2"] > 1 - 1e-9)
    return found


def ridge(game, budget, seed):
    predict = main_effects(game, game.n, budget, seed)
    judged = game.judged_on()
    truth = getattr(game, "clean", game)(judged)
    return {"r2": float(1 - ((predict(judged) - truth) ** 2).mean() / truth.var()), "masks": budget}


# ---------------------------------------------------------------------- what is run
def run_cell(log, workers, named, job, methods):
    name, game = named
    for method in methods:
        cell = {"game": name, "method": method, **job}

        def run(method=method):
            if method == "ridge":
                return ridge(game, job["budget"], job["seed"])
            worker = workers["shapiq" if method == "shapiq" else "spex"]
            found = worker({"method": method, "n": game.n, **job}, game, limit_s=LIMIT)
            return judge(found, game)

        log.add(cell, run)


def accuracy(log, workers, args):
    """R² on sparse games, tables and a text, also against a linear fit."""
    games = [
        (f"sparse, n={n}", lambda seed, n=n: Sparse(n, 50, 5, seed), (200, 1000, 4000, full))
        for n, full in PUBLISHED.items()
        if n < 10000
    ]
    games += [
        (f"{family} {name}", lambda _, game=game: game, (200, 500, 1500, 5000))
        for family, name, game in tables(args.games, args.per_family)
    ]
    review = Review(args.words)
    games.append((f"MiniLM review, n={review.n}", lambda _: review, (200, 1000, 4000)))
    for seed, (name, make, budgets) in product(range(5), games):
        for budget in budgets:
            job = {"section": "accuracy", "budget": budget, "seed": seed}
            run_cell(log, workers, (name, make(seed)), job, args.methods)


def noise(log, workers):
    for (n, count, budgets), decibels, seed in product(NOISY, DECIBELS, range(10)):
        for budget in budgets:
            job = {"section": "noise", "budget": budget, "seed": seed, "decibels": decibels}
            game = Sparse(n, count, 5, seed, decibels)
            methods = ("shapiq", "decode") if budget == budgets[0] else ("decode",)
            run_cell(log, workers, (f"sparse, n={n}, {count} terms", game), job, methods)


def cost(log, workers):
    """Each run in a fresh process, once cold and once warm."""
    for n, count, budget in ((100, 50, 7872), (1000, 100, 10752)):
        for decibels, seed in product((None, 10), range(3)):
            job = {"section": "cost", "budget": budget, "seed": seed, "fresh": 2}
            job["decibels"] = decibels
            game = Sparse(n, count, 5, seed, decibels)
            run_cell(log, workers, (f"sparse, n={n}, {count} terms", game), job, METHODS)


def large(log, workers):
    """10,000 players, the published design."""
    for seed in range(20):
        job = {"section": "large", "budget": PUBLISHED[10000], "seed": seed, "fresh": 1}
        game = Sparse(10000, 500, 5, seed)
        methods = ("shapiq", "decode", "spex") if seed == 0 else ("decode", "spex")
        run_cell(log, workers, ("sparse, n=10000, 500 terms", game), job, methods)


# ---------------------------------------------------------------------- what is reported
def cells(rows, *names):
    """Groups of rows by cell entries, in the order of the log."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row["cell"].get(name) for name in names), []).append(row)
    return groups


def mean(rows, key, form="{:.3f}"):
    values = [row[key] for row in rows if key in row]
    if not values:
        return "refused" if rows else "–"
    note = "" if len(values) == len(rows) else f" ({len(rows) - len(values)} refused)"
    return form.format(np.mean(values)) + note


def report_accuracy(log):
    rows = log.select(section="accuracy")
    out = []
    for (game, budget), group in cells(rows, "game", "budget").items():
        by = {m: [r for r in group if r["cell"]["method"] == m] for m in ("ridge", *METHODS)}
        out.append(
            [game, f"{budget:,}", *(mean(by[m], "r2") for m in ("ridge", *METHODS))]
            + [
                " / ".join(mean(by[m], k, "{:.2f}") for k in ("precision", "recall"))
                if "sparse" in game
                else ""
                for m in METHODS[:2]
            ]
            + [mean(by[m], "masks", "{:,.0f}") for m in ("shapiq", "spex")]
        )
    head = ["game", "budget", *(f"R² {m}" for m in ("ridge", *METHODS))]
    head += ["precision / recall shapiq", "precision / recall decode", "masks shapiq", "masks spex"]
    seeds = len({row["cell"]["seed"] for row in rows})
    return [
        f"## Accuracy, mean of {seeds} seeds",
        "",
        *table(head, out),
        "",
        *worst(rows),
    ]


def worst(rows):
    """The cells in which spex is furthest below another method, refusals left out."""
    for other in ("ridge", "shapiq"):
        gaps = {}
        for cell, group in cells(rows, "game", "budget").items():
            r2 = {
                m: [r["r2"] for r in group if r["cell"]["method"] == m and "r2" in r]
                for m in ("spex", other)
            }
            if r2[other] and r2["spex"]:
                gaps[cell] = np.mean(r2["spex"]) - np.mean(r2[other])
        low = min(gaps, key=gaps.get)
        yield (
            f"- R² of spex − {other}: least {gaps[low]:+.3f} ({low[0]}, {low[1]:,} masks), median "
            f"{np.median(list(gaps.values())):+.3f}, over {len(gaps)} cells."
        )


def report_noise(log):
    lines = ["## Noise: F1 of the support at equal masks, mean of 10 seeds", ""]
    out, reach = [], []
    for n, count, budgets in NOISY:
        rows = log.select(section="noise", game=f"sparse, n={n}, {count} terms")
        for decibels in DECIBELS if rows else ():
            first = {}
            for budget in budgets:
                f1 = {
                    m: mean([r for r in rows if _is(r, decibels, budget, m)], "f1")
                    for m in ("shapiq", "decode")
                }
                for m, value in f1.items():
                    if value[0].isdigit() and float(value.split()[0]) >= 0.9:
                        first.setdefault(m, f"{budget:,}")
                if budget == budgets[0]:
                    out.append([n, count, f"{decibels} dB", f"{budget:,}", *f1.values()])
            tried = {"shapiq": budgets[0], "decode": budgets[-1]}
            reached = [first.get(m, f"more than {tried[m]:,}") for m in ("shapiq", "decode")]
            reach.append([n, count, f"{decibels} dB", *reached])
    head = ["n", "terms", "signal : noise"]
    lines += table([*head, "masks", "shapiq", "decode"], out)
    lines += ["", "Least budget tried at which F1 reaches 0.9:", ""]
    return lines + table([*head, "shapiq", "decode"], reach)


def _is(row, decibels, budget, method):
    cell = row["cell"]
    return (cell["decibels"], cell["budget"], cell["method"]) == (decibels, budget, method)


def report_cost(log):
    out = []
    rows = log.select(section="cost")
    for (game, decibels, budget), group in cells(rows, "game", "decibels", "budget").items():
        med = {}
        for m, key in product(METHODS, ("seconds", "seconds_again", "megabytes")):
            values = [r[key] for r in group if r["cell"]["method"] == m and key in r]
            med[m, key] = np.median(values) if values else np.nan
        for m in METHODS:
            shares = [
                f"{med[m, k]:.2f} ({med['shapiq', k] / med[m, k]:.1f}x)"
                for k in ("seconds", "seconds_again")
            ]
            mb = med[m, "megabytes"]
            shares.append(f"{mb:.0f} ({mb / med['shapiq', 'megabytes']:.2f})")
            noise_ = "none" if decibels is None else f"{decibels} dB"
            out.append([game, noise_, f"{budget:,}", m, *shares])
    head = ["game", "noise", "budget", "method", "s, first run", "s, second run"]
    return [
        "## Seconds and peak memory, medians of 3 seeds",
        "",
        "Taken on a busy machine, each seed's methods one after the other. "
        "In brackets how many times faster than shapiq, and the share of its memory. The second "
        "run is in the same process, so compilation and tables that are kept do not count.",
        "",
        *table([*head, "MB above import"], out),
    ]


def report_large(log):
    out = []
    for (method,), group in cells(log.select(section="large"), "method").items():
        refused = [r["refused"] for r in group if "refused" in r]
        done = [r for r in group if "refused" not in r]
        figures = ["-"] * 3
        if done:
            seconds = [r["seconds"] for r in done]
            figures = [
                f"{sum(r['exact'] for r in done)} of {len(done)}",
                f"{np.median(seconds):.1f}, {max(seconds):.1f}",
                f"{max(r['megabytes'] for r in done):.0f}",
            ]
        out.append([method, *figures, "; ".join(dict.fromkeys(refused))])
    head = ["method", "exact", "seconds: median, most", "most MB above import", "refused"]
    title = f"## 10,000 players, 500 terms of degree <= 5, {PUBLISHED[10000]:,} masks"
    return [title, "", *table(head, out)]


REPORTS = {
    "accuracy": report_accuracy,
    "noise": report_noise,
    "cost": report_cost,
    "large": report_large,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, help="folder of folders of .npz")
    parser.add_argument("--peer-python", default=sys.executable, help="has shapiq >= 1.5")
    parser.add_argument("--per-family", type=int, default=1)
    parser.add_argument("--words", type=int, default=128)
    parser.add_argument("--methods", nargs="+", default=["ridge", *METHODS], help="for accuracy")
    parser.add_argument("--sections", nargs="+", default=[*REPORTS])
    parser.add_argument("--out", type=Path, default=RESULTS / "spex_vs_shapiq.md")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve_role(args.serve, args.address)
        return
    os.environ.update(ONE_THREAD)
    log = Log(args.out.with_suffix(".jsonl"))
    workers = {
        "shapiq": Worker(args.peer_python, "shapiq"),
        "spex": Worker(sys.executable, "spex"),
    }
    # Those in fresh processes first: a worker that has used OpenMP may not fork any more.
    if "cost" in args.sections:
        cost(log, workers)
    if "large" in args.sections:
        large(log, workers)
    if "noise" in args.sections:
        noise(log, workers)
    if "accuracy" in args.sections:
        accuracy(log, workers, args)
    versions = workers["shapiq"].versions | workers["spex"].versions
    for worker in workers.values():
        worker.close()
    lines = ["# SPEX against shapiq's", "", ", ".join(f"{k} {v}" for k, v in versions.items()), ""]
    for section, part in REPORTS.items():
        if log.select(section=section):
            lines += [*part(log), ""]
    text = "\n".join(lines)
    args.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
