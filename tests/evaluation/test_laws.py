"""Any sequence of calls gives what the bare game gives, and pays for each coalition once."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.games import CountingGame, all_coalitions, truth
from shapiq_spex.evaluation import Evaluator, Store

N = 4
ROWS = all_coalitions(N)

calls = st.lists(st.lists(st.integers(0, 2**N - 1), min_size=1, max_size=20), max_size=6)
# What happens before a call: nothing, a new start from the store, a pickled copy, a game that
# raises, is interrupted, or gives NaN, after a number of batches.
events = st.lists(
    st.tuples(
        st.sampled_from(["go on", "reopen", "pickle", "raise", "interrupt", "nan"]),
        st.integers(0, 3),
    ),
    min_size=6,
    max_size=6,
)


class TroubledGame(CountingGame):
    """Fails where told to, without being paid."""

    def __init__(self):
        super().__init__(N)
        self.trouble, self.batches_left = "go on", 0

    def __call__(self, rows):
        if self.trouble != "go on":
            self.batches_left -= 1
            if self.batches_left < 0 and self.trouble == "raise":
                raise RuntimeError(self.trouble)
            if self.batches_left < 0 and self.trouble == "interrupt":
                raise KeyboardInterrupt
            if self.batches_left < 0:
                half = len(rows) // 2
                return np.append(super().__call__(rows[:half]), np.full(len(rows) - half, np.nan))
        return super().__call__(rows)


def call_again_after_trouble(evaluator, game, rows):
    try:
        return evaluator(rows)
    except (RuntimeError, KeyboardInterrupt, ValueError) as error:
        failure = error
    finally:
        game.trouble = "go on"
    values = failure.evaluated_values
    np.testing.assert_array_equal(values, truth(failure.evaluated_coalitions))
    noted = f"{len(values)} of {len(np.unique(rows, axis=0))} coalitions have their values"
    assert (noted in str(getattr(failure, "__notes__", ""))) == (len(values) > 0)
    return evaluator(rows)


@settings(max_examples=60, deadline=None)
@given(
    calls=calls, events=events, batch_size=st.sampled_from([1, 3, 7, None]), stored=st.booleans()
)
def test_whatever_happens_values_are_right_and_paid_once(calls, events, batch_size, stored):
    game = TroubledGame()
    with tempfile.TemporaryDirectory() as folder:
        options = {"batch_size": batch_size, "progress": False}
        options |= {"store": Path(folder) / "values"} if stored else {}
        evaluator = Evaluator(game, **options)
        requested = set()
        for call, (event, batches) in zip(calls, events, strict=False):
            if event == "reopen" and stored:
                evaluator.close()
                evaluator, requested = Evaluator(game, **options), set()
            elif event == "pickle":
                evaluator = pickle.loads(pickle.dumps(evaluator))
                evaluator._game = game
            elif event in ("raise", "interrupt", "nan"):
                game.trouble, game.batches_left = event, batches
            found = call_again_after_trouble(evaluator, game, ROWS[call])
            np.testing.assert_array_equal(found, truth(ROWS[call]))
            requested |= set(call)
            assert evaluator.n_requested == len(requested)
            assert set(game.asked.values()) <= {1}
        evaluator.close()
        if stored:
            rows, outputs = Store(options["store"]).read()
            assert {row.tobytes() for row in rows} == set(game.asked)
            np.testing.assert_array_equal(outputs[:, 0], truth(rows))


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    fits=st.integers(1, 10),
    seed=st.integers(0, 99),
)
def test_memory_that_ends_at_any_size_changes_no_value(sizes, fits, seed):
    game = CountingGame(8)

    def small_memory(rows):
        if len(rows) > fits:
            raise MemoryError

    game.fail = small_memory
    evaluator = Evaluator(game, progress=False)
    rng = np.random.default_rng(seed)
    for size in sizes:
        rows = rng.random((size, 8)) < 0.5
        np.testing.assert_array_equal(evaluator(rows), truth(rows))
    assert set(game.asked.values()) == {1}
    assert max(game.sizes) <= fits


def test_the_law_sees_a_coalition_paid_twice():
    game = CountingGame(3)
    game(all_coalitions(3))
    evaluator = Evaluator(game, progress=False)
    evaluator(all_coalitions(3))
    with pytest.raises(AssertionError):
        assert set(game.asked.values()) <= {1}
    with warnings.catch_warnings(action="error"):
        evaluator(all_coalitions(3))
