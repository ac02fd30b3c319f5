"""Question: does a series recovered from a few hundred random masks tell which attention heads can
go? And claim: many masks at once cost less than one after the other.

On the small language model it does, far better than chance, but no better than LASSO beyond the
noise. On MiniLM's own labels no way of choosing is ahead of random heads beyond the noise.

Pruning. Heads are zeroed. On a few training examples a series is recovered from uniform masks with
ProxySPEX; `optimise` chooses the heads to keep; how well the model then does is measured on other
examples. The alternatives choose by the same masks and values (LASSO, marginal: the mean value
with the head minus that without) or draw subsets of the size that is wanted: one (random), or as
many as the masks above, a share for each size, of which the one that is best on the training
examples is taken (best of random). Heads are chosen for accuracy, as in the study of Butler et al.
(NeurIPS 2025, 5.2), or for the mean log-probability of what is right, from the same evaluations.

- MiniLM, 72 heads: sentences from the help topics that come with Python get one of twelve labels by
  cosine. What the whole model says is right, so accuracy is the share of labels that stay.
- A small language model (`small_gpt.py`), trained on these topics and on characters that repeat,
  which takes induction heads: accuracy is the share of next characters predicted.

Depth. The share of spectral energy that is linear, within a layer and across layers, with the
standard deviation over the seeds (other masks, other examples) and layers dealt out at random.

Speed. CPU seconds for 64 coalitions: with `ComponentGame`; in a loop that runs one example for one
mask; and in a loop that runs all examples, padded to one batch, for one mask.

    python benchmarks/head_pruning.py

Finished rows are kept beside the table, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import re
import time

from harness import ONE_THREAD, RESULTS, Log, table

os.environ.update(ONE_THREAD)

import numpy as np
from small_gpt import LENGTH, Corpus, train
from threadpoolctl import threadpool_limits  # comes with scikit-learn

from shapiq_spex import ComponentGame, FourierSeries, ProxySPEX
from shapiq_spex.games import NextTokenMetric, SimilarityMetric
from shapiq_spex.optimise import optimise
from shapiq_spex.structure import PARTS, depth_structure

KEPT = (0.83, 0.66, 0.50)
LABELS = ("strings", "numbers", "classes", "functions", "modules", "exceptions", "dictionaries")
LABELS += ("lists and other sequences", "loops", "debugging", "comparisons", "operators")
METHODS = ("series", "LASSO", "marginal", "best of random", "random")
RANDOM_DRAWS = 4
SPEED_MASKS = 64
TERMS = 600  # of a series, the largest, are kept for the depth structure


# ---------------------------------------------------------------------- tasks
def sentences():
    """Plain sentences of 8 to 12 words from the help topics."""
    from pydoc_data.topics import topics

    found = {}
    for name in sorted(topics):
        body = " ".join(re.sub(r"[*`\\]|\[\d+\]_?|:\w+:", "", topics[name]).split())
        for sentence in re.split(r"(?<=[.])\s+", body):
            plain = re.fullmatch(r"[A-Z][A-Za-z ,.'-]+\.", sentence)
            if plain and 8 <= len(sentence.split()) <= 12:
                found[sentence] = None
    return list(found)


class MiniLM:
    """Zero-shot labels of sentences."""

    budget, n_train, n_test = 400, 16, 120

    def __init__(self):
        self.sentences = np.array(sentences())

    def games(self, seed):
        order = np.random.default_rng(seed).permutation(self.sentences)
        parts = order[: self.n_train], order[self.n_train :][: self.n_test]
        return [
            ComponentGame("minilm", list(part), SimilarityMetric(LABELS), progress=False)
            for part in parts
        ]


class MiniLMMore(MiniLM):
    """The same with more sentences to choose by."""

    budget, n_train, n_test = 300, 48, 150


class SmallGPT:
    """Next characters, half of them of text, half of stretches that repeat."""

    budget, n_train, n_test = 300, 32, 128
    layers, heads, steps = 3, 4, 900

    def __init__(self):
        self.corpus = Corpus()
        self.model = train(self.corpus, layers=self.layers, heads=self.heads, steps=self.steps)

    def games(self, seed):
        rng = np.random.default_rng(seed)
        return [self._game(rng, count) for count in (self.n_train, self.n_test)]

    def _game(self, rng, count):
        natural = self.corpus.natural(rng, count // 2, held_out=True)
        repeated = self.corpus.repeated(rng, count // 2, period=LENGTH // 2)
        span = slice(LENGTH // 2 + 1, None)
        rows = np.concatenate([natural, repeated])
        return ComponentGame(
            self.model, rows, NextTokenMetric(span=span, value="accuracy"), progress=False
        )


TASKS = {
    "MiniLM, labels, 16 sentences": MiniLM,
    "MiniLM, labels, 48 sentences": MiniLMMore,
    "small GPT, next characters": SmallGPT,
}


# ---------------------------------------------------------------------- choosing heads
def lasso(masks, values):
    from sklearn.linear_model import LassoCV

    return LassoCV(cv=5, random_state=0).fit(masks.astype(float), values).coef_


def marginal(masks, values):
    present = masks / masks.sum(axis=0)
    absent = ~masks / (~masks).sum(axis=0)
    return values @ present - values @ absent


def highest(scores, keep):
    row = np.zeros(len(scores), dtype=bool)
    row[np.argsort(-scores, kind="stable")[:keep]] = True
    return row


def random_rows(rng, count, n, keep):
    return rng.permuted(np.tile(np.arange(n) < keep, (count, 1)), axis=1)


def choices(game, recovery, keep, drawn):
    """{method: coalition} of a size."""
    masks, values = recovery.plan.coalitions[2:], recovery.values[2:]
    return {
        "series": optimise(recovery.series, keep=keep).coalition,
        "LASSO": highest(lasso(masks, values), keep),
        "marginal": highest(marginal(masks, values), keep),
        "best of random": drawn[np.argmax(game(drawn))],
    }


def prune(task, seed):
    """One seed: held-out accuracies {fit: {kept share: {method: accuracy}}} and the rest."""
    start = time.process_time()
    train_game, test_game = task.games(seed)
    n, rng = train_game.n_players, np.random.default_rng([seed, 1])
    found = {"n": n, "accuracy": {}, "r2": {}, "optimise": {}}
    found["intact"] = test_game.grand_coalition_value
    drawn = {k: random_rows(rng, task.budget // len(KEPT), n, round(k * n)) for k in KEPT}
    chance = {k: random_rows(rng, RANDOM_DRAWS, n, round(k * n)) for k in KEPT}
    for value in ("accuracy", "log_prob"):
        game = train_game.read_as(value=value)
        recovery = ProxySPEX(n=n, random_state=seed).recover(task.budget, game)
        found["r2"][value] = recovery.r2
        found["optimise"][value] = optimise(recovery.series, keep=n // 2).method
        if value == "log_prob":
            largest = recovery.series.truncate(count=TERMS).terms().items()
            found["terms"] = [[list(players), float(f"{f:.5g}")] for players, f in largest]
        rows = {k: choices(game, recovery, round(k * n), drawn[k]) for k in KEPT}
        found["accuracy"][value] = {
            str(k): {
                **{m: float(test_game(row[np.newaxis])[0]) for m, row in rows[k].items()},
                "random": float(test_game(chance[k]).mean()),
            }
            for k in KEPT
        }
    found["layers"] = [player.layer for player in train_game.players]
    return found | {"seconds": time.process_time() - start}


# ---------------------------------------------------------------------- speed
def looped(game, rows, examples):
    """One mask after the other, with hooks on every projection."""
    import torch

    model, inputs = game._local.model.eval(), [game._inputs[i] for i in examples]
    longest = max(map(len, inputs))
    ids, mask = np.zeros((2, len(inputs), longest), dtype=np.int64)
    for i, sequence in enumerate(inputs):
        ids[i, : len(sequence)], mask[i, : len(sequence)] = sequence, 1
    ids, mask = torch.from_numpy(ids), torch.from_numpy(mask)
    with torch.inference_mode():
        for row in rows:
            handles = [
                site.module.register_forward_pre_hook(
                    lambda _, args, kept=np.r_[row, True][site.owners]: (
                        args[0] * torch.from_numpy(kept),
                    )
                )
                for site in game._model._sites
            ]
            model(input_ids=ids, attention_mask=mask)
            for handle in handles:
                handle.remove()


def speed(inputs, layers):
    """CPU seconds of both loops and of the game, for as many coalitions."""
    metric = SimilarityMetric(LABELS)
    game = ComponentGame("minilm", inputs, metric, layers=layers, progress=False)
    rng = np.random.default_rng(0)
    game(rng.random((2, game.n_players)) < 0.5)
    rows = rng.random((SPEED_MASKS, game.n_players)) < 0.5
    ways = {
        "one": lambda: [looped(game, rows, [i]) for i in range(len(inputs))],
        "padded": lambda: looped(game, rows, range(len(inputs))),
        "game": lambda: game(rows),
    }
    seconds = {}
    for name, way in ways.items():
        start = time.process_time()
        way()
        seconds[name] = time.process_time() - start
    return seconds


def speeds(log, task):
    for count in (1, 16):
        for layers in ([0, 1, 2, 3, 4, 5], [4, 5], [5]):
            inputs = list(task.sentences[:count])
            cell = {"part": "speed", "examples": count, "layers": layers}
            log.add(cell, lambda i=inputs, which=layers: speed(i, which))


# ---------------------------------------------------------------------- report
def mean_and_error(values):
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    return f"{100 * np.mean(values):.1f} ± {100 * np.std(values, ddof=1) / len(values) ** 0.5:.1f}"


def mean_and_spread(mean, spread):
    return f"{mean:.1f}" if np.isnan(spread) else f"{mean:.1f} ± {spread:.1f}"


def pruning_lines(log):
    for name, task in TASKS.items():
        rows = log.select(part="pruning", task=name)
        if not rows:
            continue
        intact = mean_and_error([row["intact"] for row in rows])
        yield f"\n## {name}: {rows[0]['n']} heads, whole model {intact} %\n"
        yield (
            f"{task.budget} masks, {task.n_train} training examples, {task.n_test} held out; "
            f"seeds: {len(rows)}; {sum(row['seconds'] for row in rows):.0f} CPU seconds in all.\n"
        )
        for value in ("accuracy", "log_prob"):
            r2 = np.mean([row["r2"][value] for row in rows])
            how = ", ".join(sorted({row["optimise"][value] for row in rows}))
            yield f"Chosen for {value} (cross-validated R² {r2:.2f}; optimise by {how}):\n"
            body = [
                [f"{k:.0%}", *(mean_and_error(cells(rows, value, k, m)) for m in METHODS)]
                for k in KEPT
            ]
            yield from table(["heads kept", *METHODS], body)
            yield ""
            ahead = []
            for method in METHODS[1:]:
                gains = [
                    np.array(cells(rows, value, k, "series")) - cells(rows, value, k, method)
                    for k in KEPT
                ]
                ahead.append(f"{method} {mean_and_error(np.mean(gains, axis=0))}")
            yield f"Series minus, mean over all: {', '.join(ahead)}.\n"


def cells(rows, value, kept, method):
    return [row["accuracy"][value][str(kept)][method] for row in rows]


def structures(log):
    for name in TASKS:
        rows = log.select(part="pruning", task=name)
        if rows:
            several = [
                FourierSeries.from_terms(row["n"], {tuple(s): f for s, f in row["terms"]})
                for row in rows
            ]
            yield name, depth_structure(several, rows[0]["layers"])


def depth_lines(log):
    yield f"\n## Depth: spectral energy of the {TERMS} largest terms for log_prob, %\n"
    for name, found in structures(log):
        frame = found.to_frame()
        rows = [
            [
                row["layer"],
                *(mean_and_spread(100 * row[p], 100 * row[f"{p}_spread"]) for p in PARTS),
            ]
            for _, row in frame.iterrows()
        ]
        shuffled = zip(found.null.mean(axis=0), found.null.std(axis=0), strict=True)
        rows.append(["shuffled", *(f"{100 * mean:.1f} ± {100 * sd:.1f}" for mean, sd in shuffled)])
        yield f"{name}; within a layer against shuffled layers: p = {found.p_value:.3f}\n"
        yield from table(["layer", *PARTS], rows)
        yield ""
    yield "![depth](head_pruning_depth.png)"


def speed_lines(log):
    yield f"\n## Speed: CPU seconds for {SPEED_MASKS} masks, MiniLM\n"
    rows = []
    for row in log.select(part="speed"):
        layers, ours = row["cell"]["layers"], row["game"]
        which = f"{layers[0]} to {layers[-1]}" if len(layers) > 1 else f"{layers[0]}"
        loops = [row["one"], row["padded"]]
        shown = [f"{loop:.2f} ({loop / ours:.1f} times)" for loop in loops]
        rows.append([row["cell"]["examples"], which, *shown, f"{ours:.2f}"])
    head = ["examples", "layers with players", "one mask, one example", "one mask, padded batch"]
    yield from table([*head, "ComponentGame"], rows)


def draw(log):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(TASKS), figsize=(14, 3.8), squeeze=False)
    for ax, name in zip(axes[0], TASKS, strict=True):
        rows = log.select(part="pruning", task=name)
        for method in METHODS if rows else ():
            data = 100 * np.array([cells(rows, "log_prob", k, method) for k in KEPT])
            error = data.std(axis=1, ddof=min(1, data.shape[1] - 1)) / np.sqrt(data.shape[1])
            share = 100 * np.array(KEPT)
            ax.errorbar(share, data.mean(axis=1), error, marker="o", capsize=3, label=method)
        if rows:
            ax.axhline(100 * np.mean([row["intact"] for row in rows]), ls="--", color="grey")
        ax.set(title=name, xlabel="% of heads kept", ylabel="held-out accuracy, %")
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(RESULTS / "head_pruning.png", dpi=110)
    found = list(structures(log))
    figure, axes = plt.subplots(1, len(found), figsize=(15, 3.4), squeeze=False)
    for ax, (name, structure) in zip(axes[0], found, strict=True):
        structure.plot(ax)
        ax.set_title(name)
    for ax in axes[0][:-1]:
        ax.get_legend().remove()
    figure.tight_layout()
    figure.savefig(RESULTS / "head_pruning_depth.png", dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    log = Log(RESULTS / "head_pruning.jsonl")
    speeds(log, MiniLM())
    for name, make in TASKS.items():
        task = None
        for seed in args.seeds:
            cell = {"part": "pruning", "task": name, "seed": seed}
            if log._key(cell) not in log.keys:
                task = task or make()
                log.add(cell, lambda t=task, s=seed: prune(t, s))
    draw(log)
    lines = ["# Pruning attention heads", ""]
    lines += ["Held-out accuracy in %, mean ± standard error over seeds. One thread."]
    lines += [*pruning_lines(log), "![pruning](head_pruning.png)"]
    lines += [*depth_lines(log), *speed_lines(log)]
    text = "\n".join(lines) + "\n"
    (RESULTS / "head_pruning.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
