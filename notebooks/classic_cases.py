"""Three classic cases of words that count together, on stand-ins or on the models you name.

Without a name a case runs offline: on MiniLM, on a tiny model trained here, on a server on this
machine that answers by a rule. A published model takes its place by an argument, or by the variable
of the environment named beside it, which the notebook `2-prompts.ipynb` reads, too:

    python classic_cases.py negation --model distilbert-base-uncased-finetuned-sst-2-english
    python classic_cases.py two-hop --model Qwen/Qwen2.5-1.5B-Instruct
    python classic_cases.py trolley --url https://api.openai.com/v1 --model gpt-4o-mini

The key of a server is read from the variable OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

import stand_ins

from shapiq_spex import Prompt, ProxySPEX, TextGame
from shapiq_spex.games import ClassScorer, RemoteScorer, SimilarityScorer
from shapiq_spex.games.models.server import Server

if TYPE_CHECKING:
    from shapiq_spex.games import Scorer

SENTIMENT_MODEL = "SPEX_SENTIMENT_MODEL"
ANSWER_MODEL = "SPEX_ANSWER_MODEL"
CHAT_MODEL, CHAT_URL = "SPEX_CHAT_MODEL", "SPEX_CHAT_URL"
KEY = "OPENAI_API_KEY"

FOUR = {"trolley": "tram", "Pulling": "Turning", "lever": "wheel"}  # "trolley" is there twice


# ---------------------------------------------------------------------- double negation
def sentiment_scorer(model: str | None = None) -> Scorer:
    """A published sentiment classifier, or MiniLM between *positive review* and its opposite."""
    model = model or os.environ.get(SENTIMENT_MODEL)
    return ClassScorer(model) if model else SimilarityScorer("minilm")


# ---------------------------------------------------------------------- two hops
def answer_model(model: str | None = None) -> dict[str, Any]:
    """Model and tokenizer as `TextGame.from_causal_lm` takes them: by name, or trained here."""
    model = model or os.environ.get(ANSWER_MODEL)
    if model:
        return {"model": model}
    trained, tokenizer = stand_ins.train_two_hop()
    return {"model": trained, "tokenizer": tokenizer}


def two_hop_game(who: str, answering: dict[str, Any], **settings: Any) -> TextGame:
    """The passages as players, the question fixed, the probability of the right country."""
    prompt = Prompt.from_documents(
        {passage: passage for passage in stand_ins.PASSAGES},
        after=" " + stand_ins.QUESTION.format(who),
        separator=" ",
    )
    country = stand_ins.COUNTRIES[stand_ins.HOMES[who]]
    settings = {"answer": f" {country}", "value": "probability", "progress": False, **settings}
    return TextGame.from_causal_lm(prompt, **answering, **settings)


# ---------------------------------------------------------------------- the trolley
class Chat:
    """A model behind an address, or the stand-in that answers by a reflex.

    Attributes:
        url: Where it is.
        model: Its name there.
        reflex: The stand-in, None if a model was named.
    """

    def __init__(self, url: str | None = None, model: str | None = None) -> None:
        """Take what is named, by an argument or by the environment."""
        self.url = url or os.environ.get(CHAT_URL, "")
        self.model = model or os.environ.get(CHAT_MODEL, "stand-in")
        self.reflex = None if self.url else stand_ins.Reflex()
        if self.reflex:
            self.url = self.reflex.url
            os.environ.setdefault("no_proxy", "127.0.0.1")  # it is on this machine
        self._key = {"key_variable": KEY} if os.environ.get(KEY) and not self.reflex else {}

    def game(self) -> TextGame:
        """The words of the story as players, for the wrong answer against the right one."""
        asked = stand_ins.ASKED
        prompt = Prompt(f"{stand_ins.STORY} {asked}").keep(asked)
        answers = {"answer": stand_ins.WRONG, "against": stand_ins.RIGHT, "interface": "chat"}
        scorer = RemoteScorer(self.url, self.model, prompt, **answers, **self._key)
        return TextGame(prompt, scorer, removal="delete", progress=False)

    def failure_rate(self, story: str, times: int) -> float:
        """How often the answer to a story is wrong at temperature 1."""
        message = {"role": "user", "content": f"{story} {stand_ins.ASKED}"}
        body = {"model": self.model, "messages": [message], "temperature": 1, "max_tokens": 1}
        server = Server(self.url, **self._key)
        replies = [server.post("chat/completions", body) for _ in range(times)]
        right = [each["choices"][0]["message"]["content"].strip() for each in replies]
        return sum(each != stand_ins.RIGHT for each in right) / times

    def close(self) -> None:
        """Stop the stand-in."""
        if self.reflex:
            self.reflex.close()


def replaced(words: dict[str, str], story: str = stand_ins.STORY) -> str:
    """The story with other words."""
    for old, new in words.items():
        story = story.replace(old, new)
    return story


# ---------------------------------------------------------------------- from the command line
def negation(model: str | None) -> None:
    """Print what each word counts alone, and the strongest pair."""
    game = TextGame("The food was not bad at all", sentiment_scorer(model), progress=False)
    _show(game, 2**game.n_players, 2)


def two_hop(model: str | None) -> None:
    """Print the strongest pair of passages."""
    game = two_hop_game("Ann", answer_model(model))
    _show(game, 2**game.n_players, 2)


def trolley(url: str | None, model: str | None, times: int = 100) -> None:
    """Print the four words, and how often the answer is wrong with and without them."""
    chat = Chat(url, model)
    _show(chat.game(), 400, 4)
    for name, story in (("as it was", stand_ins.STORY), ("all four replaced", replaced(FOUR))):
        print(f"{name}: wrong in {chat.failure_rate(story, times):.0%} of {times}")
    chat.close()


def _show(game: TextGame, budget: int, order: int) -> None:
    index = "k-SII" if order == 2 else "BII"
    names = [player.name for player in game.players]
    frame = ProxySPEX(n=len(names), random_state=0).recover(budget, game).to_frame(index, order)
    strongest = frame[frame.order.isin((1, order))].head(6)
    for players, value in zip(strongest.interaction, strongest.value, strict=True):
        print(f"{value:+8.3f}  {' × '.join(names[i] for i in players)}")


def main(arguments: list[str] | None = None) -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=("negation", "two-hop", "trolley"))
    parser.add_argument("--model", help="a published model by name, or a folder")
    parser.add_argument("--url", help="of a server, for the trolley")
    options = parser.parse_args(arguments)
    if options.case == "trolley":
        trolley(options.url, options.model)
    else:
        (negation if options.case == "negation" else two_hop)(options.model)


if __name__ == "__main__":
    main()
