"""What half of the masks, other seeds and games without interactions would have shown."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from approximators import ADAPTIVE, APPROXIMATORS, FEW_TREES, sparse_game
from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.methods import METHODS, again
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.simple import (
    FactorisedPairs,
    GreedyAblation,
    LassoPairs,
    LeaveOneOut,
    NeuralSurrogate,
    PairwiseAblation,
)
from shapiq_spex.spectral.known import keys_of
from shapiq_spex.validation import spot_check, validate
from shapiq_spex.validation.stability import same_method

N = 12
ABLATIONS = {kind.__name__: kind for kind in (LeaveOneOut, GreedyAblation, PairwiseAblation)}
FREE = {"budget": 0, "repeats": 1}  # nothing is paid


def noisy(game, size, seed):
    """The same noise whenever a coalition is asked for."""

    def play(x):
        bits = np.packbits(x, axis=1)
        return game(x) + [
            size * np.random.default_rng([seed, *row]).standard_normal() for row in bits
        ]

    return play


# ---------------------------------------------------------------------- the same method
@pytest.mark.parametrize(
    "made",
    [
        FactorisedPairs(n=N, rank=2, random_state=4),
        GreedyAblation(n=N, steps=3, top_order=True, random_state=4),
        NeuralSurrogate(n=N, hidden=7, random_state=None),
        SPEX(n=N, decoder_type="hard", degree_parameter=3, random_state=4),
        ProxySPEX(n=N, proxy=FEW_TREES, index="FBII", max_order=3, random_state=4),
    ],
    ids=lambda made: type(made).__name__,
)
def test_the_method_of_a_result_has_all_its_settings(made):
    result = made.recover(100, sparse_game)
    copy = same_method(result)
    assert type(copy) is type(made)
    assert copy.settings == made.settings
    assert copy.recover(100, sparse_game).series == result.series
    read = again(type(made).__name__, result.ledger.as_record()["settings"])
    assert read.settings == made.settings


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.__name__)
def test_no_setting_is_forgotten(method):
    assert set(method(n=4).settings) == set(inspect.signature(method).parameters)


def test_a_method_that_is_not_known_has_to_be_given():
    class Mine(ProxySPEX):
        """Someone's own."""

    found = Mine(n=N, random_state=0).recover(60, sparse_game)
    with pytest.raises(ValueError, match=r"one of ProxySPEX, SPEX, .* got 'Mine'") as caught:
        validate(found, sparse_game, **FREE)
    assert "give validate the approximator" in caught.value.__notes__[0]
    validate(found, sparse_game, budget=0, repeats=0)
    checked = validate(found, sparse_game, **FREE, approximator=Mine(n=N, random_state=0))
    assert checked.stability[1].overlap <= 1
    with pytest.raises(ValueError, match="give validate the approximator"):
        validate(replace(found, ledger=None), sparse_game)


# ---------------------------------------------------------------------- stability
@pytest.mark.parametrize("name", APPROXIMATORS | ADAPTIVE | ABLATIONS)
def test_every_method_is_run_with_other_seeds(name):
    made = (APPROXIMATORS | ADAPTIVE | ABLATIONS)[name](n=N, random_state=0)
    halves, seeds = validate(made.recover(250, sparse_game), sparse_game, **FREE).stability
    if name in ("LeaveOneOut", "GreedyAblation"):  # they have no interaction to compare
        assert (halves.at, seeds.at) == ("half the masks", "other seeds")
        assert np.isnan([halves.overlap, seeds.overlap, seeds.difference]).all()
        return
    assert (halves.at, seeds.at) == ("half the masks", "other seeds, simulated")
    for stable in (halves, seeds):
        # Of the pairs that ablation near the full input shows, noise far from it leaves nothing.
        assert name == "PairwiseAblation" or stable.chance < stable.overlap
        assert 0 <= stable.overlap <= 1
        assert 0 <= stable.difference < 1.4


def test_other_seeds_are_paid_where_the_budget_suffices():
    asked = []

    def game(x):
        asked.extend(keys_of(x))
        return sparse_game(x)

    result = ProxySPEX(n=N, index="BII", random_state=0).recover(100, sparse_game)
    checked = validate(result, game, budget=1100, repeats=3)
    seeds = checked.stability[1]
    assert seeds.at == "other seeds"
    assert 150 < seeds.masks <= 200  # a fifth of the budget pays for two runs; some are known
    assert len(asked) == len(set(asked)) == checked.n_new <= 1100
    assert not set(asked) & set(keys_of(result.plan.coalitions))
    table = checked.to_frame()
    assert table.masks.sum() == checked.n_new
    assert table[table["at"] == "other seeds"].masks.tolist() == [seeds.masks, 0]


