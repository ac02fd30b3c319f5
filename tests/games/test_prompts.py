"""Prompts: texts with fixed parts, documents and chats, and the players they give."""

from __future__ import annotations

import re

import pytest

from fakes import FakeScorer
from shapiq_spex.games import Encoding, Prompt, TextGame, make_players

TEXT = "Answer briefly. The film never fails. It is good."


def shown(prompt):
    return [prompt.text[part.start : part.end] for part in prompt.parts]


def words(text):
    spans = [match.span() for match in re.finditer(r"<\w+>|[^\s<]+", text)]
    return Encoding(tuple(range(len(spans))), tuple(spans), (False,) * len(spans))


def players_of(prompt, players):
    return make_players(prompt, players, words(prompt.text))


def pieces(prompt, players):
    found = players_of(prompt, players)
    return [[prompt.text[slice(*span)] for span in player.spans] for player in found]


# ---------------------------------------------------------------------- texts
def test_all_of_a_text_may_go_until_something_is_kept():
    prompt = Prompt("  " + TEXT)
    assert shown(prompt) == [TEXT]
    kept = prompt.keep("Answer briefly.", (prompt.text.index("It"), len(prompt.text)))
    assert shown(kept) == ["The film never fails."]
    assert pieces(kept, "words") == [["The"], ["film"], ["never"], ["fails."]]
    assert shown(prompt) == [TEXT]


def test_keeping_the_middle_leaves_two_parts_and_cuts_no_player_across():
    prompt = Prompt(TEXT).keep("film never")
    assert shown(prompt) == ["Answer briefly. The", "fails. It is good."]
    assert pieces(prompt, "sentences") == [
        ["Answer briefly."],
        ["The"],
        ["fails."],
        ["It is good."],
    ]


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        ("bad", "stand in the text once .* stands in it 0 times"),
        ("i", "stands in it 4 times; give a longer piece"),
        ("", "0 times"),
        (TEXT, "Nothing of the prompt is left"),
        ((8, 4), r"within 0 to \d+, got \(8, 4\)"),
        ((4, 4000), r"within 0 to \d+, got \(4, 4000\)"),
    ],
)
def test_what_is_kept_must_be_found_and_leave_something(kept, sentence):
    with pytest.raises(ValueError, match=sentence):
        Prompt(TEXT).keep(kept)


def test_kept_tokens_stay_in_every_coalition():
    game = TextGame(
        Prompt(TEXT).keep("Answer briefly."), FakeScorer(), removal="delete", progress=False
    )
    _ = game.empty_coalition_value
    ids = game.scorer.encode(TEXT).ids
    assert game.n_players == 7
    assert game.scorer.seen == [(*ids[:3], ids[-1])]


# ---------------------------------------------------------------------- documents
def test_documents_are_players_as_a_whole_or_in_pieces():
    documents = {"Rome": "Rome is old. It is warm.", "Oslo": "\nOslo is cold.\n"}
    prompt = Prompt.from_documents(documents, before="Read this:\n\n", after="\n\nWhich is cold?")
    assert prompt.text == (
        "Read this:\n\nRome is old. It is warm.\n\n\nOslo is cold.\n\n\nWhich is cold?"
    )
    assert shown(prompt) == ["Rome is old. It is warm.", "Oslo is cold."]
    game = TextGame(prompt, FakeScorer(), progress=False)
    assert [player.name for player in game.players] == ["Rome", "Oslo"]
    assert [len(player.tokens) for player in game.players] == [6, 3]
    assert pieces(prompt, "sentences") == [["Rome is old."], ["It is warm."], ["Oslo is cold."]]


def test_a_list_of_documents_is_numbered():
    prompt = Prompt.from_documents(["a b", "c"], separator="\n---\n")
    assert prompt.text == "a b\n---\nc"
    assert [part.name for part in prompt.parts] == ["document 1", "document 2"]


