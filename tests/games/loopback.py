"""A real HTTP server on loopback that answers as OpenAI's and vLLM's do."""

from __future__ import annotations

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

VOCABULARY = [" good", " film", " bad", " the", " never", " fails", "the", "film", "never", "fails"]


class Toy:
    """A softmax of scores that depend on all tokens before."""

    def tokens(self, text):
        """Longest first, else single characters."""
        tokens = []
        while text:
            found = [word for word in VOCABULARY if text.startswith(word)]
            tokens.append(max(found, key=len, default=text[0]))
            text = text[len(tokens[-1]) :]
        return tokens

    def next_token(self, text):
        """Log-probabilities by token."""
        return self._after(self.tokens(text))

    def log_probs(self, text):
        """The tokens of a text and their log-probabilities."""
        tokens = self.tokens(text)
        return tokens, [self._after(tokens[:i]).get(t, -30.0) for i, t in enumerate(tokens)]

    def twin(self, text, answer):
        """The log-probabilities of the answer's tokens, without a server."""
        return np.array(self.log_probs(text + answer)[1][-len(self.tokens(answer)) :])

    def _after(self, tokens):
        scores = [
            math.sin(sum((i + 1) * (7 + len(t)) * ord(t[-1]) for i, t in enumerate(tokens)) + 3 * w)
            for w in range(len(VOCABULARY))
        ]
        total = math.log(sum(map(math.exp, scores)))
        return {word: score - total for word, score in zip(VOCABULARY, scores, strict=True)}


# ---------------------------------------------------------------------- the server
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing."""

    def do_POST(self):
        state, size = self.server.state, int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(size))
        with state["lock"]:
            state["asked"].append((self.path, body, self.headers.get("Authorization")))
            number = len(state["asked"])
            state["busy"] += 1
            state["most_busy"] = max(state["most_busy"], state["busy"])
        try:
            time.sleep(state["delay"])
        finally:  # before the answer, upon which the client may ask again
            with state["lock"]:
                state["busy"] -= 1
        self.answer(state["trouble"](number), body)

    def answer(self, trouble, body):
        if trouble == "hang up":
            self.close_connection = True
            self.connection.close()
        elif trouble == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices"')
            self.close_connection = True
        elif trouble == "html":
            self.reply(200, b"<html>busy</html>")
        elif callable(trouble):
            trouble(self)
        elif isinstance(trouble, dict):
            self.reply(200, json.dumps(trouble).encode())
        elif trouble:
            sentence = f"no, {self.headers.get('Authorization')}"
            self.reply(trouble, json.dumps({"error": sentence}).encode())
        else:
            choice = (chat if "messages" in body else complete)(self.server.model, body)
            self.reply(200, json.dumps({"choices": [choice]}).encode())

    def reply(self, status, content):
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "/elsewhere")
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def complete(model, body):
    tokens, found = model.log_probs(body["prompt"])
    if body.get("echo"):
        return {"text": "", "logprobs": {"tokens": tokens, "token_logprobs": [None, *found[1:]]}}
    rows = [
        {str(i): {"logprob": log_p, "rank": 1, "decoded_token": token}}
        for i, (token, log_p) in enumerate(zip(tokens, found, strict=True))
    ]
    return {"text": "", "prompt_logprobs": [None, *rows[1:]]}


def chat_text(messages):
    return "".join(f"<{m['role']}>{m['content']}" for m in messages)


def chat(model, body):
    found = model.next_token(chat_text(body["messages"]))
    likely = sorted(found.items(), key=lambda item: -item[1])[:6]
    top = [{"token": token, "logprob": log_p} for token, log_p in likely]
    return {"logprobs": {"content": [{**top[0], "top_logprobs": top}]}}


def start(model=None):
    """A server of its own thread, whose ``state`` says how slow it is and what trouble it makes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # clients that hang up are part of the tests
    server.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.model = model or Toy()
    server.state = {
        "lock": threading.Lock(), "asked": [], "busy": 0, "most_busy": 0, "delay": 0.0,
        "trouble": lambda _: None,
    }  # fmt: skip
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
