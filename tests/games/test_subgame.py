"""Players taken together or held fixed, against the definition over all coalitions."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapiq import Game

import naive
from fakes import FakeScorer
from shapiq_spex import SPEX, Evaluator, TextGame
from shapiq_spex.games import Prompt, Subgame, groups_of


class TableGame(Game):
    """Looks values up, and may be centred as shapiq's games are."""

    def __init__(self, n, *, names=None, centre=0.0):
        super().__init__(n, normalize=True, normalization_value=centre, player_names=names)
        self.asked = []

    def value_function(self, coalitions):
        self.asked += [tuple(np.flatnonzero(row)) for row in coalitions]
        table = np.random.default_rng(self.n_players).normal(size=2**self.n_players)
        return naive.as_game(table)(coalitions)


@st.composite
def groupings(draw):
    """A number of players, disjoint groups of some of them, and what the others do."""
    n = draw(st.integers(1, 6))
    owners = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    groups = [[i for i in range(n) if owners[i] == group] for group in range(3)]
    groups = [group for group in draw(st.permutations(groups)) if group]
    return n, groups or [[0]], draw(st.sampled_from(["present", "absent"]))


@given(groupings(), st.sampled_from([0.0, 1.5]))
def test_it_is_the_game_of_the_definition(case, centre):
    n, groups, others = case
    game = TableGame(n, centre=centre)
    subgame = Subgame(game, groups, others=others)
    rest = set(range(n)) - {player for group in groups for player in group}
    fixed = rest if others == "present" else set()
    for row in naive.rows(len(groups)):
        players = fixed.union(*(groups[i] for i in np.flatnonzero(row)))
        expected = game([tuple(sorted(players))])
        np.testing.assert_array_equal(subgame(row[np.newaxis]), expected)


@given(groupings())
def test_a_subgame_of_a_subgame_is_one(case):
    n, groups, others = case
    outer = Subgame(TableGame(n), groups, others=others)
    inner = Subgame(outer, [range(len(groups))])
    together = sorted(player for group in groups for player in group)
    direct = Subgame(TableGame(n), [together], others=others)
    rows = naive.rows(1)
    np.testing.assert_array_equal(inner(rows), direct(rows))


@given(groupings())
def test_all_players_as_groups_of_one_are_the_game(case):
    n, _, others = case
    rows = naive.rows(n)
    np.testing.assert_array_equal(
        Subgame(TableGame(n), range(n), others=others)(rows), TableGame(n)(rows)
    )


def test_what_was_paid_in_one_view_is_paid_in_all():
    game = TableGame(5)
    paid = Evaluator(game, progress=False)
    views = [Subgame(paid, [[0, 1], [2, 3, 4]]), Subgame(paid, [0, 1]), Subgame(paid, range(5))]
    for view in views:
        view(naive.rows(view.n_players))
    assert len(game.asked) == len(set(game.asked)) == 2**5
    assert all(view.keeps_values for view in views)
    assert not Subgame(game, [0]).keeps_values


def test_an_evaluator_in_front_keeps_two_views_apart(tmp_path):
    one, other = (Subgame(TableGame(4), groups) for groups in ([[0, 1], 2], [[0, 2], 1]))
    with Evaluator(one, store=tmp_path / "values", progress=False) as evaluator:
        np.testing.assert_array_equal(evaluator(naive.rows(2)), one(naive.rows(2)))
    with pytest.raises(ValueError, match="groups"):
        Evaluator(other, store=tmp_path / "values")


def test_names_are_those_given_or_those_of_the_players():
    game = TableGame(4, names=["not", "bad", "at", "all"])
    assert Subgame(game, [[1, 0], 3]).names == ["not bad", "all"]
    assert Subgame(game, {"a": [0], "b": [2]}).names == ["a", "b"]
    assert Subgame(TableGame(3), [[0, 2], 1]).names == ["0 2", "1"]
    assert len(Subgame(TableGame(90), [range(90)]).names[0]) <= 60
    alike = TableGame(60, names=[f"long name number {i}" for i in range(60)])
    halves = Subgame(alike, [[0, 1, 2, 3, 10], [4, 0 + 5]])
    assert len(set(halves.names)) == 2


