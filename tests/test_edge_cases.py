"""Where shapiq 1.4.1 and 1.8.0 crash, lose values or answer wrongly: ours is right or says why."""

from __future__ import annotations

import re

import numpy as np
import pytest
from shapiq import Game

import naive
from approximators import APPROXIMATORS, Recorder, as_dict, random_table, seen, sparse_game
from shapiq_spex import Evaluator, ProxySPEX, approximator
from shapiq_spex.proxyspex.boosted import BoostedTrees
from shapiq_spex.proxyspex.gaussian_process import GaussianProcess
from shapiq_spex.spectral.walsh import table_index

N = 10
LIKE_LINEAR = np.random.default_rng(1).normal(size=20) * 3


@pytest.fixture(params=APPROXIMATORS)
def make(request):
    def build(**settings):
        return APPROXIMATORS[request.param](**{"n": N, "random_state": 3, **settings})

    return build


def linear_game(x):
    return x @ LIKE_LINEAR + 1.5


# ---------------------------------------------------------------------- few players, all coalitions
@pytest.mark.parametrize("index", ["SV", "k-SII", "FSII", "BII"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_players_and_all_coalitions_are_exact(make, n, index):
    table = random_table(n)
    found = make(n=n, index=index, max_order=2).approximate(2**n, naive.as_game(table))
    expected = naive.index(table, index, 2)
    assert as_dict(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_unit_games_are_exact(make, n):
    found = make(n=n, index="SV", max_order=1).approximate(2**n, lambda x: 1.0 * x.all(axis=1))
    assert as_dict(found) == pytest.approx({(): 0.0} | {(i,): 1 / n for i in range(n)}, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_players_and_the_smallest_budget(make, n):
    table = random_table(n)
    found = make(n=n, index="SV", max_order=1).approximate(min(n + 2, 2**n), naive.as_game(table))
    assert np.isfinite(found.values).all()


def test_a_budget_beyond_all_coalitions_pays_each_once_and_is_exact(make):
    table = random_table(N)
    recorder = Recorder(naive.as_game(table))
    found = make(index="SII", max_order=2).approximate(5000, recorder)
    assert len(recorder.rows) == len(np.unique(recorder.rows, axis=0)) == 1024
    assert as_dict(found) == pytest.approx(naive.sii(table, 2), abs=1e-10)


# ---------------------------------------------------------------------- simple games
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_game_is_met_by_the_gaussian_process(seed):
    """Its kernel has a linear part, so with 700 values of 21 coefficients only the prior shrinks.

    The noise is at least e^-14 = 8e-7 of the variance. Ridge regression of m values on
    orthogonal characters with noise v and prior a/n shrinks by v n / (m a), 1e-7 for a >= 0.2;
    1e-5 of the spread leaves room for a noise learned ten times larger on shorter searches.
    """
    found = as_dict(ProxySPEX(n=20, random_state=seed).approximate(700, linear_game))
    spread = np.sqrt((LIKE_LINEAR**2).sum()) / 2
    for t, value in found.items():
        expected = LIKE_LINEAR[t[0]] if len(t) == 1 else 1.5 * (len(t) == 0)
        assert value == pytest.approx(expected, abs=1e-5 * spread), t


def test_no_player_of_a_linear_game_is_zeroed(make):
    signs = np.where(np.arange(20) % 2, 1.0, -1.0)
    found = make(n=20, index="SV").approximate(700, lambda x: x @ signs)
    values = np.array([found[(i,)] for i in range(20)])
    np.testing.assert_allclose(values, signs, atol=0.5)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 0.1, 1e-30, 1e30])
@pytest.mark.parametrize("budget", [12, 60, 2**N])
def test_a_constant_game_has_no_interactions(make, value, budget):
    recovery = make().recover(budget, lambda x: np.full(len(x), value))
    found = as_dict(recovery.interactions("k-SII", 2))
    assert found == pytest.approx(
        {(): value} | {(i,): 0.0 for i in range(N)}, abs=1e-12 * abs(value)
    )
    if budget < 2**N:
        assert recovery.r2 is None
        assert recovery.status.startswith("R² unknown")


@pytest.mark.parametrize("which", ["all", "any"])
def test_a_game_that_varies_at_one_end_only(make, which):
    """Among 100 of 2^20 coalitions only an end differs, so hardly anything can be known."""

    def game(x):
        return 1.0 * getattr(x, which)(axis=1)

    recovery = make(n=20).recover(100, game)
    assert recovery.r2 is None or -1 < recovery.r2 < 0.5
    assert np.isfinite(recovery.series.coefficients).all()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_do_not_matter(make, scale):
    expected = make().recover(100, sparse_game)
    found = make().recover(100, lambda x: scale * sparse_game(x))
    assert found.r2 == pytest.approx(expected.r2, abs=0.02)
    ours, theirs = (
        np.array(list(as_dict(r.interactions("SV")).values())) for r in (found, expected)
    )
    np.testing.assert_allclose(ours / scale, theirs, atol=0.1)


def test_a_large_offset_does_not_matter(make):
    found = make(index="SV").approximate(100, lambda x: 1e7 + sparse_game(x))
    expected = make(index="SV").approximate(100, sparse_game)
    for i in range(N):
        assert found[(i,)] == pytest.approx(expected[(i,)], abs=0.05)


# ---------------------------------------------------------------------- bad values
def broken_game(bad, every):
    """Every so many coalitions of all have a bad value."""

    def game(x):
        return np.where(table_index(x) % every == every - 1, bad, sparse_game(x))

    return game


@pytest.mark.parametrize("budget", [700, 2**N])
@pytest.mark.parametrize(
    ("bad", "every"), [(np.nan, 100), (np.nan, 1), (np.inf, 100), (-np.inf, 100)]
)
def test_values_that_are_not_finite_are_refused_and_kept(make, bad, every, budget):
    recorder = Recorder(broken_game(bad, every))
    with pytest.raises(
        ValueError, match=rf"finite values, got NaN or infinity for \d+ of {budget} coalitions"
    ) as caught:
        make().approximate(budget, recorder)
    values = caught.value.evaluated_values
    assert len(values) == budget
    assert int(re.search(r"for (\d+) of", str(caught.value))[1]) == (~np.isfinite(values)).sum()
    np.testing.assert_array_equal(caught.value.evaluated_coalitions, recorder.rows)


def test_one_column_is_accepted(make):
    found = make().approximate(60, lambda x: sparse_game(x)[:, None])
    assert as_dict(found) == as_dict(make().approximate(60, sparse_game))


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        (lambda x: np.zeros((len(x), 2)), r"\(60, 2\)"),
        (lambda x: np.zeros((1, len(x))), r"\(1, 60\)"),
        (lambda x: np.zeros(len(x) + 1), r"\(61,\)"),
        (lambda _: 1.0, r"\(\)"),
        (lambda _: [], r"\(0,\)"),
    ],
)
def test_other_shapes_are_refused(make, answer, shape):
    with pytest.raises(ValueError, match=rf"one value a coalition, shape \(60,\), got {shape}"):
        make().approximate(60, answer)


