"""shapiq's plots draw our sparse results."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
import shapiq.plot

from shapiq_spex import FourierSeries, ProxySPEX
from shapiq_spex.interop import to_interaction_values

PLOTS = {
    "network": lambda v: shapiq.plot.network_plot(v, show=False),
    "si_graph": lambda v: shapiq.plot.si_graph_plot(v, show=False),
    "upset": lambda v: shapiq.plot.upset_plot(v, show=False),
    "sentence": lambda v: shapiq.plot.sentence_plot(v, words_of(v), show=False),
    "bar": lambda v: shapiq.plot.bar_plot([v], show=False),
    "force": lambda v: shapiq.plot.force_plot(v, show=False),
    "waterfall": lambda v: shapiq.plot.waterfall_plot(v, show=False),
}


def words_of(values):
    return [f"word{i}" for i in range(values.n_players)]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def results():
    terms = {(): 1.0, (0, 3): 0.8, (2,): -1.2, (1, 4, 6): 0.5}  # players 5 and 7 do nothing
    sparse = FourierSeries.from_terms(8, terms)
    estimate = ProxySPEX(n=20, random_state=0).recover(
        150, lambda x: 2.0 * x[:, 0] * x[:, 7] - x[:, 3] + 0.5 * x[:, 12] + 1.0
    )
    return {
        "sparse": to_interaction_values(sparse, "k-SII", 2),
        "third order": to_interaction_values(sparse, "FSII", 3),
        "single players": to_interaction_values(sparse, "SV", 1),
        "Banzhaf": to_interaction_values(sparse, "FBII", 2),
        "nothing but zeros": to_interaction_values(FourierSeries.from_terms(8, {}), "k-SII", 2),
        "estimate of 20": estimate.interactions("k-SII", 2),
    }


@pytest.mark.parametrize(
    "which", ["sparse", "third order", "single players", "Banzhaf", "estimate of 20"]
)
@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_draws(results, plot, which):
    PLOTS[plot](results[which])
    figure = plt.gcf()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    assert (pixels != 255).any()


@pytest.mark.parametrize("plot", ["network", "si_graph", "bar"])
def test_nothing_but_zeros_is_drawn_too(results, plot):
    PLOTS[plot](results["nothing but zeros"])
    figure = plt.gcf()
    figure.canvas.draw()
    assert figure.axes
