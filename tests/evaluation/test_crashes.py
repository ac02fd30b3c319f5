"""What is left when a run breaks off: everything that was paid for, and the same line resumes."""

from __future__ import annotations

import errno
import signal
import threading
import time
from contextlib import suppress

import numpy as np
import pytest

from evaluation.children import (
    BATCH,
    FORKS,
    M,
    N,
    evaluate,
    evaluate_beside_others,
    evaluate_on_a_full_disk,
    fork_while_it_is_open,
    start,
)
from evaluation.games import CountingGame, DiaryGame, all_coalitions, draw, truth
from shapiq_spex import SPEX, ProxySPEX
from shapiq_spex.evaluation import Evaluator, Store


def quiet(game, **settings):
    return Evaluator(game, **{"progress": False, "batch_size": BATCH, **settings})


# ---------------------------------------------------------------------- kill -9
@pytest.mark.parametrize("seed", range(6))
def test_a_killed_run_loses_at_most_the_batch_it_was_in(seed, tmp_path):
    store = tmp_path / "values"
    child = start(evaluate, store, tmp_path, 0.002)
    diary = DiaryGame(tmp_path, n_players=N)
    if seed:
        while not diary.read("called"):
            time.sleep(0.001)
    time.sleep(np.random.default_rng(seed).uniform(0, 0.1))
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    begun = diary.n_rows
    kept = len(Store(store)) if begun else 0
    assert kept in (begun, begun - BATCH) if begun else True

    evaluator = quiet(diary, store=store)
    np.testing.assert_array_equal(evaluator(draw(N, M)), truth(draw(N, M)))
    assert evaluator.n_evaluated == M - kept
    evaluator.close()
    assert len(Store(store)) == M


# ---------------------------------------------------------------------- exceptions, NaN, Ctrl-C
def press_ctrl_c(_):
    signal.raise_signal(signal.SIGINT)


def divide_by_zero(_):
    return 1 / 0


def refuse(*_):
    raise OSError(errno.ENOSPC, "no space left")


@pytest.mark.parametrize(
    ("trouble", "error"), [(press_ctrl_c, KeyboardInterrupt), (divide_by_zero, ZeroDivisionError)]
)
@pytest.mark.parametrize("k", [0, 3, 7])
def test_all_batches_before_batch_k_are_kept(trouble, error, k, tmp_path):
    game, rows = CountingGame(), all_coalitions(6)
    game.fail = lambda batch: len(game.sizes) == k and trouble(batch)
    evaluator = quiet(game, store=tmp_path / "values")
    with pytest.raises(error) as caught:
        evaluator(rows)
    assert len(Store(tmp_path / "values")) == 8 * k
    np.testing.assert_array_equal(caught.value.evaluated_coalitions, rows[: 8 * k])
    np.testing.assert_array_equal(caught.value.evaluated_values, truth(rows[: 8 * k]))
    notes = getattr(caught.value, "__notes__", [])
    assert len(notes) == (k > 0)
    if k:
        assert f"{8 * k} of 64 coalitions have their values" in notes[0]
        assert str(tmp_path / "values") in notes[0]

    game.fail = None
    again = quiet(game, store=tmp_path / "values")
    np.testing.assert_array_equal(again(rows), truth(rows))
    assert set(game.asked.values()) == {1}


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_of_a_batch_with_a_broken_value_the_others_are_kept(broken, tmp_path):
    rows = all_coalitions(6)

    def game(batch):
        values = truth(batch)
        values[(batch == rows[21]).all(axis=1)] = broken
        return values

    evaluator = quiet(game, n_players=6, store=tmp_path / "values")
    with pytest.raises(ValueError, match="got NaN or infinity for 1 of 8 coalitions"):
        evaluator(rows)
    assert len(Store(tmp_path / "values")) == 23 == evaluator.n_evaluated - 1
    evaluator._game = truth
    np.testing.assert_array_equal(evaluator(rows), truth(rows))
    assert evaluator.n_evaluated == 65


@pytest.mark.parametrize("approximator", [ProxySPEX, SPEX])
def test_an_approximator_resumes_where_it_broke_off(approximator, tmp_path):
    game = CountingGame(10)
    game.fail = lambda _: len(game.sizes) == 5 and press_ctrl_c(None)
    evaluator = quiet(game, store=tmp_path / "values")
    with pytest.raises(KeyboardInterrupt) as caught:
        approximator(n=10, random_state=0).recover(100, evaluator)
    # What the evaluator says it kept stands, and no one says less.
    assert len(caught.value.evaluated_values) == evaluator.n_evaluated > 0
    assert len(caught.value.__notes__) == 1
    game.fail = None
    resumed = approximator(n=10, random_state=0).recover(
        100, quiet(game, store=tmp_path / "values")
    )
    assert game.n_asked == 100
    whole = approximator(n=10, random_state=0).recover(100, truth)
    assert resumed.series.to_json() == whole.series.to_json()


