"""Claim: a causal-LM game scores ablated prompts several times faster than the usual loops.

One model and one prompt set for all: 600 fixed tokens, 200 words of one token that may go, each
left out with probability one half by deletion, an answer of 10 tokens, distinct masks. Every way
scores the same masks, in turns, on one thread:

- ours: `TextGame.from_causal_lm`, the shared prefix run anew in every round;
- ours without the shared prefix;
- one forward pass per mask: prompt and answer read together, one at a time, all logits;
- one forward pass per answer token and mask, nothing reused;
- plain padded batch: padded on the left with mask and positions, in the order given, all logits;
- Captum's LLMAttribution with Lime, by tokens (its default) and by sequence;
- ContextCite, one at a time (its default) and in batches.

The table shows medians over rounds (the two slowest are run in the first one only) of processor
seconds per mask, the ratio of the medians to ours, and how far the values are at most from one
forward pass per mask, in nats; ours have to agree to 1e-4. Ours gains with more masks, for the
prefix is run once whatever their number.

    python benchmarks/llm_throughput.py [--peers FOLDER]

On a graphics card (--gpu) a random Llama of 1.2 billion parameters in bfloat16 is timed instead,
against the rate of matrix products measured beside it. Counted are the multiplications the model
needs for the tokens it really has to read; those the shared prefix saves are a row of their own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from shapiq_spex import TextGame
from shapiq_spex.games import Prompt

HERE = Path(__file__).parent
N_PREFIX, N_WORDS, N_ANSWER, N_MASKS = 600, 200, 10, 16
CPU_MODEL = {"hidden_size": 512, "num_hidden_layers": 4, "intermediate_size": 1408}
GPU_MODEL = {"hidden_size": 2048, "num_hidden_layers": 26, "intermediate_size": 5632}
HEADS = {"num_attention_heads": 16, "num_key_value_heads": 4}
VOCABULARY = 8192
CHAT = "{{ messages[0]['content'] }}"


def tokenizer_of_words():
    """Every word is a token of its own, white space has none."""
    vocabulary = {f"w{i}": i for i in range(VOCABULARY - 2)}
    vocabulary |= {"[PAD]": VOCABULARY - 2, "[UNK]": VOCABULARY - 1}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "eos_token": "[UNK]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, padding_side="left", **names)
    tokenizer.chat_template = CHAT
    return tokenizer


class Case:
    """The model, the prompt, the answer and the masks."""

    def __init__(self, sizes, *, device="cpu", dtype=torch.float32, n_masks=N_MASKS):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=VOCABULARY, max_position_embeddings=2048, pad_token_id=None, **sizes, **HEADS
        )
        self.model = LlamaForCausalLM(config).to(device, dtype).eval()
        self.tokenizer = tokenizer_of_words()
        rng = np.random.default_rng(0)
        words = [f"w{i}" for i in rng.permutation(VOCABULARY - 2)[: N_PREFIX + N_WORDS + N_ANSWER]]
        self.fixed, self.words = words[:N_PREFIX], words[N_PREFIX : N_PREFIX + N_WORDS]
        self.answer = words[-N_ANSWER:]
        # Drawn as ContextCite draws them, which takes none from outside.
        draws = (np.random.RandomState(seed) for seed in range(n_masks))
        self.masks = np.array([d.choice([False, True], size=N_WORDS, p=[0.5] * 2) for d in draws])
        assert len(np.unique(self.masks, axis=0)) == n_masks
        text = " ".join(self.fixed + self.words)
        self.prompt = Prompt(text).keep(" ".join(self.fixed))
        self.game = TextGame.from_causal_lm(
            self.prompt,
            self.model,
            answer=" " + " ".join(self.answer),
            tokenizer=self.tokenizer,
            progress=False,
        )
        assert self.game.n_players == N_WORDS

    def ids(self, mask):
        kept = [word for word, here in zip(self.words, mask, strict=True) if here]
        return self.tokenizer.convert_tokens_to_ids(self.fixed + kept)

    @property
    def answer_ids(self):
        return self.tokenizer.convert_tokens_to_ids(self.answer)

    def log_prob(self, logits):
        """Of the answer, from the logits (10, V) at its tokens."""
        log_p = torch.log_softmax(logits.float(), -1)
        return float(log_p[torch.arange(N_ANSWER), self.answer_ids].sum())


# ---------------------------------------------------------------------- ways to do it
def ours(case, masks):
    case.game._memory = type(case.game._memory)()
    case.game.scorer._prefix = None
    return case.game(masks)


def ours_without_prefix(case, masks):
    scorer = case.game.scorer
    scorer._shared_prefix = lambda _: None
    try:
        return ours(case, masks)
    finally:
        del scorer._shared_prefix


@torch.inference_mode()
def per_mask(case, masks):
    values = []
    for mask in masks:
        ids = torch.tensor([case.ids(mask) + case.answer_ids], device=case.model.device)
        values.append(case.log_prob(case.model(input_ids=ids).logits[0, -N_ANSWER - 1 : -1]))
    return values


@torch.inference_mode()
def per_token(case, masks):
    values = []
    for mask in masks:
        rows = []
        for t in range(N_ANSWER):
            ids = torch.tensor([case.ids(mask) + case.answer_ids[:t]], device=case.model.device)
            rows.append(case.model(input_ids=ids).logits[0, -1])
        values.append(case.log_prob(torch.stack(rows)))
    return values


@torch.inference_mode()
def padded_batch(case, masks, size=16):
    values = []
    for start in range(0, len(masks), size):
        texts = [case.ids(mask) + case.answer_ids for mask in masks[start : start + size]]
        batch = case.tokenizer.pad({"input_ids": texts}, return_tensors="pt").to(case.model.device)
        positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        logits = case.model(**batch, position_ids=positions).logits
        values += [case.log_prob(row[-N_ANSWER - 1 : -1]) for row in logits]
    return values


def captum(case, masks, *, by_tokens):
    from captum.attr import Lime, LLMAttribution, TextTemplateInput

    def given_masks(*_, **__):
        yield from torch.tensor(masks, dtype=torch.float32)[:, None]

    template = " ".join(case.fixed) + " {}" * N_WORDS
    given = TextTemplateInput(template=template, values=case.words)
    peer = LLMAttribution(Lime(case.model, perturb_func=given_masks), case.tokenizer)
    values, score = [], peer.attr_method.forward_func

    def recorded(*arguments):
        values.append(score(*arguments))
        return values[-1]

    peer.attr_method.forward_func = recorded
    target, n = " ".join(case.answer), len(masks)
    peer.attribute(given, target=target, n_samples=n, forward_in_tokens=by_tokens)
    return [float(value) for value in values]


def context_cite(case, masks, *, batch_size):
    from context_cite import ContextCiter
    from context_cite.context_partitioner import BaseContextPartitioner

    class Words(BaseContextPartitioner):
        num_sources = N_WORDS

        def split_context(self):
            """Nothing to do."""

        def get_source(self, index):
            return case.words[index]

        def get_context(self, mask=None):
            mask = np.ones(N_WORDS, dtype=bool) if mask is None else mask
            return " ".join(np.array(case.words)[mask])

    citer = ContextCiter(
        case.model,
        case.tokenizer,
        " ".join(case.words),
        "",
        partitioner=Words(" ".join(case.words)),
        prompt_template=" ".join(case.fixed) + " {context}{query}",
        num_ablations=len(masks),
        batch_size=batch_size,
    )
    citer._cache["output"] = " ".join(case.fixed + case.words + case.answer)
    assert (citer._masks == masks).all()
    return -np.logaddexp(0, -citer._logit_probs.astype(float)).sum(axis=1)


OWN = {
    "ours": ours,
    "ours, no shared prefix": ours_without_prefix,
    "one forward pass per mask": per_mask,
    "one forward pass per answer token": per_token,
    "plain padded batch of 16": padded_batch,
}
PEERS = {
    "Captum LLMAttribution, by tokens": lambda c, m: captum(c, m, by_tokens=True),
    "Captum LLMAttribution, by sequence": lambda c, m: captum(c, m, by_tokens=False),
    "ContextCite, one at a time": lambda c, m: context_cite(c, m, batch_size=1),
    "ContextCite, batches of 16": lambda c, m: context_cite(c, m, batch_size=16),
}


ONCE = ("one forward pass per answer token", "Captum LLMAttribution, by tokens")  # take minutes


def seconds_per_mask(case, ways, rounds):
    found, values = {name: [] for name in ways}, {}
    for number in range(rounds):
        for name, run in ways.items():
            if number and name in ONCE:
                continue
            start = time.process_time()
            values[name] = np.asarray(run(case, case.masks))
            found[name].append((time.process_time() - start) / len(case.masks))
            print(f"round {number + 1}: {name} {found[name][-1]:.4f}", file=sys.stderr, flush=True)
    reference = values["one forward pass per mask"]
    away = {name: np.abs(each - reference).max() for name, each in values.items()}
    assert max(away[name] for name in OWN) < 1e-4
    return found, away


def on_a_cpu(options):
    torch.set_num_threads(1)
    case, ways = Case(CPU_MODEL), dict(OWN)
    if options.peers:
        sys.path.insert(0, str(options.peers))
        ways |= PEERS
    seconds, away = seconds_per_mask(case, ways, options.rounds)
    ours_took = median(seconds["ours"])
    lines = [
        "| way | seconds per mask | times ours | lowest to highest | nats away |",
        "|---|---|---|---|---|",
    ]
    for name, each in seconds.items():
        middle, ratios = median(each), [value / ours_took for value in each]
        lines.append(
            f"| {name} | {middle:.4f} | {middle / ours_took:.1f} | "
            f"{min(ratios):.1f} to {max(ratios):.1f} | {away[name]:.0e} |"
        )
    millions = sum(p.numel() for p in case.model.parameters()) / 1e6
    about = (
        f"A random Llama of {millions:.0f} million parameters in float32 on one thread of "
        f"{platform.processor() or platform.machine()}; {len(case.masks)} masks, the same for all, "
        f"{options.rounds} rounds."
    )
    return about, lines, seconds


def on_a_gpu(options):
    case = Case(GPU_MODEL, device="cuda", dtype=torch.bfloat16, n_masks=512)
    peak = matrix_rate()
    layers = case.model.model.layers
    dense = sum(p.numel() for p in layers.parameters())
    kept = case.masks.sum(axis=1)
    lines = ["| way | seconds | share of the matrix rate |", "|---|---|---|"]
    seconds = {}
    for name, run, saved in (
        ("ours", ours, N_PREFIX * (len(case.masks) - 1)),
        ("ours, no shared prefix", ours_without_prefix, 0),
    ):
        case.game.scorer.batch_size = options.batch_size
        run(case, case.masks[:64])
        seconds[name] = [timed(lambda run=run: run(case, case.masks)) for _ in range(3)]
        tokens = (kept + N_PREFIX + N_ANSWER - 1).sum() - saved
        share = 2 * dense * tokens / median(seconds[name]) / peak
        lines.append(f"| {name} | {median(seconds[name]):.3f} | {share:.0%} |")
    about = (
        f"A random Llama of {dense / 1e9:.1f} billion parameters in its layers in bfloat16 on "
        f"{torch.cuda.get_device_name()}; matrix products reach {peak / 1e12:.0f} TFLOP/s. Work of "
        f"attention is not counted."
    )
    return about, lines, seconds


def timed(run):
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def matrix_rate(size=8192, repeats=20):
    """Floating-point operations a second of bfloat16 products of large square matrices."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    a @ b
    return 2 * size**3 * repeats / timed(lambda: [a @ b for _ in range(repeats)])


def versions():
    found = {}
    for name in ("shapiq-spex", "torch", "transformers", "captum", "context-cite"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return ", ".join(f"{name} {number}" for name, number in found.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder with captum and context_cite")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64, help="on the graphics card")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    about, lines, seconds = (on_a_gpu if options.gpu else on_a_cpu)(options)
    name = "llm_throughput_gpu" if options.gpu else "llm_throughput"
    text = "\n".join(["# Ablated prompts a second", "", about, f"{versions()}.", "", *lines, ""])
    (HERE / "results" / f"{name}.md").write_text(text)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(seconds, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
