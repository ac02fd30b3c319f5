"""How an absent player goes: on token ids, so that what stays is exactly what was there.

Removing ids and re-encoding a text without the words are different things: the latter can merge
what was left and right of the gap into new tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.players import Player

__all__ = ["Delete", "Mask", "Removal", "RemovalKind", "make_removal", "token_owners"]

RemovalKind = Literal["mask", "delete"]


class Removal(Protocol):
    """Turns coalitions into the token sequences a model reads."""

    def __call__(
        self, ids: NDArray[np.int32], owners: NDArray[np.intp], coalitions: NDArray[np.bool_]
    ) -> list[NDArray[np.int32]]:
        """Return one sequence for every coalition.

        Args:
            ids: The token ids of the whole text, shape (t,).
            owners: The player of every token, -1 for nobody's, shape (t,).
            coalitions: True where a player is present, shape (m, n).
        """
        ...


@dataclass(frozen=True)
class Delete:
    """Leaves the tokens of absent players out.

    Attributes:
        empty_id: The one token that stands for a sequence without any other.

    Examples:
        >>> ids, owners = np.array([101, 7, 8, 102]), np.array([-1, 0, 1, -1])
        >>> Delete()(ids, owners, np.array([[False, True]]))
        [array([101,   8, 102])]
    """

    empty_id: int | None = None

    def __call__(
        self, ids: NDArray[np.int32], owners: NDArray[np.intp], coalitions: NDArray[np.bool_]
    ) -> list[NDArray[np.int32]]:
        """Return one sequence for every coalition; see `Removal`."""
        kept = (ids[_present(row, owners)] for row in coalitions)
        return [sequence if len(sequence) else self._nothing() for sequence in kept]

    def _nothing(self) -> NDArray[np.int32]:
        if self.empty_id is None:
            msg = "Delete needs an empty_id, because no token of this text is left."
            raise ValueError(msg)
        return np.array([self.empty_id], dtype=np.int32)


@dataclass(frozen=True)
class Mask:
    """Puts the mask token in the place of every token of absent players.

    Attributes:
        mask_id: The id of the mask token.

    Examples:
        >>> ids, owners = np.array([101, 7, 8, 102]), np.array([-1, 0, 1, -1])
        >>> Mask(103)(ids, owners, np.array([[False, True]]))
        [array([101, 103,   8, 102])]
    """

    mask_id: int

    def __call__(
        self, ids: NDArray[np.int32], owners: NDArray[np.intp], coalitions: NDArray[np.bool_]
    ) -> list[NDArray[np.int32]]:
        """Return one sequence for every coalition; see `Removal`."""
        return [np.where(_present(row, owners), ids, np.int32(self.mask_id)) for row in coalitions]


def token_owners(players: Sequence[Player], n_tokens: int) -> NDArray[np.intp]:
    """Return the player of every token, -1 for nobody's, shape (n_tokens,)."""
    owners = np.full(n_tokens, -1, dtype=np.intp)
    for number, player in enumerate(players):
        owners[list(player.tokens)] = number
    return owners


def make_removal(
    kind: RemovalKind,
    owners: NDArray[np.intp],
    *,
    mask_id: int | None,
    empty_id: int | None,
) -> Removal:
    """Return the removal of this name, if it works for every coalition of this text.

    Args:
        kind: "mask" or "delete".
        owners: The player of every token, -1 for nobody's, shape (t,).
        mask_id: The model's mask token, if it has one.
        empty_id: The token that can stand for an empty text, if there is one.

    Returns:
        A `Mask` or a `Delete`.

    Raises:
        ValueError: If the name is unknown, if "mask" is asked of a model without a mask token, or
            "delete" of a model that would be left without any token.

    Examples:
        >>> make_removal("mask", np.array([-1, 0, 1, -1]), mask_id=103, empty_id=None)
        Mask(mask_id=103)
    """
    if kind not in get_args(RemovalKind):
        msg = f"Removal can be {' or '.join(get_args(RemovalKind))}, but {kind!r} was given."
        raise ValueError(msg)
    if kind == "delete":
        return _checked_delete(owners, empty_id)
    if mask_id is None:
        msg = "Removal 'mask' needs a mask token, which this model has not; use removal='delete'."
        raise ValueError(msg)
    return Mask(mask_id)


def _checked_delete(owners: NDArray[np.intp], empty_id: int | None) -> Delete:
    if empty_id is None and (owners >= 0).all():
        msg = (
            "Removal 'delete' leaves no token at all when every player is absent, and this model "
            "has neither a special token nor a bos or eos token to stand for an empty text; "
            "give its tokenizer a bos_token."
        )
        raise ValueError(msg)
    return Delete(empty_id)


def _present(coalition: NDArray[np.bool_], owners: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which tokens stay; an owner of -1 picks the True at the end."""
    return np.append(coalition, True)[owners]