def test_where_everything_is_known_other_seeds_agree():
    result = ProxySPEX(n=6, random_state=0).recover(64, lambda x: x[:, 0] * x[:, 1] - 1.0 * x[:, 2])
    seeds = validate(result, lambda x: x[:, 0], **FREE).stability[1]
    assert (seeds.at, seeds.overlap, seeds.difference, seeds.masks) == ("other seeds", 1.0, 0.0, 0)


def test_what_noise_shows_is_not_stable():
    """Real new seeds: what is there is found again, and of noise no more than by chance."""
    noise = noisy(lambda x: 0.0 * x[:, 0], 1.0, seed=0)
    result = ProxySPEX(n=N, index="BII", random_state=0).recover(100, noise)
    halves, seeds = validate(result, noise, budget=1100, repeats=2).stability
    assert (halves.at, seeds.at) == ("half the masks", "other seeds")
    # The sets compared are the largest of both halves a, b together. With s = a + b and d = a - b
    # the difference is 2 / sqrt(1 + E s^2 / E d^2), and E s^2 is 3.7 E d^2 for the largest 10 of 66
    # normal numbers: 0.92, with a deviation of about 0.15 over twice ten values.
    assert halves.difference > 0.92 - 2 * 0.15
    assert seeds.difference > 1
    for stable in (halves, seeds):
        # Twice 10 of 66 pairs: 3 of 20 by chance, with a deviation of 1.5 if pairs were drawn one
        # by one; those of one player come together.
        assert stable.chance == pytest.approx(10 / 66)
        assert stable.overlap < 0.5


class Remembering:
    """A surrogate that notes how many rows it was fitted to."""

    def __init__(self):
        self.rows = []

    def fit(self, coalitions, values, rng, finish):
        self.rows.append(len(values))
        return FEW_TREES.fit(coalitions, values, rng, finish)


def test_halves_are_learned_by_the_methods_own_surrogate():
    proxy = Remembering()
    result = ProxySPEX(n=N, proxy=proxy, random_state=0).recover(102, sparse_game)
    assert proxy.rows == [100]
    validate(result, sparse_game, budget=0, repeats=2)
    # Two other seeds, two ways to halve the inner masks, four null games.
    assert proxy.rows[1:] == [100] * 2 + [50] * 4 + [100] * 4


# ---------------------------------------------------------------------- the null control
@pytest.mark.parametrize("make", [SPEX, LassoPairs])
def test_any_method_is_validated(make):
    result = make(n=N, random_state=0).recover(400, sparse_game)
    checked = validate(result, sparse_game, budget=100, repeats=1)
    assert checked.nulls.found >= 1
    assert checked.nulls.additive == 0


def test_the_null_control_draws_the_masks_of_the_result():
    result = ProxySPEX(n=N, index="FBII", random_state=7).recover(100, sparse_game)
    repeated = same_method(result).recover(100, sparse_game)
    np.testing.assert_array_equal(repeated.plan.coalitions, result.plan.coalitions)


def test_trees_are_told_by_their_fields():
    record = ProxySPEX(n=4, proxy=FEW_TREES).recover(10, lambda x: 1.0 * x[:, 0]).ledger.as_record()
    told = record["settings"]["proxy"]
    assert (told["class"], told["fields"]["depths"]) == ("BoostedTrees", [3])
    assert again("ProxySPEX", record["settings"]).proxy == FEW_TREES != BoostedTrees()


# ---------------------------------------------------------------------- reported and confirmed
def planted(seed, pair):
    """Thirty players with random weights, noise of deviation 0.5, and perhaps a pair."""
    weights = np.random.default_rng(seed).normal(size=30)
    return noisy(lambda x: x @ weights + pair * x[:, 3] * x[:, 8], 0.5, seed)


@pytest.mark.parametrize("method", [ProxySPEX, SPEX])
def test_an_additive_game_hardly_ever_reports_a_pair(method):
    """600 masks of 30 players; at one run in ten three of four would come once in 250 times."""
    told = 0
    for seed in range(4):
        result = method(n=30, random_state=seed).recover(600, planted(seed, 0.0))
        told += len(result.to_frame("BII", 2, significant=True, min_order=2)) > 0
    assert told <= 2


@pytest.mark.parametrize("seed", range(2))
def test_a_planted_pair_of_three_deviations_is_confirmed_and_an_absent_one_is_not(seed):
    game = planted(seed, 1.5)
    result = ProxySPEX(n=30, random_state=seed).recover(600, game)
    assert (3, 8) in set(result.to_frame("BII", 2, significant=True).interaction)
    checked = spot_check(result, game, interactions=[(3, 8), (5, 6)], random_state=seed)
    assert checked.confirmed.tolist() == [True, False]
