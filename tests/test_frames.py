"""Results as tables: labels, filters, ranking, and effects in units of the game."""

from __future__ import annotations

import numpy as np
import pytest

from approximators import sparse_game
from fakes import Named
from shapiq_spex import ProxySPEX
from shapiq_spex.simple import PairwiseAblation


def test_names_label_the_interactions_and_select_them():
    found = ProxySPEX(n=12, random_state=0).recover(300, Named())
    frame = found.to_frame("k-SII", 2)
    assert frame.label[frame.interaction == (0, 1)].item() == "word 0 × word 1"
    some = found.to_frame("k-SII", 2, players=["word 0", 1])
    assert some.interaction.tolist() == [(0, 1)]
    sure = found.to_frame("k-SII", 2, significant=True, min_order=2)
    assert sure.significant.all()
    assert (sure.order == 2).all()
    assert 0 < len(sure) < len(frame)
    with pytest.raises(ValueError, match="each one once, got 'word 99'"):
        found.to_frame(players=["word 99"])
    for one in (0, "word 0"):
        with pytest.raises(TypeError, match=f"players need to come as a list .*, got {one!r}"):
            found.to_frame(players=one)
    with pytest.raises(ValueError, match="from 0 to 11, each one once, got 12"):
        found.to_frame(players=[12])


def test_ranking_by_order_keeps_the_strongest_of_each_first():
    frame = ProxySPEX(n=12, random_state=0).recover(200, sparse_game).to_frame("BII", 3)
    ranked = ProxySPEX(n=12, random_state=0).recover(200, sparse_game)
    ranked = ranked.to_frame("BII", 3, by_order=True)
    assert ranked.order.is_monotonic_increasing
    for order, group in ranked.groupby("order"):
        assert group.interaction.tolist() == frame.interaction[frame.order == order].tolist()


def test_effects_are_shares_of_the_change_or_of_the_deviation():
    def game(x):
        return 5.0 - 2.0 * x[:, 0] - 3.0 * x[:, 1] * x[:, 2]

    found = ProxySPEX(n=4, index="SV").recover(16, game)
    plain = found.to_frame()
    share = found.to_frame(normalise="change")
    assert share.value.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(share.value, plain.value / -5.0)
    assert ((share.lower <= share.value) & (share.value <= share.upper)).all()
    rows = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    np.testing.assert_allclose(
        found.to_frame(normalise="deviation").value, plain.value / game(rows).std()
    )
    # Of a sample it is estimated: the deviation of 400 normal values is known to 1/sqrt(800) = 4%.
    part = ProxySPEX(n=14, random_state=0).recover(400, sparse_game)
    assert part.unit("deviation") == pytest.approx(part.values[2:].std(), rel=0.15)
    flat = ProxySPEX(n=4).recover(16, lambda x: np.ones(len(x)))
    with pytest.raises(ValueError, match="shares of the change: it is 0"):
        flat.to_frame(normalise="change")
    with pytest.raises(ValueError, match="change or deviation, not by 'percent'"):
        flat.unit("percent")


def test_a_series_that_explains_nothing_does_not_tell_the_deviation():
    """Ablation near the full input takes a parity for quadratic terms of all sizes."""

    def parity(x):
        return 1.0 - 2.0 * (x[:, :5].sum(axis=1) % 2)

    found = PairwiseAblation(n=12, random_state=0).recover(300, parity)
    assert found.r2 < 0
    # Of values that are 1 or -1 the deviation is 1, but for their mean: 2 / sqrt(221) at most.
    assert found.unit("deviation") == pytest.approx(1.0, abs=0.02)


def test_a_frame_of_higher_orders_only():
    found = ProxySPEX(n=12, max_order=3, random_state=0).recover(200, sparse_game)
    frame = found.to_frame("BII", min_order=2, by_order=True, players=[4], normalise="deviation")
    assert set(frame.order) == {2, 3}
    assert all(4 in players for players in frame.interaction)
    whole = found.to_frame("BII").set_index("interaction").value
    unit = found.unit("deviation")
    np.testing.assert_allclose(frame.value, whole[frame.interaction].to_numpy() / unit)
