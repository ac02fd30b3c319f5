"""Claim: of thousands of players, the few that matter are found from some hundred masks.

Two games, both offline:

- Retrieval: 4,000 chunks of sentences, of at most 16 words, of Python's own help and a question.
  MiniLM embeds every chunk once; the value of a coalition is 100 times the cosine of the mean
  embedding of its chunks with that of the question. Chapters are runs of 40 chunks.
- Language: a small Llama with rotary positions, trained here to name the chapter of that help a
  text is mostly from, reads 1,000 words from several chapters; the value is the log-probability, in
  nats, of the right one. Absent words are deleted. Chapters, here, are runs of 40 words.

In turns: ProxySPEX on all players at once ("flat"), which needs more masks than players; `screen`,
a first pass as small as that allows and the rest for the players kept; `refine`, chapters, then
players within the chapters kept, at the same number of masks and at a fraction of it. Reported are
masks, seconds and three figures: R² of the first stage on fresh coalitions of its units, each there
with probability one half, all others present; R² of the last stage on fresh coalitions of its own;
and the drop: by how much the value of the whole text falls when the ten players go that the last
stage finds most valuable (Shapley values), against ten at random.

    python benchmarks/long_prompts.py [retrieval] [language]
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pydoc_data.topics import topics
from textwrap import shorten

import numpy as np
import torch
from harness import RESULTS, table
from shapiq import Game

from shapiq_spex import Evaluator, Prompt, ProxySPEX, TextGame
from shapiq_spex.explain import refine, screen
from shapiq_spex.games import SimilarityScorer
from shapiq_spex.games.prompts.spans import Encoding, cut

TEXT = " ".join(" ".join(topic.split()) for topic in topics.values())
QUESTION = "How do I catch an exception and clean up afterwards?"
N_CHUNKS, WORDS_A_CHUNK, N_WORDS, CHAPTER = 4000, 16, 1000, 40
KEPT_CHAPTERS, KEPT_PLAYERS, N_CHECKED, N_GONE = 3, 100, 100, 10
FEW, BEYOND_PLAYERS = 400, 500  # masks


# ---------------------------------------------------------------------- retrieval
class MeanEmbedding(Game):
    """100 cos(mean of the embeddings of the chunks present, question); 0 without any."""

    def __init__(self, embeddings, question):
        self.embeddings, self.question = embeddings, question
        super().__init__(len(embeddings), normalize=False)

    def value_function(self, coalitions):
        sums = np.asarray(coalitions, dtype=float) @ self.embeddings
        lengths = np.linalg.norm(sums, axis=1)
        return 100 * (sums @ self.question) / np.where(lengths > 0, lengths, 1.0)


def retrieval():
    sentences = cut(TEXT, (0, len(TEXT)), "sentences", Encoding((), (), ()))
    split = [TEXT[start:end].split() for start, end in sentences]
    pieces = [
        " ".join(words[first : first + WORDS_A_CHUNK])
        for words in split
        for first in range(0, len(words), WORDS_A_CHUNK)
    ]
    chunks = [each for each in pieces if len(each) >= 30][:N_CHUNKS]
    assert len(chunks) == N_CHUNKS
    scorer = SimilarityScorer("minilm", query=QUESTION, batch_size=32)
    embeddings = np.empty((N_CHUNKS, 384))
    for index, states in scorer._embed([scorer.encode(each).ids for each in chunks]):
        embeddings[index] = states
    game = MeanEmbedding(embeddings, scorer._directions[:, 0])
    return game, chunks, f"The question: {QUESTION}"


# ---------------------------------------------------------------------- language
LONGEST, N_KNOWN, ASK = 700, 1024, "ABOUT"


def words_of(text):
    return [word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 1]


def chapters():
    """Words of the longer chapters of Python's help, by a name in capitals."""
    return {
        name.upper().replace(" ", "-"): words
        for name, words in ((name, words_of(text)) for name, text in topics.items())
        if len(words) >= 500
    }