@pytest.mark.parametrize("answer", [None, "text", [None], {"a": 1}])
def test_answers_that_are_no_numbers_are_refused(make, answer):
    with pytest.raises(ValueError, match=r"needs to return (real numbers|one value|finite)"):
        make().approximate(60, lambda x: [answer] * len(x))


# ---------------------------------------------------------------------- a game that fails
class Failing:
    """Raises once more rows are asked for than it is willing to answer."""

    def __init__(self, rows, error):
        self.left, self.error = rows, error

    def __call__(self, x):
        if len(x) > self.left:
            raise self.error
        self.left -= len(x)
        return sparse_game(x)


@pytest.mark.parametrize("budget", [700, 2**N])
@pytest.mark.parametrize("error", [RuntimeError("lost"), KeyboardInterrupt(), MemoryError()])
def test_what_was_paid_for_survives_a_failure(make, error, budget):
    with pytest.raises(type(error)) as caught:
        make().approximate(budget, Failing(300, error))
    paid = caught.value.evaluated_coalitions
    assert caught.value is error
    assert 300 - 64 < len(paid) <= 300
    np.testing.assert_array_equal(caught.value.evaluated_values, sparse_game(paid))
    np.testing.assert_array_equal(paid, seen(make(), budget)[: len(paid)])
    note = f"{len(paid)} values had been paid for"
    assert any(note in line for line in caught.value.__notes__)


