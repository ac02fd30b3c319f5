"""Players: their names, places and tokens."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapiq_spex.games import Encoding, Prompt
from shapiq_spex.games import make_players as make_players_of

KINDS = ("tokens", "words", "sentences", "paragraphs")
ODD_TEXTS = (
    "a",
    "  leading and trailing  ",
    "tabs\tand\n\nnew\r\nlines",
    "the cat and the dog and the the (2)",
    "don't stop!? (really...) 3.14",
    "naïve café, Ünïcödé — 東京。日本！",
    "smile 😀😀 family 👨‍👩‍👧 done",
    "e\u0301 combining\u00a0no-break\u3000wide",
    'He said "Go." Then he left… Dr. No stayed.\nEnd',
    " \n ?",
)


def make_players(text, kind, encoding):
    return make_players_of(Prompt(text), kind, encoding)


def characters(text):
    """One token per character."""
    return _encoding((i, i + 1) for i in range(len(text)))


def utf8_bytes(text):
    """One token per byte: several share one character."""
    return _encoding((i, i + 1) for i, c in enumerate(text) for _ in c.encode())


def spaced_words(text):
    """The one white space character before a word is in its token, as in GPT-2."""
    return _encoding(match.span() for match in re.finditer(r"\s?\S+|\s", text))


def halves(text):
    """Words cut in the middle; white space has no token, as in BERT."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    return _encoding(
        half
        for start, end in spans
        for half in ((start, (start + end) // 2), ((start + end) // 2, end))
    )


ENCODERS = (characters, utf8_bytes, spaced_words, halves)


def _encoding(spans):
    """Wrap the spans in one special token on each side."""
    offsets = ((0, 0), *spans, (0, 0))
    n = len(offsets)
    return Encoding(tuple(range(n)), offsets, (True, *[False] * (n - 2), True))


def check_laws(text, encoding, kind):
    players = make_players(text, kind, encoding)
    owned = [token for player in players for token in player.tokens]
    text_tokens = [i for i, special in enumerate(encoding.special) if not special]
    assert sorted(owned) == text_tokens
    assert all(player.tokens for player in players)
    names = [player.name for player in players]
    assert len(set(names)) == len(names)
    for player in players:
        surface = text[player.start : player.end]
        assert surface
        assert player.name.startswith(surface) or player.name.startswith(repr(surface))
    assert all(left.end <= right.start for left, right in pairwise(players))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_every_text_token_has_one_owner(text, encode, kind):
    check_laws(text, encode(text), kind)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    text=st.text(alphabet=" \t\n.!?…。”)(2abé😀東\u00a0", min_size=1).filter(str.strip),
    encode=st.sampled_from(ENCODERS),
    kind=st.sampled_from(KINDS),
)
def test_every_text_token_has_one_owner_in_any_text(text, encode, kind):
    check_laws(text, encode(text), kind)


def test_words_are_separated_by_white_space_and_numbered_when_repeated():
    text = " the cat,\tthe\ncat the (2)"
    players = make_players(text, "words", spaced_words(text))
    assert [p.name for p in players] == ["the", "cat,", "the (2)", "cat", "the (3)", "(2)"]
    assert [p.tokens for p in players] == [(1,), (2,), (3,), (4,), (5,), (6,)]


def test_numbering_avoids_a_name_that_is_there():
    text = "a. (2)\na.\na. (2)\na."
    names = [p.name for p in make_players(text, "sentences", halves(text))]
    assert names == ["a.", "(2)", "a. (2)", "a. (3)", "(2) (2)", "a. (4)"]


def test_a_word_owns_all_its_pieces():
    players = make_players("ab cdef", "words", halves("ab cdef"))
    assert [p.tokens for p in players] == [(1, 2), (3, 4)]


def test_white_space_tokens_go_to_the_next_word_and_at_the_end_to_the_last():
    players = make_players("a  b ", "words", characters("a  b "))
    assert [p.tokens for p in players] == [(1,), (2, 3, 4, 5)]


def test_bytes_of_one_character_are_one_player():
    players = make_players("a 😀!", "tokens", utf8_bytes("a 😀!"))
    assert [(p.name, p.tokens) for p in players] == [
        ("a", (1,)),
        ("' '", (2,)),
        ("😀", (3, 4, 5, 6)),
        ("!", (7,)),
    ]


def test_tokens_that_share_a_character_are_one_player_with_all_their_characters():
    players = make_players("東京都 x", "tokens", _encoding([(0, 2), (1, 3), (4, 5)]))
    assert [(p.name, p.tokens) for p in players] == [("東京都", (1, 2)), ("x", (3,))]


def test_the_space_inside_a_token_is_not_part_of_the_player():
    players = make_players("to be", "tokens", spaced_words("to be"))
    assert [(p.name, p.start, p.end) for p in players] == [("to", 0, 2), ("be", 3, 5)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("Pi is 3.14, e.g. here", ["Pi is 3.14, e.g.", "here"]),
        ("Really?! Yes... no", ["Really?!", "Yes...", "no"]),
        ('"Go." (He went.) End', ['"Go."', "(He went.)", "End"]),
        ("\n title\n\nbody one. \n two  ", ["title", "body one.", "two"]),
        ("東京。日本！？終", ["東京。", "日本！？", "終"]),
    ],
)
def test_sentences(text, expected):
    players = make_players(text, "sentences", characters(text))
    assert [p.name for p in players] == expected


def test_a_piece_without_a_token_is_left_out():
    encoding = _encoding([(0, 1), (4, 5)])
    assert [p.name for p in make_players("a \u200d b", "words", encoding)] == ["a", "b"]


def test_a_token_without_characters_joins_the_next_player():
    encoding = _encoding([(0, 0), (0, 1), (1, 1), (2, 3), (3, 3)])
    for kind in ("tokens", "words"):
        players = make_players("a b", kind, encoding)
        assert [p.tokens for p in players] == [(1, 2), (3, 4, 5)]


def test_unknown_kind_names_the_known_ones():
    with pytest.raises(
        ValueError, match="tokens, words, sentences, paragraphs, parts, but 'letters'"
    ):
        make_players("a", "letters", characters("a"))
