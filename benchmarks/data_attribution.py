"""Claim: interactions of training examples that are recovered from a few hundred retrainings come
true when models are really trained without the examples, and models trained side by side cost less
than one after the other. And question: does the series tell which examples to drop?

It is two standard errors ahead of Shapley values and one ahead of chance, but behind dropping the
copies, where it is known which they are.

The digits that come with scikit-learn and a small convolutional network, on a CPU. The training set
of a seed has 32 images: 24 different ones of four digits, and 8 of them a second time. Every seed
draws its own images, masks and initial weights.

Verification. For 4 test images the margin is recovered from the same retrainings. The interaction
of two images i and j is then measured: with 12 random halves R of the others, trained on for this
alone, the mean of f(R + i + j) - f(R + i) - f(R + j) + f(R). This is done for the three strongest
pairs of each test image, by the recovered FBII, and for three pairs drawn at random.

Selection. From the mean margin of 100 validation images, players are dropped: by `optimise` on the
recovered series; those with the lowest Shapley values; copies first, then at random; at random
(the mean of six draws). Really retrained, with two other initial weights; the accuracy is that
on 200 test images.

Speed. CPU seconds for 64 training sets: side by side (`TrainingGame`), and one after the other with
torch.optim.

    python benchmarks/data_attribution.py

Finished rows are kept beside the table, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import time

from harness import ONE_THREAD, RESULTS, Log, table

os.environ.update(ONE_THREAD)

import numpy as np
import torch
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits  # comes with scikit-learn
from torch import nn

from shapiq_spex import ProxySPEX, TrainingGame
from shapiq_spex.optimise import optimise

DIGITS = (3, 5, 8, 9)
DIFFERENT, COPIES = 24, 8
N = DIFFERENT + COPIES
BUDGET = 400
POINTS, VALIDATION, TEST = 4, 100, 200
PAIRS, HALVES = 3, 12
DROPPED = (4, 8, 12, 16)
DRAWS = 6
METHODS = ("optimise", "lowest Shapley value", "copies first", "random")
TRAINING = {"lr": 0.02, "momentum": 0.9, "epochs": 60, "batch_size": N, "device": "cpu"}
SPEED_SETS = 64


def network():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def data(seed):
    """Training images, of which the last repeat the first, and the points that are asked."""
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    rng = np.random.default_rng(seed)
    of = [rng.permutation(np.flatnonzero(digits == digit)) for digit in DIGITS]
    train = rng.permutation(np.concatenate([each[: DIFFERENT // len(DIGITS)] for each in of]))
    train = np.concatenate([train, train[:COPIES]])
    others = rng.permutation(np.concatenate([each[DIFFERENT // len(DIGITS) :] for each in of]))
    asked = others[: POINTS + VALIDATION + TEST]
    return images[train], digits[train], images[asked], digits[asked]


def game_of(seed, seeds, points=None):
    X, y, X_test, y_test = data(seed)
    asked = slice(points)
    return TrainingGame.from_torch(
        network, X, y, X_test[asked], y_test[asked], seeds=seeds, progress=False, **TRAINING
    )


def interaction(game, pair, halves):
    """The mean second difference of a pair over the halves, and its standard error."""
    rows = np.repeat(halves[np.newaxis], 4, axis=0)
    rows[:, :, list(pair)] = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])[:, np.newaxis]
    both, first, second, none = game(rows.reshape(-1, N)).reshape(4, -1)
    found = both - first - second + none
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found)))


def verify(seed):
    """Recovered and really retrained interactions, of the strongest pairs and of others."""
    start = time.process_time()
    game, rng = game_of(seed, [seed], POINTS), np.random.default_rng([seed, 1])
    halves = rng.random((HALVES, N)) < 0.5
    rows, r2 = [], []
    for point in range(POINTS):
        at_point = game.read_as(points=point, value="margin")
        recovery = ProxySPEX(n=N, random_state=seed).recover(BUDGET, at_point)
        r2.append(recovery.r2)
        found = recovery.interactions("FBII", 2)
        pairs = {(i, j): float(found[(i, j)]) for i in range(N) for j in range(i + 1, N)}
        strongest = sorted(pairs, key=lambda pair: -abs(pairs[pair]))[:PAIRS]
        listed = list(pairs)
        drawn = [listed[i] for i in rng.choice(len(listed), PAIRS, replace=False)]
        for kind, chosen in (("strongest", strongest), ("drawn", drawn)):
            for pair in chosen:
                mean, error = interaction(at_point, pair, halves)
                copy = pair[1] - pair[0] == DIFFERENT
                rows.append([kind, copy, pairs[pair], mean, error])
    seconds = time.process_time() - start
    return {"rows": rows, "r2": r2, "models": game.n_evaluated, "seconds": seconds}


def select(seed):
    """Test accuracy after players were dropped, {dropped: {method: accuracy}}."""
    start = time.process_time()
    game, rng = game_of(seed, [seed]), np.random.default_rng([seed, 2])
    validation = range(POINTS, POINTS + VALIDATION)
    valued = game.read_as(points=validation, value="margin")
    recovery = ProxySPEX(n=N, random_state=seed).recover(BUDGET, valued)
    shapley = recovery.interactions("SV", 1)
    by_value = np.argsort([float(shapley[(i,)]) for i in range(N)], kind="stable")
    copies = np.concatenate([rng.permutation(np.arange(DIFFERENT, N)), rng.permutation(DIFFERENT)])
    fresh = game_of(seed, [1000 + k for k in range(2)])
    test = range(POINTS + VALIDATION, POINTS + VALIDATION + TEST)
    tested = fresh.read_as(value="accuracy", points=test)
    accuracy = {}
    for dropped in DROPPED:
        rows = {
            "optimise": [optimise(recovery.series, remove=dropped).removed],
            "lowest Shapley value": [by_value[:dropped]],
            "copies first": [copies[:dropped]],
            "random": [rng.permutation(N)[:dropped] for _ in range(DRAWS)],
        }
        accuracy[str(dropped)] = {
            method: float(np.mean([tested(without(gone))[0] for gone in sets]))
            for method, sets in rows.items()
        }
    whole = float(tested(np.ones((1, N), dtype=bool))[0])
    seconds = time.process_time() - start
    return {"accuracy": accuracy, "whole": whole, "r2": recovery.r2, "seconds": seconds}


def without(gone):
    row = np.ones((1, N), dtype=bool)
    row[0, list(gone)] = False
    return row


# ---------------------------------------------------------------------- speed
def one_by_one(game, rows):
    """The same trainings with torch.optim, one after the other; the margins' scores."""
    X, y = torch.from_numpy(game.data.X), torch.from_numpy(game.data.y)
    X_test, scores = torch.from_numpy(game.data.X_test), []
    for row in rows:
        torch.manual_seed(0)
        module = network()
        steps = torch.optim.SGD(module.parameters(), lr=TRAINING["lr"], momentum=0.9)
        rng = np.random.default_rng(0)
        for _ in range(TRAINING["epochs"]):
            order = rng.permutation(N)
            for first in range(0, N, TRAINING["batch_size"]):
                batch = order[first : first + TRAINING["batch_size"]]
                batch = batch[row[batch]]
                if len(batch):
                    steps.zero_grad()
                    nn.functional.cross_entropy(module(X[batch]), y[batch]).backward()
                    steps.step()
        with torch.no_grad():
            scores.append(module(X_test).numpy())
    return np.array(scores)