@pytest.mark.parametrize(
    ("documents", "error", "sentence"),
    [
        ([], ValueError, "at least one document"),
        (["a", " "], ValueError, "text of document 2 is empty; leave it out"),
        (["a", 3], TypeError, "text of document 2 must be a string, but it is a int"),
        ("a", TypeError, "list of texts, or texts by name, but one string"),
    ],
)
def test_odd_documents_are_refused(documents, error, sentence):
    with pytest.raises(error, match=sentence):
        Prompt.from_documents(documents)


# ---------------------------------------------------------------------- chats
CHAT = [
    {"role": "system", "content": "user"},
    {"role": "user", "content": "  Is it good?\n"},
    {"role": "assistant", "content": "assistant"},
    {"role": "user", "content": "Is it good?"},
]


class Template:
    """A chat template; what it does to a content can be chosen."""

    chat_template = "..."

    def __init__(self, change=str, order=list):
        self.change, self.order, self.calls = change, order, 0

    def apply_chat_template(self, messages, *, tokenize, add_generation_prompt, **_):
        assert not tokenize
        self.calls += 1
        shown = [f"<{m['role']}>{self.change(m['content'])}\n" for m in self.order(messages)]
        return "".join(shown) + ("<assistant>" if add_generation_prompt else "")


@pytest.mark.parametrize("change", [str, str.strip])
def test_contents_are_found_even_where_the_template_says_the_same(change):
    template = Template(change)
    prompt = Prompt.from_chat(CHAT, template)
    assert template.calls == 1
    assert prompt.text == template.apply_chat_template(
        CHAT, tokenize=False, add_generation_prompt=True
    )
    assert prompt.rendered
    assert [part.name for part in prompt.parts] == ["user", "assistant", "user"]
    assert shown(prompt) == ["Is it good?", "assistant", "Is it good?"]
    before = [prompt.text[: part.start].rstrip()[-6:] for part in prompt.parts]
    assert before == ["<user>", "stant>", "<user>"]
    names = [player.name for player in players_of(prompt, "parts")]
    assert names == ["user", "assistant", "user (2)"]


def test_messages_stay_by_role_or_by_number():
    assert len(Prompt.from_chat(CHAT, Template(), fixed=()).parts) == 4
    prompt = Prompt.from_chat(CHAT, Template(), fixed=("system", "assistant", 1))
    assert shown(prompt) == ["Is it good?"]
    with pytest.raises(ValueError, match="No message of the chat may go.*keeps all 4"):
        Prompt.from_chat(CHAT, Template(), fixed=("system", "user", "assistant"))


@pytest.mark.parametrize(
    ("one", "names"),
    [("system", ["user", "assistant", "user"]), ("user", ["system", "assistant"]), (3, None)],
)
def test_one_message_or_role_stays_without_a_list(one, names):
    prompt = Prompt.from_chat(CHAT, Template(), fixed=one)
    assert prompt == Prompt.from_chat(CHAT, Template(), fixed=(one,))
    assert [part.name for part in prompt.parts] == (names or ["system", "user", "assistant"])


@pytest.mark.parametrize("wrong", ["sytem", ("system", "tool"), 4, (0, -1), "s"])
def test_messages_that_are_not_there_cannot_stay(wrong):
    with pytest.raises(ValueError, match=r"role \(system, user, assistant\) or by number \(0 to 3"):
        Prompt.from_chat(CHAT, Template(), fixed=wrong)


def test_a_message_without_a_token_of_its_own_is_refused():
    prompt = Prompt.from_chat([{"role": "user", "content": "a"}], Template())
    encoding = Encoding((1,), ((0, len(prompt.text)),), (False,))
    with pytest.raises(ValueError, match="No token of the text begins in the piece 'user'"):
        make_players(prompt, "parts", encoding)


def test_further_settings_reach_the_template():
    assert Prompt.from_chat(CHAT, Template(), add_generation_prompt=False).text.endswith("?\n")