def test_it_travels_and_is_explained():
    game = Subgame(TableGame(6), [[0, 5], 2, 3])
    sent = pickle.loads(pickle.dumps(game))
    rows = naive.rows(3)
    np.testing.assert_array_equal(sent(rows), game(rows))
    found = SPEX(n=3, index="SV", max_order=1).approximate(8, game)
    total = sum(found[(i,)] for i in range(3))
    assert total == pytest.approx(game.grand_coalition_value - game.empty_coalition_value)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([], "none was given"),
        ([[0], []], "one is empty"),
        ([[0, 1], [1]], "players [1] are unknown or in two groups"),
        ([[0, 0]], "players [0] are"),
        ([0, 4, -1], "players [-1, 4] are unknown"),
    ],
)
def test_bad_groups_are_refused(groups, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Subgame(TableGame(4), groups)


def test_other_bad_input_is_refused():
    with pytest.raises(TypeError, match=r"Evaluator\(function, n_players\)"):
        Subgame(lambda x: x.sum(axis=1), [0])
    with pytest.raises(ValueError, match="others can be present, absent, but 'gone'"):
        Subgame(TableGame(2), [0], others="gone")
    with pytest.raises(ValueError, match="one column for each of the 2 players"):
        Subgame(TableGame(4), [0, 1]).value_function(np.ones((1, 4), dtype=bool))


# ---------------------------------------------------------------------- pieces of a text
def grouped(text, pieces, **settings):
    game = TextGame(text, FakeScorer(), progress=False, **settings)
    names = [player.name for player in game.players]
    groups = groups_of(game, pieces)
    assert sorted(i for group in groups.values() for i in group) == list(range(len(names)))
    return {name: [names[i] for i in group] for name, group in groups.items()}


def test_words_go_with_their_sentence():
    assert grouped("Not bad. Not at all!\nA film", "sentences") == {
        "Not bad.": ["Not", "bad."],
        "Not at all!": ["Not (2)", "at", "all!"],
        "A film": ["A", "film"],
    }


def test_words_and_sentences_go_with_their_document():
    prompt = Prompt.from_documents(["One. Two.", "Three four."], before="Read: ", after=" Well?")
    assert grouped(prompt, "parts", players="sentences") == {
        "document 1": ["One.", "Two."],
        "document 2": ["Three four."],
    }
    assert grouped(prompt, "sentences", players="words") == {
        "One.": ["One."],
        "Two.": ["Two."],
        "Three four.": ["Three", "four."],
    }


def test_players_between_pieces_go_with_the_earlier_one():
    text = "a first b second c"
    assert grouped(text, re.compile("first|second")) == {
        "first": ["a", "first", "b"],
        "second": ["second", "c"],
    }


def test_players_of_a_view_of_a_text_go_with_their_pieces():
    game = TextGame("Not bad. Not at all! A film", FakeScorer(), progress=False)
    view = Subgame(Evaluator(game, progress=False), [6, [1, 2], 3])
    assert groups_of(view, "sentences") == {"Not bad.": [1], "Not at all!": [2], "A film": [0]}
    further = Subgame(Evaluator(view, progress=False), [[0, 1], 2])
    assert groups_of(further, "sentences") == {"Not bad.": [0], "Not at all!": [1]}
    with pytest.raises(TypeError, match="TableGame is no TextGame, nor a Subgame or an Evaluator"):
        groups_of(Subgame(TableGame(3), [0, 1]), "words")


def test_pieces_of_several_places_and_empty_ones():
    text = "one two three four five"
    groups = {"odd": ["one", "three", "five"], "even": ["two", "four"]}
    assert grouped(text, groups) == groups
    assert grouped(text, "words", players=["one", "four five"]) == {
        "one": ["one"],
        "four": ["four five"],
    }
