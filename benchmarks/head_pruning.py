"""Question: does a series recovered from a few hundred random masks tell which attention heads can
go? And claim: many masks at once cost less than one after the other.

On the small language model it does: 25 points above chance, and chosen for accuracy a point above
LASSO and the best of random draws. On MiniLM's own labels it takes 48 sentences and the
log-probability to be ahead of random heads, by 4 points, and then LASSO and marginal effects do as
well within the noise. Chosen for accuracy nothing beats random heads there, nor does the series
with 16 sentences.

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

Speed. See `head_speed.py`.

    python benchmarks/head_pruning.py
    python benchmarks/head_pruning.py --model meta-llama/Llama-3.1-8B-Instruct --layers 0 1 2

The second line is for those who have the model: it writes a table and plots of its own, of how well
the model predicts the next tokens of the same sentences.

Finished rows are kept beside the table, so a run that broke off goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import re
import time

from harness import ONE_THREAD, RESULTS, Log

os.environ.update(ONE_THREAD)

import numpy as np
from head_report import KEPT, TERMS, depth_lines, draw, pruning_lines
from head_speed import speed_lines, speeds
from small_gpt import LENGTH, Corpus, train
from threadpoolctl import threadpool_limits  # comes with scikit-learn

from shapiq_spex import ComponentGame, ProxySPEX
from shapiq_spex.games import NextTokenMetric, SimilarityMetric
from shapiq_spex.optimise import optimise

LABELS = ("strings", "numbers", "classes", "functions", "modules", "exceptions", "dictionaries")
LABELS += ("lists and other sequences", "loops", "debugging", "comparisons", "operators")
RANDOM_DRAWS = 4


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


class Published:
    """Next tokens of sentences from the help topics, by any causal model; a stand-in for a task.

    Where other data are wanted, `games` is all there is to change.
    """

    budget, n_train, n_test = 300, 32, 96

    def __init__(self, model, layers):
        self.model, self.layers = model, layers
        which = "all layers" if layers is None else "layers " + ", ".join(map(str, layers))
        self.name = f"{model}, {which}, next tokens"
        self.slug = re.sub(r"\W+", "_", f"{model}, {which}").strip("_")

    def __call__(self):
        """Load it, on the GPU if there is one."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.loaded = AutoModelForCausalLM.from_pretrained(self.model).to(device)
        self.tokenizer = AutoTokenizer.from_pretrained(self.model)
        self.sentences = np.array(sentences())
        return self

    def games(self, seed):
        order = np.random.default_rng(seed).permutation(self.sentences)
        parts = order[: self.n_train], order[self.n_train :][: self.n_test]
        metric = NextTokenMetric(span=slice(4, None), value="accuracy")
        how = {"tokenizer": self.tokenizer, "layers": self.layers, "progress": False}
        return [ComponentGame(self.loaded, list(part), metric, **how) for part in parts]


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--model", help="a published model, by name or folder, in place of ours")
    parser.add_argument("--layers", type=int, nargs="+", help="of that model; by default all")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    tasks, plot = TASKS, "head_pruning"
    if args.model:
        published = Published(args.model, args.layers)
        tasks, plot = {published.name: published}, f"head_pruning_{published.slug}"
    log = Log(RESULTS / f"{plot}.jsonl")
    if not args.model:
        speeds(log, sentences(), LABELS)
    for name, make in tasks.items():
        task = None
        for seed in args.seeds:
            cell = {"part": "pruning", "task": name, "seed": seed}
            if log._key(cell) not in log.keys:
                task = task or make()
                log.add(cell, lambda t=task, s=seed: prune(t, s))
    draw(log, tasks, plot)
    lines = ["# Pruning attention heads", ""]
    lines += ["Held-out accuracy in %, mean ± standard error over seeds. One thread."]
    lines += [*pruning_lines(log, tasks), f"![pruning]({plot}.png)"]
    lines += [*depth_lines(log, tasks, plot), *([] if args.model else speed_lines(log))]
    text = "\n".join(lines) + "\n"
    (RESULTS / f"{plot}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
