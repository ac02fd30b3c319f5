"""Removal of tokens, against the obvious loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FakeScorer
from shapiq_spex.games import Delete, Filler, Hide, Mask, Neutral, Prompt, TextGame, make_players
from shapiq_spex.games.prompts.removal import Source, make_removal
from shapiq_spex.games.prompts.substitution import Substitution

IDS = np.array([101, 11, 12, 13, 11, 102], dtype=np.int32)
OWNERS = np.array([-1, 0, 1, 1, 2, -1])
ALL = np.array([[bool(i >> j & 1) for j in range(3)] for i in range(8)])
TEXT = "one two three two"


def naive(ids, owners, replacements, coalition):
    sequence = []
    for token, owner, others in zip(ids, owners, replacements, strict=True):
        if owner == -1 or coalition[owner]:
            sequence.append(int(token))
        else:
            sequence += others
    return sequence


def source(text=TEXT, players="words", scorer=None):
    scorer = scorer or FakeScorer()
    encoding = scorer.encode(text)
    found = make_players(Prompt(text), players, encoding)
    return Source(text, encoding, found, scorer, scorer.encode)


class Hiding(FakeScorer):
    can_hide = True


# ---------------------------------------------------------------------- the table applied
@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    data=st.lists(
        st.tuples(st.integers(-1, 3), st.lists(st.integers(0, 9), max_size=3)), min_size=1
    ),
    rows=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1),
)
def test_agrees_with_the_loop(data, rows):
    owners = np.array([owner for owner, _ in data] + [0, 1, 2, 3])
    replacements = [others for _, others in data] + [[7]] * 4
    ids = np.arange(100, 100 + len(owners), dtype=np.int32)
    remove, rows = Substitution(ids, owners, replacements), np.array(rows)
    sequences = remove(rows)
    assert [s.tolist() for s in sequences] == [naive(ids, owners, replacements, x) for x in rows]
    assert remove.lengths(rows).tolist() == [len(s) for s in sequences]
    assert all(s.dtype == np.int32 for s in sequences)
    assert max(map(len, sequences)) <= remove.longest


def test_the_longest_sequence_may_be_that_of_no_one():
    remove = Substitution(IDS, OWNERS, [(5,) * 3] * 6)
    assert remove.longest == max(map(len, remove(ALL))) == 2 + 4 * 3


def test_when_everything_goes_the_empty_token_is_left():
    remove = Substitution(IDS[1:3], np.array([0, 1]), [(), ()], empty_id=5)
    rows = np.array([[False, False], [True, False]])
    assert [s.tolist() for s in remove(rows)] == [[5], [11]]
    assert remove.lengths(rows).tolist() == [1, 1]
    with pytest.raises(ValueError, match="leaves no token at all.*bos_token"):
        Substitution(IDS[1:3], np.array([0, 1]), [(), ()])


def test_the_digest_tells_tables_apart():
    tables = [
        Substitution(IDS, OWNERS, [()] * 6),
        Substitution(IDS, OWNERS, [(1,)] * 6),
        Substitution(IDS, OWNERS, [(1,)] * 6, empty_id=1),
        Substitution(IDS + 1, OWNERS, [()] * 6),
        Substitution(IDS, OWNERS[::-1], [()] * 6),
    ]
    assert len({each.digest() for each in tables}) == 5
    assert tables[0].digest() == Substitution(IDS, OWNERS, [()] * 6).digest()


# ---------------------------------------------------------------------- the tables
def test_tables_of_the_removals():
    ids = source().encoding.ids
    assert Delete().replacements(source()) == [()] * 6
    assert Mask().replacements(source()) == [(3,)] * 6
    assert Hide().replacements(source(scorer=Hiding())) == [(~token,) for token in ids]


def test_a_filler_has_the_length_of_what_it_replaces():
    where = source("a b c d", [["a", "b", "d"], "c"])
    table = Filler("x y").replacements(where)
    x, y = where.scorer.encode("x y").ids[1:-1]
    assert table == [(), (x,), (y,), (x,), (x,), ()]
    with pytest.raises(ValueError, match="at least one token, but ' ' has none"):
        Filler(" ").replacements(where)


def test_a_neutral_text_stands_in_every_place_of_a_player():
    where = source("anna met bob and anna left", [[(0, 4), (17, 21)], "bob"])
    table = Neutral("some one").replacements(where)
    assert [len(each) for each in table] == [0, 2, 0, 2, 0, 2, 0, 0]
    replaced = where.scorer.encode("some one met bob and anna left").ids
    assert table[1] == replaced[1:3]


def test_neutral_texts_by_name():
    game = TextGame(
        "anna met bob", FakeScorer(), removal=Neutral({"anna": "x", "met": "", "bob": "y z"})
    )
    lengths = [len(s) for s in game._substitution(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) == 1)]
    assert lengths == [5, 4, 6]
    with pytest.raises(ValueError, match="one text for each player.*'bob', 'bod'"):
        Neutral({"anna": "x", "met": "", "bod": "y"}).replacements(source("anna met bob"))


def test_a_neutral_text_without_a_token_is_refused():
    class Swallowing(FakeScorer):
        def encode(self, text):
            return super().encode(text.replace("...", "   "))

    with pytest.raises(ValueError, match="'...' has no token of its own in the place of 'one'"):
        Neutral().replacements(source(scorer=Swallowing()))


# ---------------------------------------------------------------------- refusals
def test_mask_needs_a_mask_token_and_names_what_works():
    sentence = "needs a mask token.*use removal='delete' or 'neutral' or 'filler';?"
    with pytest.raises(ValueError, match=sentence + r"\.$"):
        Mask().replacements(source(scorer=FakeScorer(mask_id=None)))
    with pytest.raises(ValueError, match="'filler' or 'attention'"):
        Mask().replacements(source(scorer=Hiding(mask_id=None)))


def test_hiding_needs_a_model_that_can_and_tokens_that_stay():
    with pytest.raises(ValueError, match="no attention mask.*'delete' or .*'filler' or 'mask'"):
        Hide().replacements(source())
    with pytest.raises(ValueError, match="every token belongs to a player"):
        Hide().replacements(source(scorer=Hiding(special=False)))


def test_a_causal_model_must_not_answer_from_a_player():
    class Causal(Hiding):
        is_causal = True

    scorer = Causal(special=False)
    with pytest.raises(ValueError, match="causal model answers from the last token"):
        Hide().replacements(source(players=["two three two"], scorer=scorer))
    assert Hide().replacements(source(players=["one"], scorer=scorer))


def test_unknown_removal_names_the_known_ones():
    with pytest.raises(ValueError, match="mask, delete, neutral, filler or attention.*but 'blur'"):
        make_removal("blur")
    with pytest.raises(ValueError, match="but 3 was given"):
        make_removal(3)
    assert make_removal("filler") == Filler()
    assert make_removal(Neutral("x")) == Neutral("x")
