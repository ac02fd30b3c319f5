"""Claim: BoostedTrees recovers real games as faithfully as shapiq's ProxySPEX, or better.

On complete value tables (folders of .npz files with `coalitions` and `values`), R² over all 2^n
coalitions of the Fourier series each method recovers from the same number of evaluations:

- ours: BoostedTrees on uniform distinct coalitions, the empty and the full one among them;
- shapiq: its ProxySPEX with default settings, its final Fourier coefficients taken as they are,
  before they are cut to an order or turned into an index.

    python benchmarks/gbt_vs_shapiq.py --games GAMES --peer-python PYTHON

The peer runs in a process of its own, so it may have another shapiq (1.5 or later) than we do.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from itertools import groupby, product
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GAMES = HERE.parents[1] / "shared" / "games"
# Two booster threads beside other work cost many times what one does; both sides get one.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}


def value_table(path):
    """Values in the order of the binary numbers, player 0 the lowest bit, and n."""
    with np.load(path, allow_pickle=False) as data:
        coalitions, values = data["coalitions"], data["values"]
    n = coalitions.shape[1]
    table = np.empty(2**n)
    table[coalitions.astype(np.int64) @ (1 << np.arange(n))] = values
    return table, n


def recover_ours(table, n, budget, seed):
    from shapiq_spex.proxyspex.boosted import BoostedTrees

    rng = np.random.default_rng(seed)
    inner = 1 + rng.choice(2**n - 2, size=budget - 2, replace=False)
    rows = np.concatenate([[0, 2**n - 1], inner])
    start = time.perf_counter()
    fitted = BoostedTrees().fit((rows[:, None] >> np.arange(n) & 1).astype(bool), table[rows], rng)
    return fitted.series.terms(), time.perf_counter() - start, fitted.r2


def recover_shapiq(table, n, budget, seed):
    from shapiq.approximator import ProxySPEX

    class Listening(ProxySPEX):
        def fourier_to_moebius(self, four_dict):
            self.heard = dict(four_dict)
            return super().fourier_to_moebius(four_dict)

    def game(coalitions):
        return table[coalitions.astype(np.int64) @ (1 << np.arange(n))]

    method = Listening(n=n, index="FBII", max_order=1, random_state=seed)
    start = time.perf_counter()
    method.approximate(budget, game)
    return method.heard, time.perf_counter() - start, None


def run(method, paths, budgets, seeds):
    warnings.simplefilter("ignore")
    recover = {"ours": recover_ours, "shapiq": recover_shapiq}[method]
    rows = []
    for path, budget, seed in product(paths, budgets, seeds):
        terms, seconds, own_r2 = recover(*value_table(path), budget, seed)
        terms = [[[int(i) for i in players], float(f)] for players, f in terms.items()]
        rows.append([str(path), budget, seed, terms, seconds, own_r2])
        print(method, path, budget, seed, f"{seconds:.1f} s", file=sys.stderr, flush=True)
    return rows


def in_its_own_process(python, method, paths, budgets, seeds):
    """The rows of `run`; LightGBM's lines on stdout are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        request = json.dumps([method, [str(path) for path in paths], budgets, seeds])
        subprocess.run(
            [python, __file__, "--worker", request, "--out", str(out)],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | ONE_THREAD,
        )
        return json.loads(out.read_text())


def faithfulness(row):
    """R² over all coalitions and the number of terms."""
    from shapiq_spex import spectral

    table, n = value_table(row[0])
    series = spectral.FourierSeries.from_terms(n, {tuple(players): f for players, f in row[3]})
    return 1 - np.mean((series.to_table() - table) ** 2) / table.var(), len(series)


def summarise(rows):
    """{(family, budget): mean R², mean seconds, mean terms, mean of |own R² - R²|}."""
    judged = [
        ((Path(row[0]).parent.name, row[1]), *faithfulness(row), row[4], row[5]) for row in rows
    ]
    judged.sort(key=lambda each: each[0])
    out = {}
    for key, group in groupby(judged, key=lambda each: each[0]):
        _, r2, terms, seconds, own = map(np.array, zip(*group, strict=True))
        gap = np.nan if own[0] is None else np.mean(own.astype(float) - r2)
        out[key] = (r2.mean(), seconds.mean(), terms.mean(), gap)
    return out


def report(ours, peer, paths, seeds, peer_python):
    code = "import importlib.metadata as m; print(m.version('shapiq'), m.version('lightgbm'))"
    versions = subprocess.run(
        [peer_python, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    used = {
        folder: [p.stem for p in files] for folder, files in groupby(paths, lambda p: p.parent.name)
    }
    lines = [
        "# Boosted trees against shapiq's ProxySPEX",
        "",
        f"shapiq {versions[0]} with LightGBM {versions[1]}; ours with LightGBM "
        f"{importlib.metadata.version('lightgbm')}; one thread each. R² over all 2^n coalitions, "
        f"mean over games and seeds {', '.join(map(str, seeds))}.",
        "",
        *(f"- {folder}: {', '.join(names)}" for folder, names in used.items()),
        "",
        "| games | budget | R² ours | R² shapiq | difference | seconds ours | seconds shapiq "
        "| terms ours | terms shapiq | own R² minus R², ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (family, budget), (r2, seconds, terms, gap) in ours.items():
        its_r2, its_seconds, its_terms, _ = peer[family, budget]
        lines.append(
            f"| {family} | {budget} | {r2:.4f} | {its_r2:.4f} | {r2 - its_r2:+.4f} | {seconds:.1f} "
            f"| {its_seconds:.1f} | {terms:.0f} | {its_terms:.0f} | {gap:+.4f} |"
        )
    means = [np.mean([value[0] for value in side.values()]) for side in (ours, peer)]
    lines += ["", f"Mean R²: ours {means[0]:.4f}, shapiq {means[1]:.4f}."]
    return "\n".join(lines) + "\n", means


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, default=GAMES, help="folder of folders of .npz")
    parser.add_argument("--peer-python", default=sys.executable, help="has shapiq >= 1.5")
    parser.add_argument("--per-family", type=int, default=3, help="games taken from each folder")
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 400, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gbt_vs_shapiq.md")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        args.out.write_text(json.dumps(run(*json.loads(args.worker))))
        return
    folders = sorted(path for path in args.games.iterdir() if path.is_dir())
    paths = [p for folder in folders for p in sorted(folder.glob("*.npz"))[: args.per_family]]
    work = (paths, args.budgets, args.seeds)
    ours = summarise(in_its_own_process(sys.executable, "ours", *work))
    peer = summarise(in_its_own_process(args.peer_python, "shapiq", *work))
    text, (our_mean, peer_mean) = report(ours, peer, paths, args.seeds, args.peer_python)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    print(text)
    assert our_mean >= peer_mean - 0.01, "the claim fails"


if __name__ == "__main__":
    main()
