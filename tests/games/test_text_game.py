"""TextGame on a scorer without torch: values, memory, progress, errors."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import EMPTY, MASK, START, STOP, FakeScorer
from shapiq_spex.games import TextGame

TEXT = "one two three two"


def all_coalitions(n):
    return np.array([[bool(i >> j & 1) for j in range(n)] for i in range(2**n)])


def make(text=TEXT, scorer=None, **settings):
    return TextGame(text, scorer or FakeScorer(), **{"progress": False, **settings})


def naive(scorer, text, coalition, removal):
    words = scorer.encode(text).ids[1:-1]
    gone = [MASK] if removal == "mask" else []
    sequence = [START]
    for word, here in zip(words, coalition, strict=True):
        sequence += [word] if here else gone
    return scorer.value([*sequence, STOP])


@pytest.mark.parametrize("removal", ["mask", "delete"])
def test_agrees_with_one_text_at_a_time(removal):
    game = make(removal=removal)
    expected = [naive(game.scorer, TEXT, row, removal) for row in all_coalitions(4)]
    values = game(all_coalitions(4))
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == np.float64
    assert game.n_evaluated == len(game.scorer.seen)


def test_values_are_not_centred():
    game = make()
    assert game.empty_coalition_value == game.scorer.value([START, *[MASK] * 4, STOP]) != 0
    assert game.grand_coalition_value == game.scorer.value([START, 13, 12, 11, 12, STOP])
    assert isinstance(game.grand_coalition_value, float)


def test_coalitions_can_be_given_by_name_and_as_integers():
    game = make()
    by_row = game(np.array([[1, 0, 0, 1]]))
    assert game([("one", "two (2)")]) == by_row == game([(0, 3)])


def test_equal_coalitions_are_run_once_within_a_call_and_across_calls():
    game = make()
    rows = all_coalitions(4)
    first = game(np.concatenate([rows[:8], rows[:8]]))
    assert game.n_evaluated == 8
    second = game(rows)
    assert game.n_evaluated == 16 == len(set(game.scorer.seen))
    np.testing.assert_array_equal(first, np.tile(second[:8], 2))


def test_equal_sequences_of_different_coalitions_are_run_once():
    game = make("go go go", removal="delete")
    game(all_coalitions(3)[:4])
    game(all_coalitions(3))
    assert game.n_evaluated == 4


@pytest.mark.parametrize("failure", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_what_was_run_before_a_failure_is_kept(failure):
    scorer = FakeScorer(batch=4)
    game = make(scorer=scorer)
    scorer.fail_after, scorer.failure = 8, failure
    with pytest.raises(type(failure)):
        game(all_coalitions(4))
    assert game.n_evaluated == 8
    scorer.fail_after = None
    values = game(all_coalitions(4))
    assert len(scorer.seen) == 16
    np.testing.assert_array_equal(values, make()(all_coalitions(4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_counted_and_the_others_kept(bad, monkeypatch):
    game = make()
    good = game.scorer.value
    monkeypatch.setattr(game.scorer, "value", lambda s: bad if s[1] == MASK else good(s))
    rows = all_coalitions(4)
    with pytest.raises(ValueError, match="no finite number .* for 8 of 16 coalitions"):
        game(rows)
    monkeypatch.undo()
    np.testing.assert_array_equal(game(rows), make()(rows))
    assert game.n_evaluated == 16 + 8


def test_the_bar_counts_sequences_to_run(capsys):
    game = make("go go go", removal="delete", progress=True)
    game(all_coalitions(3)[:4])
    game(all_coalitions(3))
    assert "3/3" in (shown := capsys.readouterr().err)
    assert "1/1" in shown
    assert "text/s" in shown


def test_no_bar_when_nothing_is_to_be_run(capsys):
    game = make(progress=True)
    game(all_coalitions(4))
    capsys.readouterr()
    game(all_coalitions(4))
    assert capsys.readouterr().err == ""


def test_the_bar_can_be_silenced(capsys):
    make(progress=False)(all_coalitions(4))
    assert capsys.readouterr().err == ""


def test_zero_coalitions_have_zero_values():
    values = make().value_function(np.zeros((0, 4), dtype=bool))
    assert values.shape == (0,)
    assert values.dtype == np.float64


@pytest.mark.parametrize(
    ("coalitions", "error", "sentence"),
    [
        (np.ones((2, 3), dtype=bool), ValueError, r"4 players, but their shape is \(2, 3\)"),
        (np.ones(4, dtype=bool), ValueError, r"reshape a single coalition to \(1, 4\)"),
        (np.full((1, 4), 2), ValueError, "only hold 0"),
        (np.full((1, 4), -1), ValueError, "only hold 0"),
        (np.ones((1, 4)), TypeError, "their type is float64"),
        (np.array([["a"] * 4]), TypeError, "must be bool or 0/1 integers"),
    ],
)
def test_odd_coalitions_are_refused_before_anything_is_run(coalitions, error, sentence):
    game = make()
    with pytest.raises(error, match=sentence):
        game.value_function(coalitions)
    assert game.n_evaluated == 0


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(ValueError, match="at least one word"):
        make(text)


def test_a_text_must_be_a_string():
    with pytest.raises(TypeError, match="its text as a string, but was given a list"):
        make(["a", "b"])


def test_unknown_players_and_removals_are_refused():
    with pytest.raises(ValueError, match="tokens, words, sentences, paragraphs, parts"):
        make(players="letters")
    with pytest.raises(ValueError, match="mask, delete, neutral, filler or attention"):
        make(removal="blur")


def test_a_text_longer_than_the_model_reads_is_refused():
    with pytest.raises(ValueError, match="has 6 tokens.*at most 5"):
        make(scorer=FakeScorer(max_tokens=5))
    assert make(scorer=FakeScorer(max_tokens=6)).n_players == 4


def test_a_text_without_tokens_is_refused(monkeypatch):
    scorer = FakeScorer()
    monkeypatch.setattr(scorer, "encode", lambda _: FakeScorer.encode(scorer, ""))
    with pytest.raises(ValueError, match="found no player in"):
        make("\u200d", scorer)


def test_removal_errors_come_when_the_game_is_made():
    with pytest.raises(ValueError, match="use removal='delete'"):
        make(scorer=FakeScorer(mask_id=None))
    with pytest.raises(ValueError, match="leaves no token at all"):
        make(scorer=FakeScorer(special=False, empty_id=None), removal="delete")


def test_an_empty_text_is_the_empty_token_when_there_is_no_special_one():
    scorer = FakeScorer(special=False)
    game = make(scorer=scorer, removal="delete")
    assert game.empty_coalition_value == scorer.value([EMPTY])


def test_one_word_alone_is_a_game():
    game = make("word")
    assert game.n_players == 1
    assert game(np.array([[0], [1]])).tolist() == [
        game.scorer.value([START, MASK, STOP]),
        game.scorer.value([START, 10, STOP]),
    ]


def test_sentences_and_tokens_are_players_too():
    assert [p.name for p in make("a b. c d.", players="sentences").players] == ["a b.", "c d."]
    assert make("a b. c d.", players="tokens").n_players == 4


def test_the_game_can_be_precomputed_by_shapiq():
    game = make()
    game.precompute()
    evaluated = game.n_evaluated
    assert game.grand_coalition_value == make().grand_coalition_value
    assert game.n_evaluated == evaluated == 16


def test_outputs_are_kept_as_they_are_and_aggregated_by_the_scorer():
    class Two(FakeScorer):
        def score(self, sequences):
            for index, values in super().score(sequences):
                yield index, np.stack([values, values**2], axis=1)

        def aggregate(self, outputs):
            return outputs[:, 1] - outputs[:, 0]

    game, plain, rows = make(scorer=Two()), make(), all_coalitions(4)
    values = plain(rows)
    np.testing.assert_array_equal(game.outputs(rows), np.stack([values, values**2], axis=1))
    np.testing.assert_array_equal(game(rows), values**2 - values)
    assert plain.outputs(rows).shape == (16, 1)
    np.testing.assert_array_equal(plain.aggregate(plain.outputs(rows)), values)
    assert game.outputs(rows[:0]).shape == (0, 0)
    assert game.value_function(rows[:0]).shape == (0,)
    monkey = make(scorer=Two())
    monkey.scorer.aggregate = lambda outputs: np.where(outputs[:, 0] > 0, np.inf, 0.0)
    with pytest.raises(ValueError, match="no finite number"):
        monkey(rows)


def test_several_outputs_need_an_aggregation():
    class Two(FakeScorer):
        def score(self, sequences):
            for index, values in super().score(sequences):
                yield index, np.stack([values, values], axis=1)

    with pytest.raises(ValueError, match="Two gives 2 outputs a row, but no `aggregate`"):
        make(scorer=Two())(all_coalitions(4))


def test_the_identity_is_the_scorers_and_that_of_the_text():
    scorer = FakeScorer()
    assert not hasattr(make(scorer=scorer), "identity")
    scorer.identity = {"model": "fake"}
    game = make(scorer=scorer)
    assert game.identity["model"] == "fake"
    assert game.identity["players"][1] == ["two", [[4, 7]]]
    others = [
        make(scorer=scorer, removal="delete"),
        make(scorer=scorer, players=["one", "two three"]),
        make("one two three four", scorer=scorer),
    ]
    assert all(other.identity != game.identity for other in others)


def test_tokens_are_counted_without_running_anything():
    game, rows = make(removal="delete"), all_coalitions(4)
    counted = game.n_tokens(rows)
    assert game.n_evaluated == 0
    game(rows)
    assert sorted(counted) == sorted(2 + rows.sum(axis=1))
    assert make().n_tokens(rows).tolist() == [6] * 16


def test_a_scorer_with_one_reading_says_so():
    with pytest.raises(TypeError, match="FakeScorer can be read in one way only"):
        make().read_as(label=1)


def test_players_can_be_taken_from_another_game_and_grouped():
    words = make().players
    game = make(players={"first": words[:2], "rest": [words[2], words[3]]})
    assert [(p.name, p.tokens) for p in game.players] == [("first", (1, 2)), ("rest", (3, 4))]
    rows = np.array([[1, 0], [0, 1]])
    np.testing.assert_array_equal(game(rows), make()(np.repeat(rows, 2, axis=1)))
