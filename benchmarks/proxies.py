"""Claim: ProxySPEX with its Gaussian process explains real games better per model call than
shapiq's ProxySPEX and than a ridge regression on main effects, in a fraction of the time.

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

HERE = Path(__file__).parent
METHODS = ("ridge", "shapiq", "gbt", "gp")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
REVIEW = """I went into this film expecting very little, and for the first half hour it seemed
determined to confirm every doubt I had about it. The jokes never land, the lighting is flat and the
hero has all the charm of a wet towel. Then something strange happens: the story stops trying to
please anybody, the villain turns out to be the only honest person in town, and a long quiet scene
in a kitchen becomes the most moving thing I have watched this year. It is not a great film, and
nobody could call the ending satisfying, but I cannot stop thinking about it. The supporting cast is
wonderful, the music is hardly ever intrusive, and the final shot almost redeems the clumsy script.
I would not recommend it to everyone, yet I have already seen it twice and I do not regret a single
minute of it."""


class Table:
    """A game whose values are all known."""

    def __init__(self, path):
        with np.load(path, allow_pickle=False) as data:
            coalitions, values = data["coalitions"], data["values"]
        self.n = coalitions.shape[1]
        self.table = np.empty(2**self.n)
        self.table[self._index(coalitions)] = values

    def _index(self, coalitions):
        return coalitions.astype(np.int64) @ (1 << np.arange(self.n))

    def __call__(self, coalitions):
        return self.table[self._index(coalitions)]

    def judged_on(self):
        return np.arange(2**self.n)[:, None] >> np.arange(self.n) & 1 == 1


class Review:
    """The first words of a review, scored by MiniLM."""

    def __init__(self, words):
        from shapiq_spex import TextGame

        self.game = TextGame.from_encoder(" ".join(REVIEW.split()[:words]), progress=False)
        self.n = self.game.n_players

    def __call__(self, coalitions):
        return self.game(coalitions)

    def judged_on(self):
        return np.random.default_rng(10**6 + self.n).random((1000, self.n)) < 0.5


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
    from sklearn.linear_model import RidgeCV

    from shapiq_spex.proxyspex.plan import plan_uniform

    masks = plan_uniform(game.game.n, budget, np.random.default_rng(seed)).coalitions
    model = RidgeCV(alphas=np.logspace(-3, 4, 40)).fit(masks.astype(float), game(masks))
    return lambda coalitions: model.predict(coalitions.astype(float)), None


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
    tables = []
    for family in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = sorted(family.glob("*.npz"))
        step = max(1, len(paths) // per_family)
        tables += [(family.name, p.stem, Table(p)) for p in paths[::step][:per_family]]
    texts = [(f"MiniLM review, {n} words", f"review-{n}", Review(n)) for n in words]
    return tables + texts


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
