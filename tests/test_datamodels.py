"""Tables of retrainings: planted main effects and pairs found, held-out R² as it is."""

from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex import validate
from shapiq_spex.datamodels import RetrainingTable, from_retrainings, ridge, screening
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.spectral.coalitions import PackedCoalitions

MAINS = {3: 2.0, 11: -1.5, 40: 1.0, 77: 1.0}
PAIRS = {(3, 11): -1.0, (40, 77): 1.5}


def masks_of(m, n, share=0.5, seed=0):
    return np.random.default_rng(seed).random((m, n)) < share


def margins_of(masks, noise=0.0, seed=1):
    values = sum(w * masks[:, i] for i, w in MAINS.items())
    values = values + sum(w * (masks[:, i] & masks[:, j]) for (i, j), w in PAIRS.items())
    return values + noise * np.random.default_rng(seed).normal(size=len(masks))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_planted_effects_are_found_whatever_the_size_of_the_subsets(share):
    masks = masks_of(1500, 100, share)
    (found,) = from_retrainings(masks, margins_of(masks))
    moebius = found.interactions("Moebius", 2)
    for group, weight in {**{(i,): w for i, w in MAINS.items()}, **PAIRS}.items():
        assert moebius[group] == pytest.approx(weight, abs=0.05)
    assert found.r2 > 0.995
    assert (found.r2_kind, found.status, found.n_evaluations) == ("held-out", "ok", 1500)
    assert str(found.plan) == "a table of 1500 retrainings on subsets of 100 examples"
    np.testing.assert_array_equal(found.plan.coalitions, masks)


def test_twenty_thousand_players_are_no_matter():
    masks = masks_of(800, 20_000)
    (found,) = from_retrainings(masks, margins_of(masks, noise=0.1))
    terms = found.series.terms()
    assert {(i,) for i in MAINS} | set(PAIRS) <= terms.keys()
    assert found.r2 > 0.95
    assert len(found.interactions("SV", 1).values) == 20_001


def test_the_held_out_share_is_what_new_rows_say():
    masks, new = masks_of(1500, 200), masks_of(4000, 200, seed=5)
    (found,) = from_retrainings(masks, margins_of(masks, noise=1.5))
    values = margins_of(new, noise=1.5, seed=6)
    right = 1 - ((values - found.series(new)) ** 2).sum() / ((values - values.mean()) ** 2).sum()
    # Of 150 rows the R² has a standard error of about 0.05 at 0.6.
    assert found.r2 == pytest.approx(right, abs=0.15)
    assert 0.4 < right < 0.7


def test_noise_is_not_explained():
    masks = masks_of(1000, 300)
    (found,) = from_retrainings(masks, np.random.default_rng(3).normal(size=1000))
    assert found.r2 < 0.1


def test_test_points_share_the_passes_and_nothing_else():
    masks = masks_of(600, 90)
    both = np.stack([margins_of(masks), masks[:, 5] * 1.0], axis=1)
    together = from_retrainings(masks, both)
    for column, found in zip(both.T, together, strict=True):
        (alone,) = from_retrainings(masks, column)
        np.testing.assert_allclose(found.series(masks), alone.series(masks), atol=1e-4)
        np.testing.assert_array_equal(found.values, column)


@pytest.mark.parametrize("kind", ["packed", "numbers", "file"])
def test_tables_come_in_several_forms(kind, tmp_path):
    masks = masks_of(300, 90)
    (right,) = from_retrainings(masks, margins_of(masks))
    given = {"packed": PackedCoalitions.of(masks), "numbers": masks.astype(np.uint8)}.get(kind)
    if kind == "file":
        np.save(tmp_path / "masks.npy", masks)
        given = np.load(tmp_path / "masks.npy", mmap_mode="r")
    (found,) = from_retrainings(given, margins_of(masks))
    assert found.series == right.series


def test_blocks_of_rows_change_nothing(monkeypatch):
    masks = masks_of(300, 90)
    (right,) = from_retrainings(masks, margins_of(masks))
    monkeypatch.setattr(ridge, "BLOCK_ENTRIES", 90 * 17)
    monkeypatch.setattr(screening, "BLOCK_ENTRIES", 90 * 13)
    (found,) = from_retrainings(masks, margins_of(masks))
    np.testing.assert_allclose(found.series(masks), right.series(masks), atol=1e-4)


