"""The depth structure of series whose structure is known."""

from __future__ import annotations

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from shapiq_spex import FourierSeries
from shapiq_spex.structure import PARTS, depth_structure

mpl.use("Agg")

import matplotlib.pyplot as plt

LAYERS = [0, 0, 0, 3, 3, 7]


def random_series(seed, n=6):
    rng = np.random.default_rng(seed)
    sets = [s for size in range(4) for s in combinations(range(n), size)]
    return FourierSeries.from_terms(n, {s: rng.normal() for s in sets})


def by_hand(series, layers):
    """Term by term: {(layer, part): energy}, shared out among the layers of a term."""
    shares = {(layer, part): 0.0 for layer in layers for part in PARTS}
    terms = {s: f**2 for s, f in series.terms().items() if s}
    for players, energy in terms.items():
        touched = {layers[i] for i in players}
        part = "across" if len(touched) > 1 else "within" if len(players) > 1 else "linear"
        for layer in touched:
            shares[layer, part] += energy / sum(terms.values()) / len(touched)
    return shares


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_those_of_counting_term_by_term(seed):
    series = random_series(seed)
    found = depth_structure(series, LAYERS, permutations=1)
    right = by_hand(series, LAYERS)
    assert found.layers.tolist() == [0, 3, 7]
    for i, layer in enumerate(found.layers):
        for j, part in enumerate(PARTS):
            assert found.by_layer[0, i, j] == pytest.approx(right[layer, part])
    np.testing.assert_allclose(found.shares[0], found.by_layer[0].sum(axis=0))
    assert found.mean.sum() == pytest.approx(1.0)
    assert found.null.sum(axis=1) == pytest.approx(1.0)


def test_spreads_are_over_the_series():
    several = [random_series(seed) for seed in range(4)]
    found = depth_structure(several, LAYERS)
    alone = np.array([depth_structure(each, LAYERS).mean for each in several])
    np.testing.assert_allclose(found.mean, alone.mean(axis=0))
    np.testing.assert_allclose(found.spread, alone.std(axis=0, ddof=1))
    assert np.isnan(depth_structure(several[0], LAYERS).spread).all()
    frame = found.to_frame()
    assert frame["layer"].tolist() == ["all", 0, 3, 7]
    np.testing.assert_allclose(frame.loc[0, list(PARTS)].astype(float), found.mean)
    np.testing.assert_allclose(frame.loc[1:, list(PARTS)].sum().astype(float), found.mean)


def test_the_null_keeps_what_is_linear_and_forgets_the_layers():
    found = depth_structure(random_series(0), LAYERS, permutations=50)
    np.testing.assert_allclose(found.null[:, 0], found.mean[0])
    # Of pairs alone, the share within is the chance that two players have one layer.
    rng = np.random.default_rng(0)
    pairs = {pair: rng.normal() for pair in combinations(range(40), 2)}
    layers = np.repeat(np.arange(4), 10)
    found = depth_structure(FourierSeries.from_terms(40, pairs), layers, permutations=400)
    # The mean over permutations has a standard error below 0.01 / 20.
    assert found.null[:, 1].mean() == pytest.approx(9 / 39, abs=0.005)


def test_layers_that_mean_something_are_told_from_layers_that_do_not():
    layers = np.repeat(np.arange(5), 6)
    inside = {p: 1.0 for p in combinations(range(30), 2) if layers[p[0]] == layers[p[1]]}
    real = FourierSeries.from_terms(30, {**inside, (0,): 1.0, (0, 29): 1.0})
    assert depth_structure(real, layers).p_value == 1 / 201
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(40):
        noise = {pair: rng.normal() for pair in combinations(range(30), 2)}
        series = FourierSeries.from_terms(30, noise)
        p_values.append(depth_structure(series, layers, permutations=99).p_value)
    # Uniform under the null: the number below 0.1 of 40 is at most 12 with probability 0.9998.
    assert sum(p <= 0.1 for p in p_values) <= 12
    assert 0.3 < np.mean(p_values) < 0.7


def test_equal_seeds_give_equal_controls():
    found = [depth_structure(random_series(0), LAYERS, random_state=s).null for s in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_drawn(count):
    found = depth_structure([random_series(seed) for seed in range(count)], LAYERS)
    axes = found.plot()
    heights = np.array([bar.get_height() for bar in axes.patches]).reshape(3, 5)
    np.testing.assert_allclose(heights.sum(axis=0), 100)
    np.testing.assert_allclose(heights[:, 1], 100 * found.mean)
    assert found.plot(axes) is axes
    plt.close("all")


@pytest.mark.parametrize(
    ("series", "layers", "settings", "sentence"),
    [
        ([], LAYERS, {}, "series that have energy"),
        (FourierSeries.constant(6, 1.0), LAYERS, {}, "series that have energy"),
        (random_series(0), LAYERS[1:], {}, "6.* players and layers of shape .5,"),
        (random_series(0), [0.5] * 6, {}, "as a whole number"),
        ([random_series(0), random_series(0, 5)], LAYERS, {}, "5, 6"),
        (random_series(0), LAYERS, {"permutations": 0}, "at least one permutation"),
    ],
)
def test_bad_input_gets_a_sentence(series, layers, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        depth_structure(series, layers, **settings)
