"""One small game of every kind, by name; models are loaded when a game is made."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fakes import FakeScorer
from games.loopback import start
from shapiq_spex import ComponentGame, MixedGame, TextGame, TrainingGame
from shapiq_spex.games import (
    ClassMetric,
    MeanAblation,
    Neutral,
    NextTokenMetric,
    Prompt,
    SimilarityMetric,
    Subgame,
    ZeroAblation,
    groups_of,
)
from shapiq_spex.games.models.remote import RemoteScorer

REVIEW = "the film never fails, never"
SHORT = "never a film"
SENTENCES = "the film fails. never dull! it is good"
PARAGRAPHS = "the film\n\nnever fails\n\nis it dull"
PASSAGES = ["the cast is not bad", "a bad end", "never dull!"]
CHAT = [
    {"role": "system", "content": "a good film"},
    {"role": "user", "content": "the film never fails, is it dull"},
]


def tiny():
    """Loaded late, so that the other games are tested where torch is missing."""
    for name in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(name)
    from games import tiny_models

    tiny_models.torch.set_num_threads(1)
    return tiny_models


def fake(text=REVIEW, **settings):
    scorer = FakeScorer()
    scorer.identity = {"model": "fake"}
    return TextGame(text, scorer, progress=False, **settings)


def classifier(kind, text=REVIEW, **settings):
    model, tokenizer = tiny().tiny(kind)
    return TextGame.from_classifier(
        text, model, tokenizer=tokenizer, label=1, progress=False, **settings
    )


def encoder(text=REVIEW, kind="bert", **settings):
    model, tokenizer = tiny().tiny(kind)
    return TextGame.from_encoder(
        text, model=model.base_model, tokenizer=tokenizer, progress=False, **settings
    )


def language(kind, prompt=REVIEW, *, fixed=("system",), **settings):
    model, tokenizer = tiny().language_model(kind)
    settings = {"answer": " good film", "progress": False, **settings}
    if isinstance(prompt, list):
        tokenizer.chat_template = (
            "{% for m in messages %}<{{ m.role }}> {{ m.content }}\n{% endfor %}<model>"
        )
        prompt = Prompt.from_chat(prompt, tokenizer, fixed=fixed)
    make = TextGame.from_seq2seq if kind == "t5" else TextGame.from_causal_lm
    return make(prompt, model, tokenizer=tokenizer, **settings)


@cache
def server():
    return start().url


def remote(answer=" good film", **settings):
    scorer = RemoteScorer(server(), "toy", "the film never fails", answer, **settings)
    return TextGame(scorer.prompt, scorer, removal="delete", progress=False)


def examples():
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    X = rng.normal(size=(30, 4)) + 2 * np.eye(4)[y]
    return X[:20], y[:20], X[20:], y[20:], list("aabbccddeeabcdeabcde")


def estimator(**settings):
    *data, players = examples()
    model = LogisticRegression()
    return TrainingGame.from_sklearn(model, *data, players=players, progress=False, **settings)


def network(**settings):
    *data, players = examples()
    module = tiny().torch.nn.Linear(4, 3)
    settings = {"lr": 0.1, "epochs": 3, "players": players, "device": "cpu", **settings}
    return TrainingGame.from_torch(module, *data, progress=False, **settings)


def documents(game):
    """The same game with its documents as players."""
    return Subgame(game, groups_of(game, "parts"))


def components(kind, metric, **settings):
    models = tiny()
    causal = kind in models.CAUSAL
    model, tokenizer = models.language_model(kind) if causal else models.tiny(kind)
    model = model.bert if isinstance(metric, SimilarityMetric) else model
    settings = {"layers": [1], "progress": False, "tokenizer": tokenizer, **settings}
    return ComponentGame(model, [REVIEW, *PASSAGES], metric, **settings)


def words_and_heads():
    text = "never a dull film"
    model, tokenizer = tiny().tiny("bert")
    settings = {"layers": [1], "progress": False, "tokenizer": tokenizer}
    game = ComponentGame(model, [text], ClassMetric([1], value="log_prob"), **settings)
    return MixedGame(text, game, words=["never", "dull", "film"], progress=False)


def words_and_examples():
    texts = ["good film", "fine cast", "bad film", "dull cast", "no good"]
    learner = make_pipeline(CountVectorizer(), LogisticRegression())
    data = (texts, [1, 1, 0, 0, 0], ["no dull film"], [0])
    return MixedGame(
        "no dull film",
        TrainingGame.from_sklearn(learner, *data, progress=False),
        progress=False,
    )


DOCUMENTS = Prompt.from_documents(PASSAGES, before="a film:\n\n", after="\n\nis it good?")
CHOICES = [" bad", " dull", " film"]
OF_DOCUMENTS = ["the cast", "not", "bad end", "never dull"]
GAMES = {
    "fake": fake,
    "fake, groups": lambda: fake(players=[["the", "film"], "fails,", (22, 27)], removal="filler"),
    "bert": lambda: classifier("bert"),
    "bert, hidden": lambda: classifier("bert", removal="attention"),
    "roberta, pattern": lambda: classifier(
        "roberta", players=re.compile("film|never|fails"), removal=Neutral("a")
    ),
    "gpt2 classifier": lambda: classifier("gpt2", removal="delete", output="logit"),
    "labels": encoder,
    "query": lambda: encoder(query="a good film", removal="delete"),
    "gpt2": lambda: language("gpt2"),
    "llama, documents": lambda: language("llama", DOCUMENTS),
    "qwen2, contrast": lambda: language("qwen2", DOCUMENTS, against=" bad", players=OF_DOCUMENTS),
    "mistral, chat": lambda: language("mistral", CHAT, players="words", removal="filler"),
    "llama, divergence": lambda: language("llama", answer=None, value="kl", removal="neutral"),
    "t5": lambda: language("t5", removal="attention", value="log_odds"),
    "fake, tokens": lambda: fake("so, never a film", players="tokens", removal="delete"),
    "fake, sentences": lambda: fake(SENTENCES, players="sentences", removal="neutral"),
    "fake, paragraphs": lambda: fake(PARAGRAPHS, players="paragraphs"),
    "bert, tokens": lambda: classifier("bert", "it is dull", players="tokens"),
    "modernbert, sentences": lambda: classifier(
        "modernbert", SENTENCES, players="sentences", removal="delete", output="probability"
    ),
    "roberta, paragraphs": lambda: classifier("roberta", PARAGRAPHS, players="paragraphs"),
    "gpt2, tokens": lambda: language("gpt2", SHORT, players="tokens", removal="filler"),
    "llama, sentences": lambda: language("llama", SENTENCES, players="sentences"),
    "gemma2, paragraphs": lambda: language("gemma2", PARAGRAPHS, players="paragraphs"),
    "mistral, messages": lambda: language("mistral", CHAT, fixed=()),
    "llama, choices": lambda: language("llama", SHORT, answer=" good", against=CHOICES),
    "gpt2, probability": lambda: language("gpt2", SHORT, answer=" a", value="probability"),
    "gpt2, perplexity": lambda: language("gpt2", SHORT, value="perplexity", kl=True),
    "llama, mean": lambda: language("llama", SHORT, value="mean_log_prob", removal="neutral"),
    "qwen2, odds of tokens": lambda: language("qwen2", SHORT, value="token_log_odds"),
    "gemma2, part of the answer": lambda: language("gemma2", SHORT, span="film"),
    "t5, divergence": lambda: language("t5", SHORT, answer=None, value="kl"),
    "t5, its own answer": lambda: language("t5", SHORT, answer=None, max_new_tokens=3),
    "retrieval, sentences": lambda: encoder(
        SENTENCES, "modernbert", query="is it good", players="sentences", removal="delete"
    ),
    "retrieval, cls": lambda: encoder(SHORT, query="a film", pooling="cls", removal="attention"),
    "fake, few words": lambda: Subgame(fake(), [4, [0, 2], 1]),
    "fake, fewer words": lambda: Subgame(Subgame(fake(), [[0, 1], 3, 2, 4]), [2, 0, 1]),
    "llama, documents of words": lambda: documents(language("llama", DOCUMENTS, players="words")),
    "remote": remote,
    "remote chat": lambda: remote(interface="chat"),
    "remote, choices": lambda: remote(" good", against=[" bad", " never"], interface="chat"),
    "remote, perplexity": lambda: remote(value="perplexity"),
    "examples": estimator,
    "examples, loss": lambda: estimator(value="loss", points=[0, 3], seeds=[0, 1]),
    "examples, network": network,
    "examples, adam": lambda: network(optimizer="adam", value="loss", points=2, batch_size=6),
    "components, bert": lambda: components(
        "bert",
        ClassMetric([0, 2, 1, 2], value="log_prob"),
        players=["heads", "mlps"],
        removal=ZeroAblation(rescale=True),
    ),
    "components, minilm": lambda: components(
        "bert",
        SimilarityMetric(["a good film", "a bad end"], value="margin"),
        players=["heads", "L0.ATTN", ["L0.N3", "L0.N5"]],
        removal="resample",
    ),
    "components, gpt2": lambda: components("gpt2", NextTokenMetric()),
    "components, qwen2": lambda: components(
        "qwen2",
        NextTokenMetric(value="accuracy", span=slice(3, None)),
        players={"low": ["L0"], "heads": ["L1.H0", "L1.H1"], "rest": ["L1.H2", "L1.H3"]},
        removal=MeanAblation([REVIEW]),
    ),
    "words and heads": words_and_heads,
    "words and examples": words_and_examples,
}
