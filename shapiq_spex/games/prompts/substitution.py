"""From coalitions to token sequences, by a table of what stands where a player is absent."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Replacements", "Substitution"]

Replacements = list[tuple[int, ...]]


class Substitution:
    """Turns coalitions into the token sequences a model reads.

    Args:
        ids: The token ids of the whole text, shape (t,).
        owners: The player of every token, -1 for nobody's, shape (t,).
        replacements: For every token, the ids that stand there while its owner is absent.
        empty_id: The one token that stands for a sequence without any other.

    Raises:
        ValueError: If nothing at all is left when every player is absent, and there is no such
            token.

    Attributes:
        longest: The most tokens a sequence can have.

    Examples:
        >>> ids, owners = np.array([101, 7, 8, 102]), np.array([-1, 0, 1, -1])
        >>> remove = Substitution(ids, owners, [()] * 4)
        >>> remove(np.array([[False, True]]))
        [array([101,   8, 102], dtype=int32)]
        >>> remove.lengths(np.array([[False, True], [False, False]]))
        array([3, 2])
    """

    def __init__(
        self,
        ids: NDArray[np.int32],
        owners: NDArray[np.intp],
        replacements: Replacements,
        empty_id: int | None = None,
    ) -> None:
        """Lay out every token beside what may stand in its place."""
        rows = [
            (token, owner, shown)
            for own, owner, others in zip(ids, owners, replacements, strict=True)
            for token, shown in [(own, True), *((other, False) for other in others)]
            if shown or owner >= 0
        ]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        self.ids = columns[0].astype(np.int32)
        self._owners = columns[1]
        self._shown_if_present = columns[2].astype(bool)
        self._empty = np.array([] if empty_id is None else [empty_id], dtype=np.int32)
        n = int(owners.max(initial=-1)) + 1
        mine = [np.bincount(self._owners[self._when(here)], minlength=n) for here in (True, False)]
        self._n_fixed = int((self._owners < 0).sum())
        self._n_present, self._n_absent = mine
        if not self._n_fixed + self._n_absent.sum() + len(self._empty):
            msg = (
                "This removal leaves no token at all when every player is absent, and the model "
                "has neither a special token nor a bos or eos token to stand for an empty text; "
                "give its tokenizer a bos_token."
            )
            raise ValueError(msg)
        self.longest = self._n_fixed + int(np.maximum(*mine).sum())

    def __call__(self, coalitions: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
        """Return one sequence for every row of the coalitions, shape (m, n)."""
        sequences = (self.ids[self._kept(row)] for row in coalitions)
        return [sequence if len(sequence) else self._empty for sequence in sequences]

    def lengths(self, coalitions: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of tokens of every sequence, shape (m,)."""
        change = self._n_present - self._n_absent
        lengths = self._n_fixed + int(self._n_absent.sum()) + coalitions @ change
        return np.maximum(lengths, len(self._empty)).astype(np.int64)

    def digest(self) -> str:
        """Return a hash of the table, equal if and only if all sequences are."""
        digest = blake2b(digest_size=16)
        for column in (self.ids, self._owners, self._shown_if_present, self._empty):
            digest.update(column.tobytes() + b";")
        return digest.hexdigest()

    def _when(self, present: bool) -> NDArray[np.bool_]:
        return (self._owners >= 0) & (self._shown_if_present == present)

    def _kept(self, coalition: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is shown; an owner of -1 picks the True at the end."""
        return np.append(coalition, True)[self._owners] == self._shown_if_present
