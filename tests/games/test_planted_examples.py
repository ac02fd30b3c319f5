"""What is planted among real training images comes out, and is true of models trained anew."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

from shapiq_spex import ProxySPEX, TrainingGame
from shapiq_spex.synergy import synergy_table

PLAYERS = ["3 a", "3 b", "5 a", "5 b", "8 a", "8 b", "9", "9 again", "source A", "source B"]
TWINS, SOURCES = (6, 7), (8, 9)
N = len(PLAYERS)


def planted():
    """The only 9 is there twice. An image of a 3, there three times whatever happens, is called a 5
    twice by each of two sources: only both of them together outvote the 3."""
    images, digits = load_digits(return_X_y=True)
    images = images / 16
    of = {digit: np.flatnonzero(digits == digit) for digit in (3, 5, 8, 9)}
    nine, disputed = of[9][0], of[3][2]
    train = [*of[3][:2], *of[5][:2], *of[8][:2], nine, nine, *[disputed] * 7]
    labels = [3, 3, 5, 5, 8, 8, 9, 9, 5, 5, 5, 5, 3, 3, 3]
    names = [*PLAYERS[:8], *np.repeat(PLAYERS[8:], 2), None, None, None]
    return TrainingGame.from_sklearn(
        RidgeClassifier(alpha=0.1),
        images[train],
        labels,
        images[[of[9][1], disputed]],
        [9, 5],
        players=names,
        progress=False,
    )


@pytest.fixture(scope="module")
def game():
    return planted()


def recovered(game, test_label):
    found = ProxySPEX(n=N, random_state=0).recover(160, game)
    labels = [player.label for player in game.players]
    return synergy_table(found.interactions("FBII", 2), labels, test_label)


def retrained(game, pair):
    """The mean second difference over sets of the others that were drawn for this alone."""
    rows = np.repeat(np.random.default_rng(1).random((1, 12, N)) < 0.5, 4, axis=0)
    rows[:, :, pair] = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])[:, np.newaxis]
    both, first, second, none = game(rows.reshape(-1, N)).reshape(4, -1)
    return (both - first - second + none).mean()


def test_a_duplicate_is_the_strongest_redundancy_and_really_one(game):
    margin = game.read_as(points=0, value="margin")
    table = recovered(margin, 9)
    strongest = table.iloc[0]
    assert (strongest.interaction, strongest.kind) == (TWINS, "redundancy")
    assert strongest.same_label
    assert not (table.value.abs()[1:] > abs(strongest.value) / 2).any()
    assert retrained(margin, TWINS) == pytest.approx(strongest.value, rel=0.25)


def test_a_pair_that_is_needed_jointly_is_the_strongest_synergy_and_really_one(game):
    called_five = game.read_as(points=1, value="accuracy")
    table = recovered(called_five, 5)
    strongest = table.iloc[0]
    assert (strongest.interaction, strongest.kind) == (SOURCES, "synergy")
    assert strongest.same_label
    assert not (table.value.abs()[1:] > abs(strongest.value) / 2).any()
    assert retrained(called_five, SOURCES) == pytest.approx(strongest.value, abs=0.25)
    ends = np.ones((4, N), dtype=bool)
    ends[:, SOURCES] = [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert called_five(ends).tolist() == [0.0, 0.0, 0.0, 1.0]


def test_pairs_that_are_neither_do_nothing_when_they_are_retrained(game):
    """What the series calls weak is weak."""
    margin = game.read_as(points=0, value="margin")
    table = recovered(margin, 9)
    weak = table.iloc[-1]
    assert abs(retrained(margin, weak.interaction)) < 0.3 * abs(table.value[0])
