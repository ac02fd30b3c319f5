"""Games that keep count of what they are asked, in this process and across processes."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
from shapiq import Game


def truth(coalitions):
    """A number that every bit of the coalition changes, with digits to the last."""
    rows = np.asarray(coalitions, dtype=bool)
    weights = np.sqrt(np.arange(2, rows.shape[1] + 2))
    return np.array([np.sin(weights[row].sum()) + row.sum() for row in rows])


def all_coalitions(n):
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(bool)


def draw(n, m, seed=0):
    """Distinct coalitions."""
    rows = np.random.default_rng(seed).random((3 * m, n)) < 0.5
    return np.unique(rows, axis=0)[:m]


class CountingGame:
    """The truth, and how often each coalition was asked for, in batches of which sizes."""

    def __init__(self, n_players=6):
        self.n_players = n_players
        self.asked = Counter()
        self.sizes = []
        self.fail = None  # called with the rows before they are counted

    def __call__(self, rows):
        if self.fail is not None:
            self.fail(rows)
        self.sizes.append(len(rows))
        self.asked.update(row.tobytes() for row in rows)
        return truth(rows)

    @property
    def n_asked(self):
        return self.asked.total()


class NamedGame(Game):
    """The truth as a game of shapiq's, with names and centred."""

    def __init__(self, names, normalization_value=0.0, *, verbose=False):
        super().__init__(
            len(names),
            normalize=True,
            normalization_value=normalization_value,
            verbose=verbose,
            player_names=names,
        )
        self.calls = 0

    def value_function(self, coalitions):
        self.calls += 1
        return truth(coalitions)


class MatrixGame:
    """Three numbers a coalition, as the log-probabilities of an answer's tokens are."""

    n_players = 5

    def __init__(self):
        self.rows = 0

    def outputs(self, rows):
        self.rows += len(rows)
        return np.column_stack([truth(rows), truth(rows) ** 2, rows.sum(axis=1)])

    def aggregate(self, outputs):
        return outputs.sum(axis=1)


class DiaryGame:
    """Writes into a folder, one file a process, whenever it is unpickled or called.

    Args:
        folder: The folder.
        seconds: How long a call takes.
        deadly: The number of present players at which its process dies, None if it does not.
        noise: Whether values differ from process to process, which no real game's may.
    """

    identity = {"name": "diary"}  # noqa: RUF012 - the folder does not change the values

    def __init__(self, folder, seconds=0.0, *, n_players=10, deadly=None, noise=False, weights=0):
        self.folder, self.seconds, self.n_players = Path(folder), seconds, n_players
        self.deadly, self.noise = deadly, noise
        self.weights = np.zeros(weights, dtype=np.uint8)

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.write("unpickled", b"x")

    def __call__(self, rows):
        self.write("called", bytes([len(rows)]))
        if self.deadly is not None and (rows.sum(axis=1) == self.deadly).any():
            os._exit(1)
        time.sleep(self.seconds)
        return truth(rows) + (os.getpid() if self.noise else 0.0)

    def write(self, kind, what):
        with (self.folder / f"{kind}-{os.getpid()}").open("ab") as diary:
            diary.write(what)

    def read(self, kind):
        """What each process has written."""
        return [path.read_bytes() for path in self.folder.glob(f"{kind}-*")]

    @property
    def n_rows(self):
        return sum(map(sum, self.read("called")))