def test_the_ridge_regression_is_the_textbook_one():
    masks, y = masks_of(400, 30), np.random.default_rng(2).normal(size=(400, 2))
    packed = PackedCoalitions.of(masks)
    centred = masks - masks.mean(axis=0)
    table = ridge._Centred(packed)
    alphas = np.array([5.0, 50.0])
    found = ridge._conjugate_gradients(table.gram_times, table.moment(y), alphas)
    for column, alpha in enumerate(alphas):
        gram = centred.T @ centred + alpha * np.eye(30)
        right = np.linalg.solve(gram, centred.T @ (y[:, column] - y[:, column].mean()))
        np.testing.assert_allclose(found[:, column], right, rtol=0, atol=2e-3 * abs(right).max())


def test_moments_fit_and_judge_like_the_matrix_itself():
    rng = np.random.default_rng(4)
    features, y = rng.choice([-1.0, 1.0], (50, 6)).astype(np.float32), rng.normal(size=50)
    moments = screening._Moments.of(iter([features[:20], features[20:]]), y, 6)
    which = np.array([0, 2, 5])
    constant, weights = moments.fit(which, 0.1)
    centred = features[:, which] - features[:, which].mean(axis=0)
    gram = centred.T @ centred + 0.1 * 50 * np.eye(3)
    np.testing.assert_allclose(weights, np.linalg.solve(gram, centred.T @ y), rtol=1e-5)
    errors = y - constant - features[:, which] @ weights
    assert errors.mean() == pytest.approx(0, abs=1e-7)
    assert moments.error(which, constant, weights) == pytest.approx((errors**2).sum(), rel=1e-6)


def test_no_pairs_on_request_and_few_players():
    masks = masks_of(500, 90)
    (found,) = from_retrainings(masks, margins_of(masks), pairs=0, players=7)
    assert found.series.degrees.max() == 1
    assert len(found.series) <= 8
    (single,) = from_retrainings(masks[:, :1], 2.0 * masks[:, 0])
    assert single.r2 == pytest.approx(1.0, abs=1e-4)


def test_equal_margins_are_a_constant_without_an_r2():
    (found,) = from_retrainings(masks_of(50, 9), np.full(50, 2.5))
    assert found.series.terms() == {(): 2.5}
    assert found.r2 is None
    assert "R² unknown" in found.status


# ---------------------------------------------------------------------- what comes with a result
def test_the_bill_says_that_no_game_was_asked():
    masks = masks_of(300, 90)
    masks[7] = masks[3]
    both = np.stack([margins_of(masks), masks[:, 5] * 1.0], axis=1)
    for found in from_retrainings(masks, both, random_state=4):
        bill = found.ledger
        assert (bill.method, bill.seed, bill.drawn) == ("from_retrainings", 4, str(found.plan))
        assert (bill.masks, bill.distinct, bill.cached, bill.tokens) == (300, 299, 299, None)
        assert bill.seconds > bill.game_seconds == 0.0
        assert "300 asked for, 299 distinct, 299 of them known before" in str(bill)


def test_residuals_are_those_of_the_rows_held_out():
    masks = masks_of(500, 90)
    y = margins_of(masks, noise=1.0)
    (found,) = from_retrainings(masks, y, held_out=0.2)
    held = np.isfinite(found.residuals)
    assert held.sum() == 100
    np.testing.assert_allclose(found.residuals[held], (y - found.series(masks))[held], atol=1e-9)
    assert found.r2 == pytest.approx(1 - (found.residuals[held] ** 2).mean() / y[held].var())


def test_significant_pairs_are_the_planted_ones_and_main_effects_are_covered():
    covered, others = [], 0
    for seed in range(4):
        masks = masks_of(1000, 80, seed=seed)
        (found,) = from_retrainings(masks, margins_of(masks, noise=0.5, seed=seed + 50))
        frame = found.to_frame("FBII", 2)
        truth = {(i,): w for i, w in MAINS.items()}
        sure = set(frame[frame.significant & (frame.order == 2)].interaction)
        assert sure >= set(PAIRS)
        others += len(sure - set(PAIRS))
        single = frame[frame.order == 1]
        right = np.array([truth.get(each, 0.0) for each in single.interaction])
        covered += ((single.lower <= right) & (right <= single.upper)).tolist()
    assert others == 0
    # Nine in ten are claimed; of 320 the share has a standard error of 0.02.
    assert np.mean(covered) > 0.84