@pytest.mark.parametrize(
    "template",
    [Template(str.upper), Template(order=reversed), Template(order=lambda m: m[1:])],
)
def test_a_template_that_changes_contents_is_refused(template):
    with pytest.raises(ValueError, match="does not show every message once, unchanged and in"):
        Prompt.from_chat(CHAT, template)


def test_a_tokenizer_without_a_template_and_odd_messages_are_refused():
    with pytest.raises(ValueError, match="has no chat template; write the prompt as one text"):
        Prompt.from_chat(CHAT, object())
    with pytest.raises(TypeError, match="text of message 0 must be a string, but it is a list"):
        Prompt.from_chat([{"role": "user", "content": [{"type": "text"}]}], Template())
    with pytest.raises(ValueError, match="text of message 1 is empty"):
        Prompt.from_chat([CHAT[0], {"role": "user", "content": ""}], Template())


# ---------------------------------------------------------------------- pieces by hand
def test_matches_of_a_pattern_are_players_and_the_rest_stays():
    prompt = Prompt(TEXT).keep("Answer briefly.")
    assert pieces(prompt, re.compile(r"[a-z]{4,5}\b")) == [["film"], ["never"], ["fails"], ["good"]]
    assert pieces(prompt, re.compile(r"x*")) == []


def test_pieces_by_text_by_place_by_player_and_together():
    prompt = Prompt(TEXT)
    never = players_of(prompt, "words")[4]
    found = players_of(prompt, ["film", [never, (31, 36)], "It is"])
    assert [player.name for player in found] == ["film", "never + fails", "It is"]
    assert [player.tokens for player in found] == [(3,), (4, 5), (6, 7)]
    assert (found[1].start, found[1].end) == (25, 36)
    found = players_of(prompt, {"praise": ["never", "fails."], "what": "film"})
    assert [(player.name, player.tokens) for player in found] == [
        ("praise", (4, 5)),
        ("what", (3,)),
    ]


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        (["film", "film never"], ValueError, "must not overlap, but 'film' at .* and 'film never'"),
        (["bad"], ValueError, "'bad' must stand in the text once"),
        (["briefly"], ValueError, "'briefly' at .* outside what may go of the prompt"),
        ([(20, 99)], ValueError, "outside what may go"),
        ([(20, 20)], ValueError, "outside what may go"),
        (["eve"], ValueError, "No token of the text begins in the piece 'eve'"),
        ([[3.5]], TypeError, "by its text, by .start, end. or by a player, not by 3.5"),
        (7, TypeError, "compiled pattern, a list of pieces .* but a int was given"),
    ],
)
def test_odd_pieces_are_refused(given, error, sentence):
    with pytest.raises(error, match=sentence):
        players_of(Prompt(TEXT).keep("Answer briefly."), given)


def test_a_list_without_pieces_is_no_game():
    with pytest.raises(ValueError, match="found no player"):
        TextGame(TEXT, FakeScorer(), players=[])


def test_paragraphs_are_separated_by_blank_lines():
    prompt = Prompt("One line\nand another.\n \n\nThe next. \n\nThe last")
    assert pieces(prompt, "paragraphs") == [
        ["One line\nand another."],
        ["The next."],
        ["The last"],
    ]


def test_a_long_name_shows_the_beginning():
    (player,) = players_of(Prompt("word " * 30), "sentences")
    assert player.name == "word " * 11 + "word…"
    assert player.end == 149


def test_white_space_between_a_kept_part_and_a_player_stays():
    text = "Q:  a  b  end"
    spans = [(0, 2), (2, 3), (3, 5), (5, 6), (6, 8), (8, 9), (9, 13)]
    encoding = Encoding(tuple(range(7)), tuple(spans), (False,) * 7)
    found = make_players(Prompt(text).keep("Q:", "end"), "words", encoding)
    assert [player.tokens for player in found] == [(2,), (3, 4)]
