"""Interactions of training examples: their signs, their labels, and their pictures."""

from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex import ProxySPEX
from shapiq_spex.synergy import draw_groups, synergy_table

LABELS = ["cat", "cat", "cat", "cat", "dog", "dog"]


def margin(x):
    """Twins 0 and 1, a pair 2 and 3 that helps together only, two dogs that do the same harm."""
    x = np.asarray(x, dtype=bool)
    return 2.0 * (x[:, 0] | x[:, 1]) + 1.0 * (x[:, 2] & x[:, 3]) - 0.5 * (x[:, 4] | x[:, 5])


@pytest.fixture
def table():
    found = ProxySPEX(n=6).recover(64, margin).interactions("Moebius", 3)
    return synergy_table(found, LABELS, "cat")


def test_signs_and_labels_are_told_apart(table):
    rows = {row.interaction: row for row in table.itertuples()}
    assert list(rows) == [(0, 1), (2, 3), (4, 5)]
    assert [row.kind for row in rows.values()] == ["redundancy", "synergy", "synergy"]
    assert [row.same_label for row in rows.values()] == [True, True, False]
    np.testing.assert_allclose(table.value, [-2, 1, 0.5])
    np.testing.assert_allclose(table.alone, [4, 0, -1], atol=1e-12)
    assert table.value.abs().is_monotonic_decreasing


def test_groups_of_several_labels_share_none_with_the_test_point():
    found = ProxySPEX(n=6).recover(64, margin).interactions("Moebius", 2)
    table = synergy_table(found, [None] * 6, "cat")
    assert not table.same_label.any()


def test_the_strongest_groups_are_drawn_beside_the_test_image(table, tmp_path):
    images = np.random.default_rng(0).random((6, 8, 8))
    figure = draw_groups(table, images, np.ones((8, 8)), labels=LABELS, count=1)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["test", "2: cat", "3: cat", "test", "0: cat", "1: cat"]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), images[2])
    assert figure.axes[0].get_ylabel().startswith("synergy\n+1")
    figure.savefig(tmp_path / "groups.png")


def test_bad_input_is_refused_in_a_sentence(table):
    found = ProxySPEX(n=6).recover(64, margin).interactions("Moebius", 2)
    with pytest.raises(ValueError, match="a label for each of the 6 players, got 2"):
        synergy_table(found, ["cat", "dog"], "cat")
    with pytest.raises(ValueError, match="at least one interaction"):
        draw_groups(table[:0], np.zeros((6, 2, 2)), np.zeros((2, 2)))
