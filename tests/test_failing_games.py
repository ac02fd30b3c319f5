"""A game that answers wrongly or fails is told so in a sentence, and nothing paid for is lost."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from approximators import APPROXIMATORS, N, Recorder, as_dict, named, seen, sparse_game
from shapiq_spex import Evaluator, approximator
from shapiq_spex.spectral.walsh import table_index


@pytest.fixture(params=APPROXIMATORS)
def make(request):
    """Those that ask for all they want at once, so that it is known what has been paid for."""
    return partial(named, request.param)


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


def test_complex_values_are_refused(make):
    with pytest.raises(ValueError, match="needs to return real numbers"):
        make().approximate(2**N, lambda x: 1j * x.sum(axis=1))


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
