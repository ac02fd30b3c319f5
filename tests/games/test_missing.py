"""Games that keep what they ran say beforehand what they would have to run."""

from __future__ import annotations

import numpy as np
import pytest

from games.test_games_contract import GAMES

CHEAP = [
    "fake",
    "fake, groups",
    "query",
    "llama, documents",
    "t5",
    "examples",
    "components, bert",
    "words and heads",
    "words and examples",
]


@pytest.mark.parametrize("name", CHEAP)
def test_what_is_missing_is_what_is_run(name):
    game = GAMES[name]()
    rows = np.random.default_rng(0).random((8, game.n_players)) < 0.5
    rows = np.concatenate([rows, rows[:3]])
    missing = game.missing(rows)
    assert missing.shape[1] == game.n_players
    assert len(np.unique(missing, axis=0)) == len(missing)
    game(missing)
    run = game.n_evaluated
    assert run == len(missing)
    assert len(game.missing(rows)) == 0
    game(rows)
    assert game.n_evaluated == run


def test_two_coalitions_of_one_text_are_run_once():
    game = GAMES["fake"]()  # "the film never fails, never"
    first, last, both = ([i in kept for i in range(5)] for kept in ((2,), (4,), (2, 4)))
    assert len(game.missing(np.array([first, last, both]))) == 3  # masks stand in their places
    with pytest.raises(ValueError, match="one column for each of the 5 players"):
        game.missing(np.ones((2, 4), dtype=bool))
