"""The table of approximators that every contract and edge-case test runs over, and its games.

A new approximator joins with one line: a function that takes the settings every approximator has.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from shapiq.interaction_values import InteractionValues

from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.choice import Chosen
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.simple import FactorisedPairs, LassoPairs, NeuralSurrogate

# The published search takes seconds a fit; what is promised holds for any setting.
FEW_TREES = BoostedTrees(depths=(3,), trees=(20,), rates=(0.3,), energies=(0.99,))

APPROXIMATORS = {
    "ProxySPEX-gp": partial(ProxySPEX, proxy="gp"),
    "ProxySPEX-gbt": partial(ProxySPEX, proxy=FEW_TREES),
    "SPEX": SPEX,
    "LassoPairs": LassoPairs,
    "FactorisedPairs": FactorisedPairs,
}
# Those that ask a second time, depending on the first answers.
ADAPTIVE = {"NeuralSurrogate": NeuralSurrogate, "explain": Chosen}
# Those that may stop before the budget is spent, where a tolerance is given.
STOPPING = ("ProxySPEX-gp", "ProxySPEX-gbt", "explain")

N = 10  # players of most games
PARTIAL = [12, 37, 64, 200, 400]  # budgets for them; at the last SPEX has a coded design


def named(name, **settings):
    """An approximator of the table, n = 10 and seed 3 unless told otherwise."""
    return (APPROXIMATORS | ADAPTIVE)[name](**{"n": N, "random_state": 3, **settings})


def sparse_game(x):
    """Ten or more players, five of them at work, 1.5 for the empty coalition."""
    return (
        1.5 + x[:, 0] * x[:, 1] - 3.0 * x[:, 2] + 2.0 * x[:, 3] * x[:, 4] * x[:, 9] - 0.7 * x[:, 9]
    )


def random_table(n, seed=0):
    return np.random.default_rng([seed, n]).normal(size=2**n) + 2.0


class Recorder:
    """A game that remembers what it was asked and answers with another one."""

    def __init__(self, game):
        self.game, self.blocks = game, []

    def __call__(self, coalitions):
        self.blocks.append(np.array(coalitions))
        return self.game(coalitions)

    @property
    def rows(self):
        return np.concatenate(self.blocks)


def seen(approximator, budget, game=sparse_game):
    """The rows a game is asked for."""
    recorder = Recorder(game)
    approximator.approximate(budget, recorder)
    return recorder.rows


def as_dict(values: InteractionValues):
    return {players: float(values[players]) for players in values.interaction_lookup}


def assert_same(one: InteractionValues, other: InteractionValues):
    """Bit for bit."""
    assert as_dict(one) == as_dict(other)
    assert one.baseline_value == other.baseline_value
    assert (one.index, one.max_order, one.min_order) == (
        other.index,
        other.max_order,
        other.min_order,
    )
