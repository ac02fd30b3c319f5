"""Interactions with their intervals, as drawn."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import same_color

mpl.use("Agg")

import matplotlib.pyplot as plt

from shapiq_spex import FourierSeries, ProxySPEX, Recovery, plot_interactions
from shapiq_spex.proxyspex.plan import plan_masks

TERMS = {(): 1.0, (0,): 2.0, (1, 4): -1.5, (3,): 0.02}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def recovery():
    """Noise of deviation 0.5 in 200 values: an error of 0.04, beyond which (3,) does not stand."""
    plan = plan_masks(6, 40, np.random.default_rng(0))
    noise = 0.5 * np.random.default_rng(1).standard_normal(40)
    series = FourierSeries.from_terms(6, TERMS)
    values = series(plan.coalitions) + noise
    return Recovery(series, plan, values, 0.9, "held-out", noise, index="BII")


def drawn(axes):
    """{label: (values, rows, filled, lower ends, upper ends)} of what is drawn."""
    out = {}
    for bars in axes.containers:
        points, _, (lines,) = bars.lines
        filled = not same_color(points.get_markerfacecolor(), "white")
        spans = np.array(lines.get_segments())[:, :, 0]
        out[bars.get_label()] = (*points.get_data(), filled, spans.min(1), spans.max(1))
    return out


def test_every_row_shows_its_value_and_interval(recovery):
    _, axes = plot_interactions(recovery)
    frame = recovery.to_frame()
    assert set(frame.significant) == {True, False}
    for label, (values, rows, filled, low, high) in drawn(axes).items():
        part = frame[frame.significant == (label == "significant")]
        assert filled == (label == "significant")
        np.testing.assert_array_equal(rows, part.index)
        for found, column in ((values, "value"), (low, "lower"), (high, "upper")):
            np.testing.assert_allclose(found, part[column], atol=1e-12)
    assert len(drawn(axes)) == 2


def test_the_strongest_is_on_top(recovery):
    _, axes = plot_interactions(recovery)
    bottom, top = axes.get_ylim()
    assert top < 0 < bottom
    assert axes.get_yticklabels()[0].get_text() == "1 × 4"  # BII: 4 * -1.5 against -2 * 2.0
    assert axes.get_xlabel() == "BII of order 2, with 90% intervals"


def test_names_stand_for_players_and_are_no_mathematics(recovery):
    figure, axes = plot_interactions(recovery, names=["a", "b_1^", "c", "d", "$5", "$x$"], top=3)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == [r"b_1^ × \$5", "a"]
    assert len(labels) == 3
    figure.canvas.draw()


def test_another_index_is_drawn(recovery):
    _, axes = plot_interactions(recovery, "SV")
    assert axes.get_xlabel() == "SV of order 1, with 90% intervals"
    assert len(axes.get_yticklabels()) == 6


def test_it_draws_where_it_is_told(recovery):
    figure, (left, right) = plt.subplots(1, 2)
    assert plot_interactions(recovery, ax=right) == (figure, right)
    assert drawn(right)
    assert not left.containers
    assert plot_interactions(recovery)[0] is not figure


def test_errors_that_nobody_knows_are_drawn_as_points():
    plan = plan_masks(6, 9, np.random.default_rng(0))
    series = FourierSeries.from_terms(6, TERMS)
    unknown = Recovery(series, plan, series(plan.coalitions), None, "held-out")
    figure, axes = plot_interactions(unknown)
    (bars,) = axes.containers
    assert bars.get_label() == "not significant"
    np.testing.assert_array_equal(bars.lines[0].get_xdata(), unknown.to_frame()["value"])
    figure.canvas.draw()


def test_one_player_and_a_constant_are_drawn():
    for game in (lambda x: np.ones(len(x)), lambda x: 1.0 * x[:, 0]):
        figure, axes = plot_interactions(ProxySPEX(n=1).recover(2, game))
        assert len(axes.get_yticklabels()) == 1
        figure.canvas.draw()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"names": ["a"]}, "needs one name for each of 6 players, got 1."),
        ({"top": 0}, "needs top to be at least 1, got 0."),
        ({"index": "shap"}, "index needs to be one of"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(recovery, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot_interactions(recovery, **settings)