def test_a_wrong_shape_in_the_middle_keeps_the_blocks_before(make):
    answers = iter([64, 64])

    def game(x):
        return sparse_game(x)[: next(answers, 3)]

    with pytest.raises(ValueError, match="one value a coalition") as caught:
        make().approximate(300, game)
    assert len(caught.value.evaluated_values) == 128


def test_a_game_that_keeps_its_values_gets_what_fits_into_memory(make, monkeypatch):
    monkeypatch.setattr(approximator, "BLOCK_CELLS", 100 * N)
    whole = make().approximate(300, sparse_game)
    recorder = Recorder(sparse_game)
    recorder.keeps_values = True
    assert as_dict(make().approximate(300, recorder)) == as_dict(whole)
    assert [len(block) for block in recorder.blocks] == [100, 100, 100]


def test_what_was_paid_for_in_earlier_blocks_stands_before_what_a_game_kept(make, monkeypatch):
    monkeypatch.setattr(approximator, "BLOCK_CELLS", 100 * N)
    evaluator = Evaluator(Failing(230, RuntimeError("lost")), N, batch_size=10, progress=False)
    with pytest.raises(RuntimeError) as caught:
        make().approximate(300, evaluator)
    np.testing.assert_array_equal(caught.value.evaluated_coalitions, seen(make(), 300)[:230])
    assert len(caught.value.evaluated_values) == evaluator.n_evaluated == 230


def test_a_game_that_keeps_its_values_is_asked_once(make):
    recorder = Recorder(sparse_game)
    recorder.keeps_values = True
    found = make().approximate(300, recorder)
    assert len(recorder.blocks) == 1
    assert as_dict(found) == as_dict(make().approximate(300, sparse_game))


# ---------------------------------------------------------------------- budgets
@pytest.mark.parametrize("budget", [0, -1, 1, 11, 700.0, 12.5, True, "100", None, np.float64(100)])
def test_budgets_that_do_not_do_name_the_minimum_before_anything_is_paid(make, budget):
    recorder = Recorder(sparse_game)
    message = f"whole number of at least 12 coalitions for n=10 players, got {budget!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        make().approximate(budget, recorder)
    assert recorder.blocks == []


@pytest.mark.parametrize(("n", "least"), [(1, 2), (2, 4), (3, 5), (5, 7), (100, 102)])
def test_the_named_minimum_works(make, n, least):
    with pytest.raises(ValueError, match=f"at least {least} coalitions for n={n}"):
        make(n=n).approximate(least - 1, lambda x: 1.0 * x[:, 0])
    found = make(n=n, index="SV").approximate(least, lambda x: 1.0 * x[:, 0])
    assert np.isfinite(found.values).all()


# ---------------------------------------------------------------------- settings
@pytest.mark.parametrize("name", ["n", "max_order"])
@pytest.mark.parametrize("number", [0, -1, 1.5, 2.0, True, "2", None])
def test_settings_that_are_no_positive_whole_number_are_refused(make, name, number):
    message = f"{name} to be a positive whole number, got {number!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**{name: number})


@pytest.mark.parametrize("index", ["CHII", "kADD-SHAP", "Fourier", "sv", None])
def test_unknown_indices_are_refused_before_anything_is_paid(make, index):
    with pytest.raises(ValueError, match=f"an index among Moebius, SV, .*, FBII, got {index!r}"):
        make(index=index)


