"""How an absent player goes: on token ids, so that what stays is exactly what was there.

Removing ids and re-encoding a text without the words are different things: the latter can merge
what was left and right of the gap into new tokens. Every removal is a table that says which ids
stand in the place of a token while its player is absent; `Substitution` applies the table.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from shapiq_spex.games.prompts.spans import strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.models.scorers import Scorer
    from shapiq_spex.games.prompts.players import Player
    from shapiq_spex.games.prompts.spans import Encoding, Span
    from shapiq_spex.games.prompts.substitution import Replacements

__all__ = [
    "Delete",
    "Filler",
    "Hide",
    "Mask",
    "Neutral",
    "Removal",
    "RemovalKind",
    "Source",
    "make_removal",
]

RemovalKind = Literal["mask", "delete", "neutral", "filler", "attention"]


@dataclass(frozen=True)
class Source:
    """What a removal is prepared for.

    Attributes:
        text: The text.
        encoding: Its tokens.
        players: The players.
        scorer: The model.
        encode: Cuts a text into tokens as `encoding` was.
    """

    text: str
    encoding: Encoding
    players: tuple[Player, ...]
    scorer: Scorer
    encode: Any

    @property
    def owners(self) -> NDArray[np.intp]:
        """The player of every token, -1 for nobody's."""
        owners = np.full(len(self.encoding.ids), -1, dtype=np.intp)
        for number, player in enumerate(self.players):
            owners[list(player.tokens)] = number
        return owners


class Removal(Protocol):
    """A way for players to go."""

    def replacements(self, source: Source) -> Replacements:
        """Return for every token the ids that stand there while its player is absent.

        A negative number ~id stands for the token id in its place, but seen by no other token.

        Raises:
            ValueError: If this way makes no sense for the text or the model.
        """
        ...


@dataclass(frozen=True)
class Delete:
    """Leaves the tokens of absent players out."""

    def replacements(self, source: Source) -> Replacements:
        """Return nothing for every token; see `Removal`."""
        return [()] * len(source.encoding.ids)


@dataclass(frozen=True)
class Mask:
    """Puts the mask token in the place of every token of absent players."""

    def replacements(self, source: Source) -> Replacements:
        """Return the mask token for every token; see `Removal`."""
        if source.scorer.mask_id is None:
            msg = (
                f"Removal 'mask' needs a mask token, which this model has not; "
                f"use {_others(source, 'mask')}."
            )
            raise ValueError(msg)
        return [(source.scorer.mask_id,)] * len(source.encoding.ids)


@dataclass(frozen=True)
class Hide:
    """Leaves absent players where they are, but no other token may look at them.

    The positions of all tokens are kept. Mean pooling passes over hidden tokens, too.
    """

    def replacements(self, source: Source) -> Replacements:
        """Return ~id for every token; see `Removal`."""
        if why := _cannot_hide(source):
            msg = f"Removal 'attention' means nothing here, because {why}; use {_others(source)}."
            raise ValueError(msg)
        return [(~token,) for token in source.encoding.ids]


@dataclass(frozen=True)
class Filler:
    """Puts a filler in the place of absent players, as many tokens as they had.

    Attributes:
        text: The filler; its tokens are repeated as often as needed.
    """

    text: str = "..."

    def replacements(self, source: Source) -> Replacements:
        """Return one token of the filler for every token; see `Removal`."""
        found = source.scorer.encode(self.text)
        ids = [i for i, special in zip(found.ids, found.special, strict=True) if not special]
        if not ids:
            msg = f"A filler needs at least one token, but {self.text!r} has none."
            raise ValueError(msg)
        table: Replacements = [()] * len(source.encoding.ids)
        for player in source.players:
            for count, position in enumerate(player.tokens):
                table[position] = (ids[count % len(ids)],)
        return table


