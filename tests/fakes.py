"""Stand-ins that need no torch."""

from __future__ import annotations

import re

import numpy as np

from approximators import sparse_game
from shapiq_spex.games import Encoding

START, STOP, MASK, EMPTY = 1, 2, 3, 4


class FakeScorer:
    """One token per word, [START] and [STOP] around them, and a value that order changes."""

    def __init__(self, *, mask_id=MASK, empty_id=EMPTY, max_tokens=None, special=True, batch=4):
        self.mask_id, self.empty_id, self.max_tokens = mask_id, empty_id, max_tokens
        self.special, self.batch = special, batch
        self.seen: list[tuple[int, ...]] = []
        self.fail_after: int | None = None
        self.failure: BaseException = RuntimeError("out of memory")

    def encode(self, text):
        """Ids are 10 and up, equal for equal words."""
        matches = list(re.finditer(r"\S+", text))
        vocabulary = {match.group(): 10 + i for i, match in enumerate(reversed(matches))}
        ids = [vocabulary[match.group()] for match in matches]
        offsets = [match.span() for match in matches]
        if self.special:
            ids, offsets = [START, *ids, STOP], [(0, 0), *offsets, (0, 0)]
        special = tuple(token in (START, STOP) for token in ids)
        return Encoding(tuple(ids), tuple(offsets), special)

    @staticmethod
    def value(sequence):
        """A fixed number for every sequence."""
        return float(sum((i + 1) * np.sin(token) for i, token in enumerate(sequence)))

    def score(self, sequences):
        """Batches from the end, failing when told to."""
        for start in reversed(range(0, len(sequences), self.batch)):
            if self.fail_after is not None and len(self.seen) >= self.fail_after:
                raise self.failure
            index = np.arange(start, min(start + self.batch, len(sequences)))
            batch = [tuple(int(token) for token in sequences[i]) for i in index]
            self.seen += batch
            yield index, np.array([self.value(sequence) for sequence in batch])


class Named:
    """The sparse game with names for its players, and a count of what was evaluated."""

    identity = {"game": "sparse"}  # noqa: RUF012

    def __init__(self, n=12):
        self.n_players, self.rows = n, []
        self.player_name_lookup = {f"word {i}": i for i in range(n)}

    def __call__(self, x):
        self.rows += map(bytes, x)
        return sparse_game(x)

    def n_tokens(self, x):
        return 2 + x.sum(axis=1)