# ---------------------------------------------------------------------- full disk
@pytest.mark.parametrize("limit", [60_000, 100_000])
def test_on_a_full_disk_the_values_are_in_the_exception_and_later_in_the_store(limit, tmp_path):
    answers = FORKS.Queue()
    child = start(evaluate_on_a_full_disk, tmp_path / "values", tmp_path, limit, answers)
    (message, notes, n_values), paid, values, n_rows = answers.get(timeout=60)
    child.join()
    assert "cannot be read or written" in message
    assert 0 < n_values == paid < M
    assert f"{paid} of {M} coalitions have their values" in notes
    assert f"but for {BATCH} that it could not take" in notes
    np.testing.assert_array_equal(values, truth(draw(N, M)))
    assert n_rows == M  # the second call paid for the rest only
    rows, outputs = Store(tmp_path / "values").read()
    assert len(rows) == M
    np.testing.assert_array_equal(outputs[:, 0], truth(rows))


def test_what_the_store_could_not_take_is_written_by_the_next_call(tmp_path, monkeypatch):
    evaluator = quiet(CountingGame(), store=tmp_path / "values", batch_size=64)
    with monkeypatch.context() as patch:
        patch.setattr(evaluator.store, "append", refuse)
        with pytest.raises(OSError, match="no space") as caught:
            evaluator(all_coalitions(6))
    np.testing.assert_array_equal(caught.value.evaluated_values, truth(all_coalitions(6)))
    assert len(evaluator.store) == 0
    evaluator(all_coalitions(6)[:1])
    assert len(evaluator.store) == 64 == evaluator.n_evaluated


def test_ctrl_c_while_a_batch_is_recorded_costs_nothing(tmp_path, monkeypatch):
    evaluator = quiet(CountingGame(), store=tmp_path / "values", batch_size=64)
    append, pressed = evaluator.store.append, []

    def interrupted(*batch):
        append(*batch)
        if not pressed:
            pressed.append(True)
            press_ctrl_c(None)

    monkeypatch.setattr(evaluator.store, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluator(all_coalitions(6))
    assert len(Store(tmp_path / "values")) == 64


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_leaves_no_lock_and_no_transaction_behind(tmp_path):
    """The game takes no time, so most of these hit the recording."""
    rng, rows = np.random.default_rng(0), draw(10, 200)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for trial in range(40):
            game = CountingGame(10)
            evaluator = quiet(game, store=tmp_path / str(trial))
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 1e-2))
                evaluator(rows)
                signal.setitimer(signal.ITIMER_REAL, 0)
            found = []
            other = threading.Thread(target=lambda: found.append(evaluator(rows)))  # noqa: B023
            other.start()
            other.join(30)
            np.testing.assert_array_equal(found, [truth(rows)])
            assert len(Store(tmp_path / str(trial))) == 200
            assert evaluator.n_evaluated <= game.n_asked <= 200 + BATCH
            evaluator.close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------------- two at once
def test_processes_that_share_a_store_agree_and_share_the_work(tmp_path):
    """The noise of the game tells the processes apart: whose value came first stays."""
    answers, barrier = FORKS.Queue(), FORKS.Barrier(3)
    arguments = tmp_path / "values", tmp_path, barrier, answers
    children = [start(evaluate_beside_others, *arguments) for _ in range(3)]
    found = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    (first, *_), (second, *_), (third, *_) = found
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    rows, outputs = Store(tmp_path / "values").read()
    assert len(rows) == M
    assert dict(zip(map(bytes, rows), outputs[:, 0], strict=True)) == dict(
        zip(map(bytes, draw(N, M)), first, strict=True)
    )
    assert len(np.unique(np.round(first - truth(draw(N, M))))) > 1
    paid = sum(n_evaluated for _, n_evaluated, _ in found)
    assert M <= paid < 1.5 * M


def test_a_fork_shares_the_file_and_nothing_else(tmp_path):
    answers = FORKS.Queue()
    child = start(fork_while_it_is_open, tmp_path / "values", tmp_path, answers)
    status, values, paid = answers.get(timeout=60)
    child.join()
    assert status == 0
    np.testing.assert_array_equal(values, truth(draw(N, M)))
    assert paid == M - 160  # the fork has paid for these
    assert len(Store(tmp_path / "values")) == M
