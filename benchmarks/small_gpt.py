"""A small language model of the benchmarks: trained in half a minute, with heads that copy.

It reads characters and is trained on the help topics that come with Python, half of the time, and
on random characters that repeat with a random period, the other half. Only attention can tell what
comes next in the latter: a head that looks one character back and, a layer above, one that looks
for the last time the present character was met and what followed it (an induction head).
"""

from __future__ import annotations

import numpy as np

LENGTH = 48
STEPS = 600


def text():
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


class Corpus:
    """The help topics as character ids; the last tenth is held out."""

    def __init__(self):
        letters = np.array(list(text()))
        self.characters, ids = np.unique(letters, return_inverse=True)
        split = int(0.9 * len(ids))
        self.train, self.test = ids[:split], ids[split:]

    def natural(self, rng, count, *, held_out):
        """Stretches of text, (count, LENGTH)."""
        data = self.test if held_out else self.train
        starts = rng.integers(len(data) - LENGTH, size=(count, 1))
        return data[starts + np.arange(LENGTH)]

    def repeated(self, rng, count, period=None):
        """Random characters that repeat with a period, by default a random one of each row."""
        periods = rng.integers(4, LENGTH // 2 + 1, size=(count, 1)) if period is None else period
        drawn = rng.integers(len(self.characters), size=(count, LENGTH))
        return np.take_along_axis(drawn, np.arange(LENGTH) % np.full((count, 1), periods), axis=1)


def train(corpus, seed=0, *, layers=2, heads=4, steps=STEPS):
    """A model of the Llama kind, trained from scratch."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(corpus.characters),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=256,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.006, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 0.006, total_steps=steps, pct_start=0.1
    )
    for _ in range(steps):
        rows = corpus.natural(rng, 32, held_out=False), corpus.repeated(rng, 32)
        ids = torch.from_numpy(np.concatenate(rows))
        logits = model(ids).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()