@dataclass(frozen=True)
class Neutral:
    """Puts a neutral text in the place of every piece of an absent player.

    The tokens are those the neutral text has in the midst of the whole text.

    Attributes:
        text: The neutral text of all players, or of each player by its name.
    """

    text: str | Mapping[str, str] = "..."

    def replacements(self, source: Source) -> Replacements:
        """Return the neutral text for the first token of a piece, nothing for its others."""
        table: Replacements = [()] * len(source.encoding.ids)
        for player in source.players:
            neutral = self._of(player, source.players)
            for span, tokens in _tokens_by_span(source, player).items():
                start = min(source.encoding.offsets[token][0] for token in tokens)
                table[tokens[0]] = _in_context(source, min(start, span[0]), span, neutral)
        return table

    def _of(self, player: Player, players: Sequence[Player]) -> str:
        if isinstance(self.text, str):
            return self.text
        names = {each.name for each in players}
        if wrong := sorted(set(self.text) ^ names):
            msg = (
                f"Neutral needs one text for each player by name; missing or unknown: "
                f"{', '.join(map(repr, wrong[:5]))}."
            )
            raise ValueError(msg)
        return self.text[player.name]


_REMOVALS: dict[str, Removal] = {
    "mask": Mask(),
    "delete": Delete(),
    "neutral": Neutral(),
    "filler": Filler(),
    "attention": Hide(),
}


def make_removal(removal: RemovalKind | Removal) -> Removal:
    """Return the removal of this name; one that is already made is returned as it is.

    Raises:
        ValueError: If the name is unknown.

    Examples:
        >>> make_removal("neutral")
        Neutral(text='...')
    """
    if not isinstance(removal, str) and hasattr(removal, "replacements"):
        return removal
    if removal not in _REMOVALS:
        names = get_args(RemovalKind)
        msg = (
            f"Removal can be {', '.join(names[:-1])} or {names[-1]}, or an object such as "
            f"Neutral('...'), but {removal!r} was given."
        )
        raise ValueError(msg)
    return _REMOVALS[str(removal)]


def _cannot_hide(source: Source) -> str:
    """Why attention cannot be taken from tokens, nothing if it can."""
    if not getattr(source.scorer, "can_hide", False):
        return "this model takes no attention mask that would hide tokens"
    if (source.owners >= 0).all():
        return "every token belongs to a player, so with all players absent none could be seen"
    if getattr(source.scorer, "is_causal", False) and source.owners[-1] >= 0:
        return "a causal model answers from the last token, which here belongs to a player itself"
    return ""


def _others(source: Source, *without: str) -> str:
    """The removals by name that work for this text and model."""
    names = [name for name in get_args(RemovalKind) if name not in {*without, "attention", "mask"}]
    if "mask" not in without and source.scorer.mask_id is not None:
        names.append("mask")
    if not _cannot_hide(source):
        names.append("attention")
    return "removal=" + " or ".join(map(repr, names))


def _tokens_by_span(source: Source, player: Player) -> dict[Span, list[int]]:
    """The tokens of a player, each with the piece of text it was given for."""
    found: dict[Span, list[int]] = {}
    ends = [end for _, end in player.spans]
    for token in player.tokens:
        first = strip(source.text, *source.encoding.offsets[token])[0]
        number = min(bisect_right(ends, first), len(ends) - 1)
        found.setdefault(player.spans[number], []).append(token)
    return found


def _in_context(source: Source, before: int, span: Span, neutral: str) -> tuple[int, ...]:
    """The tokens of the neutral text in the place of a span whose tokens begin at ``before``."""
    start, end = span[0], span[0] + len(neutral)
    text = source.text[:start] + neutral + source.text[span[1] :]
    encoding = source.encode(text)
    found = [
        token
        for token, offset, special in zip(
            encoding.ids, encoding.offsets, encoding.special, strict=True
        )
        if not special
        and (before <= offset[0] < min(end, offset[1]) or start <= strip(text, *offset)[0] < end)
    ]
    if neutral.strip() and not found:
        msg = (
            f"The neutral text {neutral!r} has no token of its own in the place of "
            f"{source.text[slice(*span)]!r}; take another, or other players."
        )
        raise ValueError(msg)
    return tuple(found)