def speed():
    game = game_of(0, [0], POINTS)
    rows = np.random.default_rng(0).random((SPEED_SETS, N)) < 0.5
    game(rows[:1])
    one_by_one(game, rows[:1])
    start = time.process_time()
    one_by_one(game, rows)
    middle = time.process_time()
    game(rows[1:])
    end = time.process_time()
    return {"loop": middle - start, "game": (end - middle) * len(rows) / (len(rows) - 1)}


# ---------------------------------------------------------------------- report
def mean_and_error(values, scale=100.0, digits=1):
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{scale * np.mean(values):.{digits}f} ± {scale * error:.{digits}f}"


def verification_lines(log):
    found = log.select(part="verification")
    rows = [row for each in found for row in each["rows"]]
    yield f"\n## Really retrained without the pair: {len(found)} seeds, {POINTS} test images each\n"
    models = np.mean([each["models"] for each in found])
    yield f"{BUDGET} retrainings for the recovery, {models:.0f} with the checks, a seed."
    r2 = np.mean([each["r2"] for each in found])
    yield f"Cross-validated R² of the series at one test image: {r2:.2f}.\n"
    body = []
    for name, chosen in (
        ("strongest, copies", [r for r in rows if r[0] == "strongest" and r[1]]),
        ("strongest, others", [r for r in rows if r[0] == "strongest" and not r[1]]),
        ("drawn at random", [r for r in rows if r[0] == "drawn"]),
    ):
        recovered, measured, errors = (np.array([r[k] for r in chosen]) for k in (2, 3, 4))
        same = np.mean(np.sign(recovered) == np.sign(measured))
        sure = np.abs(measured) > 2 * errors
        sure_same = np.mean(np.sign(recovered[sure]) == np.sign(measured[sure]))
        correlation = np.corrcoef(recovered, measured)[0, 1]
        sizes = [f"{np.abs(each).mean():.2f}" for each in (recovered, measured, errors)]
        shares = [f"{100 * same:.0f} %", f"{100 * sure_same:.0f} % of {sure.sum()}"]
        body.append([name, len(chosen), *sizes, *shares, f"{correlation:.2f}"])
    head = ["pairs", "number", "recovered, mean size", "retrained, mean size", "its error"]
    yield from table([*head, "same sign", "where beyond 2 errors", "correlation"], body)