def test_errors_need_no_more_than_blocks_of_the_table(monkeypatch):
    n = 4000
    masks = masks_of(1000, n)
    (found,) = from_retrainings(masks, margins_of(masks, noise=0.3), pairs=50, players=300)
    sizes, unpack = [], PackedCoalitions.__getitem__

    def counted(self, rows):
        block = unpack(self, rows)
        sizes.append(block.size)
        return block

    monkeypatch.setattr(PackedCoalitions, "__getitem__", counted)
    monkeypatch.setattr(RetrainingTable, "coalitions", None)
    monkeypatch.setattr("shapiq_spex.uncertainty.BLOCK", 2**18)
    monkeypatch.setattr("shapiq_spex.spectral.series.BLOCK_ENTRIES", 2**16)
    monkeypatch.setattr("shapiq_spex.spectral.tilt.BLOCK_ROWS", 64)
    few = found.to_frame("FBII", 2)
    assert 0 < max(sizes) <= masks.size / 3
    monkeypatch.undo()
    many = found.to_frame("FBII", 2)
    np.testing.assert_allclose(many.standard_error, few.standard_error, rtol=1e-5)
    assert set(few[few.significant & (few.order == 2)].interaction) == set(PAIRS)


def test_no_errors_are_told_of_subsets_that_are_not_about_half():
    masks = masks_of(900, 30, share=0.8)
    (found,) = from_retrainings(masks, masks[:, 3] * 2.0 + masks[:, 4])
    frame = found.to_frame("Moebius", 2)
    assert frame.standard_error.isna().all()
    assert not frame.significant.any()


def test_few_players_may_have_a_surrogate_of_proxyspex():
    """Sets of three are beyond pairs."""
    masks = masks_of(1200, 10)
    masks[600:900] = masks[:300]  # the same subset twice, as tables have it
    margins = 1.0 * masks[:, :3].all(axis=1) - masks[:, 4] + 0.01 * masks_of(1200, 1, seed=9)[:, 0]
    (screened,) = from_retrainings(masks, margins)
    (found,) = from_retrainings(masks, margins, proxy=GaussianProcess())
    assert found.interactions("Moebius", 3)[(0, 1, 2)] == pytest.approx(1.0, abs=0.05)
    assert screened.r2 < 0.97
    assert found.r2 > 0.995
    assert found.ledger.method == "from_retrainings"


def test_validate_says_what_a_table_is_validated_by():
    masks = masks_of(300, 12)
    game = lambda x: 2.0 * x[:, 3] - x[:, 5] * x[:, 8]  # noqa: E731
    (found,) = from_retrainings(masks, game(masks))
    with pytest.raises(TypeError, match="a table of retrainings has none, and its R² is already"):
        validate(found, None)
    with pytest.raises(ValueError, match="no null control of it: .* or give validate a game"):
        validate(found, game)
    checked = validate(found, game, budget=150, repeats=0)
    assert checked.faithfulness.r2.min() > 0.95
    assert checked.spots.interaction[0] == (5, 8)
    assert checked.spots.confirmed[0]


BAD = [
    ({"margins": np.zeros(49)}, r"got the shapes \(50, 9\) and \(49,\)"),
    ({"masks": masks_of(19, 9), "margins": np.zeros(19)}, "at least 20 retrainings"),
    ({"margins": np.full(50, np.nan)}, "NaN or infinity in 50 rows"),
    ({"masks": np.full((50, 9), 2)}, "entries 0 or 1"),
    ({"players": 0}, r"players >= 1, .* got 0, 1000 and 0.1"),
    ({"held_out": 0.5}, r"held_out in \(0, 0.4\]"),
]


@pytest.mark.parametrize(("changed", "sentence"), BAD)
def test_bad_tables_are_refused_in_a_sentence(changed, sentence):
    given = {"masks": masks_of(50, 9), "margins": np.arange(50.0), **changed}
    with pytest.raises(ValueError, match=sentence):
        from_retrainings(**given)
