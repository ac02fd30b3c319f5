"""Small models that stand in for those one would ask, so that `2-prompts.ipynb` runs anywhere.

`train_two_hop` trains a tiny language model within seconds; `Reflex` is a server that speaks
OpenAI's language and answers by a rule, not by a model.
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# ---------------------------------------------------------------------- two hops
HOMES = {"Ann": "Rome", "Ben": "Oslo", "Cleo": "Lima", "Dan": "Cairo"}
COUNTRIES = {"Rome": "Italy", "Oslo": "Norway", "Lima": "Peru", "Cairo": "Egypt"}
PASSAGES = [f"{who} lives in {town} ." for who, town in HOMES.items()]
PASSAGES += [f"{town} lies in {country} ." for town, country in COUNTRIES.items()]
QUESTION = "In which country does {} live ?"
UNKNOWN = "unknown"


def answer_of(who: str, passages: list[str]) -> str:
    """The country a person lives in, if the passages tell where they live and where that lies."""
    town = HOMES[who]
    needed = {f"{who} lives in {town} .", f"{town} lies in {COUNTRIES[town]} ."}
    return COUNTRIES[town] if needed <= set(passages) else UNKNOWN


def train_two_hop(*, steps: int = 240, seed: int = 0) -> tuple[Any, Any]:
    """Train a tiny Llama to answer from the passages it is given, and from nothing else.

    In every example passages are missing at random and stand in random order; the right answer is
    the country if both passages for it are there, else "unknown".

    Returns:
        The model and its tokenizer.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        initializer_range=0.1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=None,
        pad_token_id=None,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(steps):
        rows, places, answers = _examples(tokenizer, rng, 24)
        states = model.model(input_ids=torch.tensor(rows)).last_hidden_state
        logits = model.lm_head(states[torch.tensor(places[0]), torch.tensor(places[1])])
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(answers))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval(), tokenizer


def _examples(tokenizer: Any, rng: random.Random, size: int) -> tuple[Any, Any, Any]:
    numbers = tokenizer.get_vocab()  # every word is a token

    def ids_of(text: str) -> list[int]:
        return [numbers[word] for word in text.split()]

    rows, which, where, answers = [], [], [], []
    for number in range(size):
        rate = rng.choice([0.5, 0.8, 1.0])
        passages = [p for p in rng.sample(PASSAGES, len(PASSAGES)) if rng.random() < rate]
        ids = ids_of(" ".join(["<s>", *passages]))
        for who in rng.sample(list(HOMES), len(HOMES)):
            ids += ids_of(QUESTION.format(who))
            answer = numbers[answer_of(who, passages)]
            which.append(number)
            where.append(len(ids) - 1)
            answers.append(answer)
            ids.append(answer)
        rows.append(ids)
    longest = max(map(len, rows))
    return [ids + [0] * (longest - len(ids)) for ids in rows], (which, where), answers


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = " ".join([*PASSAGES, QUESTION.format(""), UNKNOWN]).split()
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(["<s>", *words]))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>")  # noqa: S106


# ---------------------------------------------------------------------- an API
RIGHT, WRONG = "True", "False"
STORY = (
    "A trolley with nobody on board rolls up a gentle slope and will soon stop by itself. "
    "Pulling the lever beside the track would send the trolley back down, towards a gardener at "
    "work below. Doing nothing harms no one."
)
ASKED = "The best choice is to do nothing. Answer with True or False."


def log_odds_of_failure(text: str) -> float:
    """How the stand-in leans to the wrong answer: by a reflex, and a little by every word.

    The reflex needs two of three cues: "trolley" said twice, "pulling", "lever".
    """
    words = re.findall(r"[a-z]+", text.lower())
    cues = (words.count("trolley") >= 2, "pulling" in words, "lever" in words)
    noise = sum(math.sin(sum(map(ord, word))) for word in words)
    return -2.5 + 5.0 * (sum(cues) >= 2) + 0.1 * noise


class Reflex:
    """A server on this machine that answers as OpenAI's does, from `log_odds_of_failure`.

    Attributes:
        url: Its address.
        requests: How many it has answered.
    """

    def __init__(self) -> None:
        """Start it in a thread of its own."""
        self.requests = 0
        self._lock = threading.Lock()
        self._rng = random.Random(0)  # noqa: S311
        handler = type("Handler", (_Handler,), {"reflex": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """A choice: a token, drawn unless the temperature is 0, and what both have."""
        odds = log_odds_of_failure(" ".join(m["content"] for m in body["messages"]))
        log_p = {WRONG: -math.log1p(math.exp(-odds)), RIGHT: -math.log1p(math.exp(odds))}
        drawn = max(log_p, key=log_p.__getitem__)
        with self._lock:
            self.requests += 1
            if body.get("temperature", 1):
                drawn = WRONG if self._rng.random() < math.exp(log_p[WRONG]) else RIGHT
        top = [{"token": token, "logprob": value} for token, value in log_p.items()]
        content = [{"token": drawn, "logprob": log_p[drawn], "top_logprobs": top}]
        return {"message": {"content": drawn}, "logprobs": {"content": content}}

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reflex: Reflex

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Answer a chat."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"choices": [self.reflex.reply(body)]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