def selection_lines(log):
    rows = log.select(part="selection")
    whole = mean_and_error([row["whole"] for row in rows])
    yield f"\n## Dropping examples: test accuracy in %, {len(rows)} seeds\n"
    r2 = np.mean([row["r2"] for row in rows])
    yield f"All {N} examples: {whole}. Cross-validated R² of the series: {r2:.2f}.\n"
    body = [
        [k, *(mean_and_error([row["accuracy"][str(k)][m] for row in rows]) for m in METHODS)]
        for k in DROPPED
    ]
    yield from table(["dropped", *METHODS], body)
    yield ""
    for method in METHODS[1:]:
        ahead = [
            row["accuracy"][str(k)]["optimise"] - row["accuracy"][str(k)][method]
            for row in rows
            for k in DROPPED
        ]
        by_seed = np.reshape(ahead, (len(rows), -1)).mean(axis=1)
        yield f"- optimise minus {method}, mean over all: {mean_and_error(by_seed)}"


def draw(log):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    rows = [row for each in log.select(part="verification") for row in each["rows"]]
    for kind in ("drawn", "strongest"):
        chosen = np.array([r[2:5] for r in rows if r[0] == kind])
        left.errorbar(*chosen.T[:2], yerr=chosen.T[2], fmt=".", alpha=0.6, label=kind)
    ends = [min(r[2] for r in rows), max(r[2] for r in rows)]
    left.plot(ends, ends, color="grey", lw=1)
    left.set(xlabel="recovered interaction", ylabel="really retrained", title="Pairs of examples")
    left.legend(frameon=False)
    chosen = log.select(part="selection")
    for method in METHODS:
        values = 100 * np.array([[r["accuracy"][str(k)][method] for k in DROPPED] for r in chosen])
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
        right.errorbar(DROPPED, values.mean(axis=0), error, marker="o", capsize=3, label=method)
    right.axhline(100 * np.mean([r["whole"] for r in chosen]), ls="--", color="grey")
    right.set(xlabel=f"examples dropped of {N}", ylabel="test accuracy, %", title="Selection")
    right.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / "data_attribution.png", dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)
    log = Log(RESULTS / "data_attribution.jsonl")
    log.add({"part": "speed"}, speed)
    for seed in args.seeds:
        log.add({"part": "selection", "seed": seed}, lambda s=seed: select(s))
    for seed in args.seeds:
        log.add({"part": "verification", "seed": seed}, lambda s=seed: verify(s))
    draw(log)
    (cost,) = log.select(part="speed")
    spent = sum(row.get("seconds", 0) for row in log.rows)
    lines = ["# Attributing a model to its training examples", ""]
    lines += [f"Digits, a small convolutional network; one thread, {spent:.0f} CPU seconds in all."]
    lines += ["Means ± standard error over seeds. ![both](data_attribution.png)"]
    lines += [*verification_lines(log), *selection_lines(log)]
    lines += [f"\n## Speed: CPU seconds for {SPEED_SETS} retrainings\n"]
    loop, ours = cost["loop"], cost["game"]
    cells = [f"{loop:.2f}", f"{ours:.2f}", f"{loop / ours:.1f}"]
    lines += table(["one after the other", "TrainingGame", "times as fast"], [cells])
    lines += [
        f"\nOne thread of a CPU; about half of {N} images of 8 × 8 pixels in each training set, "
        f"{TRAINING['epochs']} epochs. The loop is torch.optim with the absent images left out."
    ]
    text = "\n".join(lines) + "\n"
    (RESULTS / "data_attribution.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
