"""Where a text can be cut: stretches of characters, found by rule, by pattern or by hand."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Encoding", "Span", "TokenIds", "cut", "find_once", "owners_of_tokens", "strip"]

Span = tuple[int, int]
TokenIds: TypeAlias = "Sequence[int] | NDArray[np.int32]"

_WORD = re.compile(r"\S+")
_PARAGRAPH_END = re.compile(r"\s*\n[^\S\n]*\n\s*")
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


def cut(text: str, part: Span, kind: str, encoding: Encoding) -> list[Span]:
    """Cut a part of a text into "tokens", "words", "sentences" or "paragraphs", in order.

    Examples:
        >>> cut("no. Not so", (0, 10), "sentences", Encoding((), (), ()))
        [(0, 3), (4, 10)]
    """
    if kind == "tokens":
        return _tokens(text, part, encoding)
    if kind == "words":
        return [match.span() for match in _WORD.finditer(text, *part)]
    separator = _SENTENCE_END if kind == "sentences" else _PARAGRAPH_END
    return _between(text, part, separator)


def find_once(text: str, piece: str) -> Span:
    """Return where a piece stands in the text, if that is one place.

    Raises:
        ValueError: If it stands nowhere, or at several places.

    Examples:
        >>> find_once("never say never", "say")
        (6, 9)
    """
    found = text.count(piece) if piece else 0
    if found != 1:
        msg = (
            f"{piece!r} must stand in the text once to be found there, but it stands in it {found} "
            f"times; give a longer piece, or its place as (start, end)."
        )
        raise ValueError(msg)
    start = text.index(piece)
    return start, start + len(piece)


def strip(text: str, start: int, end: int) -> Span:
    """Return the span without outer white space; as it is when there is nothing else."""
    piece = text[start:end]
    if not piece.strip():
        return start, end
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def owners_of_tokens(text: str, spans: Sequence[Span], encoding: Encoding) -> list[int]:
    """Return for every token the number of the span it belongs to, -1 for none.

    A token belongs to the span that holds its first character that is not white space, since many
    tokenizers put the space before a word into its token. A token of white space alone that lies
    between two spans, with nothing else between them, belongs to the later one; so does white
    space at the beginning of the text to the first span, and at its end to the last one.

    Args:
        text: The text.
        spans: Ordered, without overlap.
        encoding: The tokens of the text.
    """
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    gaps = zip([0, *ends], [*starts, len(text)], strict=True)
    blank = [not text[start:end].strip() for start, end in gaps]
    owners = []
    for (start, end), special in zip(encoding.offsets, encoding.special, strict=True):
        first = strip(text, start, end)[0]
        after = bisect_right(ends, first)
        inside = after < len(spans) and starts[after] <= first
        owned = not special and bool(spans) and (inside or blank[after])
        owners.append(min(after, len(spans) - 1) if owned else -1)
    return owners


def _between(text: str, part: Span, separator: re.Pattern[str]) -> list[Span]:
    start, end = part
    cuts = [start, end]
    for match in separator.finditer(text, start, end):
        cuts[-1:-1] = match.span()
    pieces = zip(cuts[::2], cuts[1::2], strict=True)
    return [strip(text, *piece) for piece in pieces if text[slice(*piece)].strip()]


def _tokens(text: str, part: Span, encoding: Encoding) -> list[Span]:
    """The characters of every token, without outer white space; overlapping ones are joined."""
    spans: list[Span] = []
    for first, last in _visible_offsets(text, encoding):
        if not part[0] <= first < part[1]:
            continue
        if spans and first < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], min(last, part[1])))
        elif first < last:
            spans.append((first, min(last, part[1])))
    return spans


def _visible_offsets(text: str, encoding: Encoding) -> Iterable[Span]:
    return (
        strip(text, *offset)
        for offset, special in zip(encoding.offsets, encoding.special, strict=True)
        if not special
    )
