"""From a prompt to named players, each with its places in the text and its tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from shapiq_spex.games.prompts.spans import cut, find_once, owners_of_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shapiq_spex.games.prompts.prompt import Prompt
    from shapiq_spex.games.prompts.spans import Encoding, Span

__all__ = ["Player", "PlayerKind", "Players", "distinct", "make_players", "readable"]

PlayerKind = Literal["tokens", "words", "sentences", "paragraphs", "parts"]
Piece: TypeAlias = "str | Span | Player"
Players: TypeAlias = (
    "PlayerKind | re.Pattern[str] | Sequence[Piece | Sequence[Piece]] "
    "| Mapping[str, Piece | Sequence[Piece]]"
)

_LONGEST_NAME = 60  # characters; of a longer piece the name shows the beginning


@dataclass(frozen=True)
class Player:
    """A piece of the text, or several, present or absent as a whole.

    Attributes:
        name: The piece itself, the beginning of a long one; a repeated one is numbered ("the",
            "the (2)"), and white space is quoted.
        spans: The characters ``text[start:end]`` of every piece.
        tokens: The positions of its tokens in the sequence, special tokens counted.
    """

    name: str
    spans: tuple[Span, ...]
    tokens: tuple[int, ...]

    @property
    def start(self) -> int:
        """The first character of the first piece."""
        return self.spans[0][0]

    @property
    def end(self) -> int:
        """One past the last character of the last piece."""
        return self.spans[-1][1]


def make_players(prompt: Prompt, players: Players, encoding: Encoding) -> tuple[Player, ...]:
    r"""Cut what may go of a prompt into players and give them their tokens.

    Which token belongs to whom is said in `shapiq_spex.games.prompts.spans.owners_of_tokens`.
    Tokens of no player, special tokens among them, always stay. Tokens made from the same
    character, as byte-level tokenizers make them from an emoji, are one player.

    Args:
        prompt: The text, and the parts of it that may go.
        players: "tokens"; "words", separated by white space; "sentences", which end at a line
            break and at . ! ? … followed by white space (so does "Dr. "); "paragraphs", between
            blank lines; "parts", the documents or messages a prompt is made of, each as a whole; a
            compiled pattern, whose matches are the players; a list of pieces, each given by its
            characters (start, end), by its text if that occurs once, by a player of another game
            on this text, or by a list of these, which go together; or such pieces by name.
        encoding: The tokens of this text.

    Returns:
        The players, in the order of the text or of the list. A word, sentence or match for which
        the tokenizer has no token is left out.

    Raises:
        TypeError: If the players are described in no such way.
        ValueError: If the kind is unknown, or if a piece cannot be found, overlaps another, lies
            outside the parts that may go, or has no token.

    Examples:
        >>> from shapiq_spex.games import Encoding, Prompt
        >>> encoding = Encoding((7, 8, 8), ((0, 3), (3, 6), (6, 9)), (False, False, False))
        >>> found = make_players(Prompt("no, no no"), "words", encoding)
        >>> [(player.name, player.tokens) for player in found]
        [('no,', (0,)), ('no', (1,)), ('no (2)', (2,))]
        >>> found = make_players(Prompt("no, no no"), [["no,", (7, 9)], (4, 6)], encoding)
        >>> [(player.name, player.tokens) for player in found]
        [('no, + no', (0, 2)), ('no', (1,))]
    """
    if isinstance(players, (str, re.Pattern)):
        names, groups = _by_rule(prompt, players, encoding)
    else:
        names, groups = _given(prompt, players)
    owned = _tokens_of(prompt.text, groups, encoding)
    if players == "parts" or not isinstance(players, (str, re.Pattern)):
        _refuse_without_tokens(names, owned)
    kept = [i for i, tokens in enumerate(owned) if tokens]
    unique = distinct(readable(names[i]) for i in kept)
    return tuple(
        Player(name, tuple(groups[i]), owned[i]) for name, i in zip(unique, kept, strict=True)
    )


def _by_rule(
    prompt: Prompt, rule: str | re.Pattern[str], encoding: Encoding
) -> tuple[list[str], list[list[Span]]]:
    if isinstance(rule, str) and rule not in get_args(PlayerKind):
        msg = f"Players can be {', '.join(get_args(PlayerKind))}, but {rule!r} was given."
        raise ValueError(msg)
    if rule == "parts":
        return [part.name for part in prompt.parts], [[part.span] for part in prompt.parts]
    spans = []
    for part in prompt.parts:
        if isinstance(rule, str):
            spans += cut(prompt.text, part.span, rule, encoding)
        else:
            spans += [m.span() for m in rule.finditer(prompt.text, *part.span) if m.group()]
    return [prompt.text[slice(*span)] for span in spans], [[span] for span in spans]


def _given(prompt: Prompt, players: Any) -> tuple[list[str], list[list[Span]]]:
    if isinstance(players, Mapping):
        groups = [_group(prompt, each) for each in players.values()]
        names = [str(name) for name in players]
    elif isinstance(players, Sequence):
        groups = [_group(prompt, each) for each in players]
        texts = ([prompt.text[slice(*span)] for span in group] for group in groups)
        names = [" + ".join(dict.fromkeys(each)) for each in texts]
    else:
        msg = (
            f"Players must be a kind ({', '.join(get_args(PlayerKind))}), a compiled pattern, a "
            f"list of pieces or pieces by name, but a {type(players).__name__} was given."
        )
        raise TypeError(msg)
    _refuse_overlap(prompt.text, sorted(span for group in groups for span in group))
    return names, groups


def _group(prompt: Prompt, group: Any) -> list[Span]:
    single = isinstance(group, (str, Player)) or _is_span(group)
    pieces = [group] if single else list(group)
    return sorted(span for piece in pieces for span in _spans_of(prompt, piece))


def _spans_of(prompt: Prompt, piece: Any) -> tuple[Span, ...]:
    if isinstance(piece, Player):
        spans = piece.spans
    elif isinstance(piece, str):
        spans = (find_once(prompt.text, piece),)
    elif _is_span(piece):
        spans = ((int(piece[0]), int(piece[1])),)
    else:
        msg = f"A player is given by its text, by (start, end) or by a player, not by {piece!r}."
        raise TypeError(msg)
    for start, end in spans:
        if not any(part.start <= start < end <= part.end for part in prompt.parts):
            msg = (
                f"The piece {prompt.text[max(start, 0) : end]!r} at {(start, end)} lies, in whole "
                f"or in part, outside what may go of the prompt."
            )
            raise ValueError(msg)
    return spans


def _is_span(piece: Any) -> bool:
    numbers = isinstance(piece, (tuple, list)) and len(piece) == 2
    return numbers and all(hasattr(number, "__index__") for number in piece)


def _refuse_overlap(text: str, spans: list[Span]) -> None:
    for left, right in pairwise(spans):
        if left[1] > right[0]:
            msg = (
                f"Players must not overlap, but {text[slice(*left)]!r} at {left} and "
                f"{text[slice(*right)]!r} at {right} do."
            )
            raise ValueError(msg)


def _refuse_without_tokens(names: list[str], owned: list[tuple[int, ...]]) -> None:
    for name, tokens in zip(names, owned, strict=True):
        if not tokens:
            msg = (
                f"No token of the text begins in the piece {name!r}, so it cannot go; widen it to "
                f"whole words."
            )
            raise ValueError(msg)


def _tokens_of(text: str, groups: list[list[Span]], encoding: Encoding) -> list[tuple[int, ...]]:
    pieces = sorted((span, number) for number, group in enumerate(groups) for span in group)
    owned: list[list[int]] = [[] for _ in groups]
    owners = owners_of_tokens(text, [span for span, _ in pieces], encoding)
    for position, piece in enumerate(owners):
        if piece >= 0:
            owned[pieces[piece][1]].append(position)
    return [tuple(tokens) for tokens in owned]


def readable(surface: str) -> str:
    """The text itself, the beginning of a long one, white space in quotation marks."""
    shown = surface if surface.strip() else repr(surface)
    return shown if len(shown) <= _LONGEST_NAME else shown[: _LONGEST_NAME - 1].rstrip() + "…"


def distinct(names: Iterable[str]) -> list[str]:
    """Number repeated names, never into a name that is already there."""
    counts: dict[str, int] = {}
    result: dict[str, None] = {}
    for name in names:
        candidate = name
        while candidate in result:
            counts[name] = counts.get(name, 1) + 1
            candidate = f"{name} ({counts[name]})"
        result[candidate] = None
    return list(result)
