"""From a text to named players, each with its place in the text and its tokens."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Encoding", "Player", "PlayerKind", "TokenIds", "make_players"]

PlayerKind = Literal["tokens", "words", "sentences"]
Span = tuple[int, int]
TokenIds: TypeAlias = "Sequence[int] | NDArray[np.int32]"

_SENTENCE_END = re.compile(
    r"\s*\n\s*"  # a line break
    r"|(?<=[.!?…])\s+"  # white space after a closing mark
    r"""|(?<=[.!?…]["'”’»)\]])\s+"""  # ... which may itself stand inside a quotation or brackets
    r"|(?<=[。！？])(?![。！？」』”])\s*"  # these need no white space after them
)


@dataclass(frozen=True)
class Encoding:
    """A text as a model reads it.

    Attributes:
        ids: The token ids, special tokens included.
        offsets: For every token, the characters ``text[start:end]`` it was made from.
        special: For every token, whether it was added by the tokenizer ([CLS], <s>, ...).
    """

    ids: tuple[int, ...]
    offsets: tuple[Span, ...]
    special: tuple[bool, ...]


@dataclass(frozen=True)
class Player:
    """A piece of the text that is present or absent as a whole.

    Attributes:
        name: The piece itself; a repeated one is numbered ("the", "the (2)"), and white space is
            quoted.
        start: The first character of the piece in the text.
        end: One past its last character.
        tokens: The positions of its tokens in the sequence, special tokens counted.
    """

    name: str
    start: int
    end: int
    tokens: tuple[int, ...]


def make_players(text: str, kind: PlayerKind, encoding: Encoding) -> tuple[Player, ...]:
    r"""Cut a text into players and give every token of the text to exactly one of them.

    A token belongs to the player that holds the first character of the token that is not white
    space, since many tokenizers put the space before a word into its token. A token of white space
    alone belongs to the player after it (the last one at the end of the text), except that among
    "tokens" it is a player itself. Special tokens belong to nobody. A piece of the text for which
    the tokenizer has no token is left out.

    Args:
        text: The text.
        kind: "tokens"; "words", separated by white space; or "sentences", which end at a line
            break and at . ! ? … followed by white space (so does "Dr. "). Tokens made from the
            same character, as byte-level tokenizers make them from an emoji, are one player.
        encoding: The tokens of this text.

    Returns:
        The players in the order of the text.

    Raises:
        ValueError: If the kind is unknown.

    Examples:
        >>> encoding = Encoding((7, 8, 8), ((0, 3), (3, 6), (6, 9)), (False, False, False))
        >>> players = make_players("no, no no", "words", encoding)
        >>> [(player.name, player.tokens) for player in players]
        [('no,', (0,)), ('no', (1,)), ('no (2)', (2,))]
    """
    if kind not in _SPANS:
        msg = f"Players of a text can be {', '.join(get_args(PlayerKind))}, but {kind!r} was given."
        raise ValueError(msg)
    spans = list(_SPANS[kind](text, encoding))
    owned = _tokens_of(text, spans, encoding)
    kept = [(span, tokens) for span, tokens in zip(spans, owned, strict=True) if tokens]
    names = _distinct(_readable(text[start:end]) for (start, end), _ in kept)
    return tuple(
        Player(name, start, end, tuple(tokens))
        for name, ((start, end), tokens) in zip(names, kept, strict=True)
    )


def _words(text: str, _: Encoding) -> Iterator[Span]:
    return (match.span() for match in re.finditer(r"\S+", text))


def _sentences(text: str, _: Encoding) -> list[Span]:
    cuts = [0, len(text)]
    for separator in _SENTENCE_END.finditer(text):
        cuts[-1:-1] = separator.span()
    pieces = zip(cuts[::2], cuts[1::2], strict=True)
    return [_strip(text, *piece) for piece in pieces if text[slice(*piece)].strip()]


def _token_spans(text: str, encoding: Encoding) -> list[Span]:
    """The characters of every token, without outer white space; overlapping ones are joined."""
    spans: list[Span] = []
    for start, end in _text_offsets(encoding):
        first, last = _strip(text, start, end)
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        elif first < last:
            spans.append((first, last))
    return spans


_SPANS = {"tokens": _token_spans, "words": _words, "sentences": _sentences}


def _text_offsets(encoding: Encoding) -> Iterator[Span]:
    return (
        offset
        for offset, special in zip(encoding.offsets, encoding.special, strict=True)
        if not special
    )


def _strip(text: str, start: int, end: int) -> Span:
    """The span without outer white space; as it is when there is nothing else."""
    piece = text[start:end]
    if not piece.strip():
        return start, end
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def _tokens_of(text: str, spans: list[Span], encoding: Encoding) -> list[list[int]]:
    owned: list[list[int]] = [[] for _ in spans]
    ends = [end for _, end in spans]
    for position, (start, end) in enumerate(encoding.offsets):
        if not encoding.special[position] and spans:
            first = _strip(text, start, end)[0]
            owned[min(bisect_right(ends, first), len(spans) - 1)].append(position)
    return owned


def _readable(surface: str) -> str:
    return surface if surface.strip() else repr(surface)


def _distinct(names: Iterable[str]) -> list[str]:
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