def tokenizer_of(book):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    common = Counter(word for words in book.values() for word in words).most_common(N_KNOWN)
    vocabulary = ["<s>", "<other>", ASK, *book, *(word for word, _ in common)]
    core = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="<other>")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<other>", bos_token="<s>", model_max_length=4096
    )


def mixed(book, name, length, rng, thinned=1.0):
    """Passages of several chapters, the longest of ``name``, with a share of the words."""
    names, parts = list(book), [(name, int(length * rng.uniform(0.3, 1)))]
    while (left := length - sum(size for _, size in parts)) > 0:
        size = min(left, int(length * rng.uniform(0.05, 0.25)) + 1)
        parts.append((names[rng.integers(len(names))], size))
    out = []
    for i in rng.permutation(len(parts)):
        chapter, size = book[parts[i][0]], min(parts[i][1], len(book[parts[i][0]]))
        start = rng.integers(len(chapter) - size + 1)
        passage = chapter[start : start + size]
        out += [word for word in passage if rng.random() < thinned]
    return out


def train(book, tokenizer, n_steps=500, rate=3e-3):
    """Which chapter is the longest passage of? Asked at the end of longer and longer texts."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    rng, names = np.random.default_rng(0), list(book)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            rope_theta=1e5,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=None,
            pad_token_id=None,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=n_steps)
    answers = torch.tensor(tokenizer.convert_tokens_to_ids(names))
    right = []
    for number, length in enumerate(np.geomspace(48, LONGEST, n_steps).astype(int), start=1):
        asked = torch.from_numpy(rng.integers(len(names), size=max(2, 2048 // length)))
        texts = [
            " ".join(["<s>", *mixed(book, names[k], length, rng, rng.uniform(0.4, 1)), ASK])
            for k in asked
        ]
        batch = tokenizer(texts, return_attention_mask=False)["input_ids"]
        ends = [len(ids) - 1 for ids in batch]
        ids = torch.zeros((len(batch), max(ends) + 1), dtype=torch.int64)
        for row, each in zip(ids, batch, strict=True):
            row[: len(each)] = torch.tensor(each)
        logits = model(input_ids=ids).logits[torch.arange(len(batch)), ends][:, answers]
        loss = torch.nn.functional.cross_entropy(logits, asked)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        right.append(float((logits.argmax(dim=1) == asked).float().mean()))
        if number % 50 == 0:
            print(f"step {number}: {length} words, right {np.mean(right[-50:]):.2f}", flush=True)
    return model.eval(), float(np.mean(right[-50:]))


def language():
    book = chapters()
    tokenizer = tokenizer_of(book)
    model, right = train(book, tokenizer)
    rng, name = np.random.default_rng(1), list(book)[3]
    text = mixed(book, name, N_WORDS * 2, rng)
    while len(text) < N_WORDS:
        text += mixed(book, name, N_WORDS, rng)
    text = text[:N_WORDS]
    prompt = Prompt(" ".join([*text, ASK]))
    end = len(prompt.text)
    game = TextGame.from_causal_lm(
        prompt.keep((end - len(ASK), end)),
        model,
        tokenizer=tokenizer,
        answer=" " + name,
        players="words",
        batch_size=8,
        progress=False,
    )
    assert game.n_players == N_WORDS
    about = f"The chapter is {name}; in training {right:.0%} of the last answers were right."
    return game, [f"{word} ({i})" for i, word in enumerate(text)], about


# ---------------------------------------------------------------------- what is measured
def r2(series, game, rng):
    rows = rng.random((N_CHECKED, game.n_players)) < 0.5
    values = game(rows)
    return 1 - np.mean((values - series(rows)) ** 2) / np.var(values)


def drop(game, players):
    rows = np.ones((2, game.n_players), dtype=bool)
    rows[1, list(players)] = False
    whole, less = game(rows)
    return whole - less


def most_valuable(recovery, groups):
    shapley = recovery.interactions("SV", 1)
    order = sorted(range(len(groups)), key=lambda unit: -shapley[(unit,)])
    return [player for unit in order[:N_GONE] for player in groups[unit]]


def flat(game, budget, seed):
    stage = screen(game, N_GONE, budget, random_state=seed)
    return [stage], stage.recovery, stage.game


def screened(game, budget, seed):
    first = game.n_players + 2  # the fewest ProxySPEX takes
    stage = screen(game, KEPT_PLAYERS, first, random_state=seed)
    second = ProxySPEX(n=KEPT_PLAYERS, random_state=seed).recover(budget - first, stage.subgame)
    return [stage], second, stage.subgame


def refined(game, budget, seed):
    chapters = [
        list(range(start, min(start + CHAPTER, game.n_players)))
        for start in range(0, game.n_players, CHAPTER)
    ]
    found = refine(game, chapters, budget=budget, keep=KEPT_CHAPTERS, random_state=seed)
    return found.stages, found.stages[-1].recovery, found.stages[-1].game


def measure(game, names, seeds):
    """Rows of the table, and the players each way finds most valuable."""
    many = game.n_players + BEYOND_PLAYERS
    ways = [("refine, fewer masks", refined, FEW), ("refine", refined, many)]
    ways += [("screen", screened, many), ("flat", flat, many)]
    rows, found = [], {}
    for name, run, budget in ways:
        figures = []
        for seed in seeds:
            paid = Evaluator(game, progress=False)
            start = time.process_time()
            stages, last, subgame = run(paid, budget, seed)
            seconds = time.process_time() - start
            masks = paid.n_evaluated  # those that judge the result come on top
            assert masks <= budget
            first, rng = stages[0], np.random.default_rng(1000 + seed)
            best = most_valuable(last, subgame.groups)
            fits = r2(first.recovery.series, first.game, rng), r2(last.series, subgame, rng)
            figures.append((masks, seconds, *fits, drop(game, best)))
            found.setdefault(name, [names[i] for i in best])
        masks, seconds, coarse, fine, fall = np.mean(figures, axis=0)
        units = first.game.n_players, subgame.n_players
        fits = [f"{fit:.2f} of {n:,}" for fit, n in zip((coarse, fine), units, strict=True)]
        rows.append([name, f"{masks:,.0f}", f"{seconds:.0f}", *fits, f"{fall:.2f}"])
        print(rows[-1], flush=True)
    rng = np.random.default_rng(0)
    by_chance = [drop(game, rng.choice(game.n_players, N_GONE, replace=False)) for _ in range(20)]
    rows.append(["ten at random", "", "", "", "", f"{np.mean(by_chance):.2f}"])
    return rows, found


HEAD = ["method", "masks", "seconds", "R² of first stage", "R² of last stage", "drop"]


def section(name, make, seeds):
    start = time.process_time()
    game, names, about = make()
    made = time.process_time() - start
    ends = game(np.array([[False] * game.n_players, [True] * game.n_players]))
    rows, found = measure(game, names, seeds)
    lists = [
        f"- {way}: {' | '.join(shorten(one, 60) for one in best[:6])}"
        for way, best in found.items()
    ]
    return [
        f"## {name}",
        "",
        f"{about} {game.n_players:,} players, v(empty) {ends[0]:.2f}, v(all) {ends[1]:.2f}, made "
        f"in {made:.0f} s; {'one seed' if len(seeds) == 1 else f'means over {len(seeds)} seeds'}.",
        "",
        *table(HEAD, rows),
        "",
        "Most valuable, by the first seed:",
        "",
        *lists,
        "",
    ]


SECTIONS = {"retrieval": retrieval, "language": language}


def main():
    """Sections that are not asked for stay as they were."""
    torch.set_num_threads(1)
    kept = RESULTS / "long_prompts.json"
    sections = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in sys.argv[1:] or SECTIONS:
        sections[name] = section(name.capitalize(), SECTIONS[name], seeds=(0,))
        kept.write_text(json.dumps(sections, indent=1) + "\n", encoding="utf-8")
        lines = ["# Thousands of players", "", "Seconds are those of one core.", ""]
        text = "\n".join(lines + [line for each in SECTIONS for line in sections.get(each, ())])
        (RESULTS / "long_prompts.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