@pytest.mark.parametrize("index", ["CHII", "Fourier"])
def test_a_recovery_refuses_them_too(make, index):
    recovery = make().recover(40, sparse_game)
    with pytest.raises(ValueError, match=f"one of Moebius, SV, .*, got {index!r}"):
        recovery.interactions(index)
    with pytest.raises(ValueError, match="positive whole number, got 0"):
        recovery.interactions("SII", 0)


def test_unknown_proxies_are_refused():
    with pytest.raises(ValueError, match="a proxy among gp, gbt, got 'forest'"):
        ProxySPEX(n=4, proxy="forest")


@pytest.mark.parametrize("proxy", [None, 3, GaussianProcess])
def test_things_that_are_no_proxy_are_refused_before_anything_is_paid(proxy):
    recorder = Recorder(sparse_game)
    with pytest.raises((TypeError, ValueError), match="ProxySPEX needs a proxy"):
        ProxySPEX(n=N, proxy=proxy).approximate(40, recorder)
    assert recorder.blocks == []


def test_a_game_of_other_players_is_refused(make):
    class Seven(Game):
        def __init__(self):
            super().__init__(7, normalize=False)

        def value_function(self, coalitions):
            return coalitions.sum(axis=1) * 1.0

    with pytest.raises(ValueError, match="made for n=10 players, but the game has 7"):
        make().approximate(60, Seven())


# ---------------------------------------------------------------------- many players
@pytest.mark.parametrize(
    "proxy",
    [
        GaussianProcess(tuning_rows=150, terms=100, folds=2),
        BoostedTrees(depths=(2,), trees=(5,), rates=(0.3,), folds=2),
    ],
    ids=["gp", "gbt"],
)
@pytest.mark.parametrize("index", ["FBII", "SV", "k-SII"])
def test_more_than_a_thousand_players(proxy, index):
    recorder = Recorder(lambda x: 3.0 * x[:, 5] + x[:, 1099])
    found = ProxySPEX(n=1100, index=index, proxy=proxy, random_state=0).approximate(1102, recorder)
    assert len(np.unique(recorder.rows, axis=0)) == len(recorder.rows) == 1102
    values = np.array([found[(i,)] for i in range(1100)])
    assert np.isfinite(found.values).all()
    assert np.abs(values).argmax() == 5


def test_shapley_values_add_up_beyond_a_thousand_players():
    proxy = GaussianProcess(tuning_rows=150, terms=100, folds=2)
    weights = np.random.default_rng(0).normal(size=1100)
    found = ProxySPEX(n=1100, index="SV", proxy=proxy, random_state=0).approximate(
        1102, lambda x: x @ weights + x[:, 0] * x[:, 1] + 2.0
    )
    values = as_dict(found)
    assert values.pop(()) == pytest.approx(2.0, abs=1e-9)
    assert sum(values.values()) == pytest.approx(weights.sum() + 1, abs=1e-9 * len(weights))


@pytest.mark.parametrize("random_state", [-1, 1.5, np.random.default_rng(0), "7"])
def test_a_random_state_is_a_whole_number(make, random_state):
    with pytest.raises(ValueError, match="random_state that is None or a whole number"):
        make(random_state=random_state)


def test_complex_values_are_refused(make):
    with pytest.raises(ValueError, match="needs to return real numbers"):
        make().approximate(2**N, lambda x: 1j * x.sum(axis=1))


def test_a_negative_r2_is_said():
    # A parity of all players: no sample of this size says anything about the others, so R² is
    # about 0, on either side.
    def parity(x):
        return 1.0 - 2.0 * (x.sum(axis=1) % 2)

    results = [ProxySPEX(n=12, random_state=seed).recover(60, parity) for seed in range(6)]
    said = [result.status.startswith("R² is below 0") for result in results]
    assert said == [result.r2 < 0 for result in results]
    assert any(said)
    assert abs(np.mean([result.r2 for result in results])) < 0.15
