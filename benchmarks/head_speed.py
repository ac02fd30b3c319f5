"""Claim: coalitions of heads at once cost less than one after the other (see `head_pruning.py`).

CPU seconds for 64 coalitions, the median of several runs in turn: with `ComponentGame`; in a loop
that runs one example for one mask; and in a loop that runs all examples, padded to one batch, for
one mask. Both loops have hooks of their own on every projection, and torch's plain inference mode.
"""

from __future__ import annotations

import time

import numpy as np
from harness import table

from shapiq_spex import ComponentGame
from shapiq_spex.games import SimilarityMetric

SPEED_MASKS, REPEATS = 64, 5
LAYERS = ([0, 1, 2, 3, 4, 5], [4, 5], [5])


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


def speed(inputs, layers, labels):
    """CPU seconds of both loops and of the game, for as many coalitions."""
    metric = SimilarityMetric(labels)
    game = ComponentGame("minilm", inputs, metric, layers=layers, progress=False)
    rng = np.random.default_rng(0)
    game(rng.random((2, game.n_players)) < 0.5)
    ways = {
        "one": lambda rows: [looped(game, rows, [i]) for i in range(len(inputs))],
        "padded": lambda rows: looped(game, rows, range(len(inputs))),
        "game": game,
    }
    seconds = {name: [] for name in ways}
    for _ in range(REPEATS):
        rows = rng.random((SPEED_MASKS, game.n_players)) < 0.5  # the game keeps what it has run
        for name, way in ways.items():
            start = time.process_time()
            way(rows)
            seconds[name].append(time.process_time() - start)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def speeds(log, sentences, labels):
    for count in (1, 16):
        for layers in LAYERS:
            cell = {"part": "speed", "examples": count, "layers": layers}
            inputs = list(sentences[:count])
            log.add(cell, lambda i=inputs, which=layers: speed(i, which, labels))


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
    yield (
        f"\nMedians of {REPEATS} runs in turn, one thread of a CPU. With players in all six layers "
        "nothing is computed once only; what is left is the gain of larger matrix products."
    )
