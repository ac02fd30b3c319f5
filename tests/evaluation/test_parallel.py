"""Batches through joblib's backends on this machine: the same bits, one loading, deaths, memory."""

from __future__ import annotations

import _thread
import os
import threading
import time
import weakref

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend

from evaluation.games import CountingGame, DiaryGame, MatrixGame, draw, truth
from shapiq_spex import ProxySPEX
from shapiq_spex.evaluation import Evaluator, Store

ROWS = draw(10, 200)
OUT_OF_WORDS = LookupError("out of words")
ALL_GONE = MemoryError("all gone")


class Rounds(ThreadingBackend):
    """A backend that returns nothing before all is done, as Ray's."""

    supports_return_generator = False


joblib.register_parallel_backend("rounds", Rounds)

BACKENDS = {
    "serial": {},
    "threads": {"backend": "threading", "n_jobs": 3},
    "rounds": {"backend": "rounds", "n_jobs": 3},
    "loky": {"backend": "loky", "n_jobs": 2},
    "loky of one": {"backend": "loky", "n_jobs": 1},
}


@pytest.fixture(params=BACKENDS)
def on_backend(request):
    with joblib.parallel_config(**BACKENDS[request.param]):
        yield request.param


@pytest.fixture
def on_loky():
    with joblib.parallel_config(backend="loky", n_jobs=2):
        yield


def quiet(game, **settings):
    return Evaluator(game, **{"progress": False, "batch_size": 8, **settings})


# ---------------------------------------------------------------------- every backend
@pytest.mark.usefixtures("on_backend")
def test_every_backend_gives_the_same_bits_and_pays_once(tmp_path):
    game = DiaryGame(tmp_path)
    evaluator = quiet(game, store=tmp_path / "values")
    np.testing.assert_array_equal(evaluator(np.concatenate([ROWS, ROWS])), truth(ROWS).tolist() * 2)
    assert evaluator.n_evaluated == 200 == game.n_rows
    assert len(Store(tmp_path / "values")) == 200
    assert max(map(max, game.read("called"))) == 8


@pytest.mark.usefixtures("on_backend")
def test_every_backend_keeps_what_was_paid_when_the_game_fails(tmp_path):
    def healthy(rows):
        return truth(rows)

    def fails(rows):
        if (rows == ROWS[99]).all(axis=1).any():
            raise OUT_OF_WORDS
        return truth(rows)

    healthy.identity = fails.identity = {"game": "words"}
    evaluator = quiet(fails, n_players=10, store=tmp_path / "values")
    with pytest.raises(LookupError, match="out of words") as caught:
        evaluator(ROWS)
    kept = len(Store(tmp_path / "values"))
    assert 96 <= kept < 200
    assert len(caught.value.evaluated_values) == kept
    assert f"{kept} of 200 coalitions" in caught.value.__notes__[-1]
    again = quiet(healthy, n_players=10, store=tmp_path / "values")
    np.testing.assert_array_equal(again(ROWS), truth(ROWS))
    assert again.n_evaluated == 200 - kept


@pytest.mark.usefixtures("on_backend")
def test_every_backend_reads_matrices_and_serves_approximators():
    game = MatrixGame()
    found = ProxySPEX(n=5, random_state=0).recover(20, quiet(game, batch_size=4))
    bare = ProxySPEX(n=5, random_state=0).recover(
        20, lambda rows: game.aggregate(game.outputs(rows))
    )
    assert found.series.to_json() == bare.series.to_json()


@pytest.mark.usefixtures("on_backend")
def test_without_a_number_batches_are_small_enough_for_all_workers(tmp_path):
    game = DiaryGame(tmp_path)
    quiet(game, batch_size=None)(ROWS)
    workers = joblib.effective_n_jobs(None)
    calls = b"".join(game.read("called"))
    assert len(calls) == (1 if workers == 1 else 4 * workers)


# ---------------------------------------------------------------------- serial
def test_nothing_of_joblib_is_in_the_way_of_a_serial_run(monkeypatch):
    monkeypatch.setattr("shapiq_spex.evaluation.engines.Parallel", None)
    monkeypatch.setattr("shapiq_spex.evaluation.workers.Shipment.pack", None)
    here = []
    quiet(lambda rows: here.append(threading.get_ident()) or truth(rows), n_players=10)(ROWS)
    assert set(here) == {threading.get_ident()}


# ---------------------------------------------------------------------- loading
@pytest.mark.parametrize("weights", [0, 3_000_000])
@pytest.mark.usefixtures("on_loky")
def test_a_game_is_unpacked_once_a_worker(weights, tmp_path):
    game = DiaryGame(tmp_path, 0.005, weights=weights)
    evaluator = quiet(game)
    evaluator(ROWS[:100])
    evaluator(ROWS)
    unpickled = game.read("unpickled")
    assert 1 <= len(unpickled) <= 2
    assert set(unpickled) == {b"x"}
    assert len(b"".join(game.read("called"))) == 26


@pytest.mark.usefixtures("on_loky")
def test_a_game_that_cannot_be_sent_is_refused_with_what_to_do():
    lock = threading.Lock()
    evaluator = quiet(lambda rows: truth(rows) if lock else None, n_players=10)
    with pytest.raises(TypeError, match="cannot be sent to other processes: .*use threads"):
        evaluator(ROWS)


@pytest.mark.usefixtures("on_loky")
def test_an_exception_that_cannot_travel_is_told_in_words():
    class UnpicklableError(Exception):
        def __init__(self, what, rows):
            super().__init__(f"{what} and {rows}")

    def fails(rows):
        raise UnpicklableError(what="salt", rows=len(rows))

    with pytest.raises(RuntimeError, match="UnpicklableError: salt and 8") as caught:
        quiet(fails, n_players=10)(ROWS)
    assert "in fails" in caught.value.__notes__[0]


def test_evaluators_inside_workers_share_the_store(tmp_path):
    game = DiaryGame(tmp_path)

    def recover(seed, evaluator):
        return ProxySPEX(n=10, random_state=seed).recover(60, evaluator).series.to_json()

    evaluator = quiet(game, store=tmp_path / "values")
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(recover)(seed, evaluator) for seed in (0, 1, 1))
    assert found == [recover(seed, truth) for seed in (0, 1, 1)]
    assert 60 < len(Store(tmp_path / "values")) <= 120


# ---------------------------------------------------------------------- deaths
@pytest.mark.usefixtures("on_loky")
def test_a_batch_that_kills_workers_is_reported_and_the_others_are_kept(tmp_path):
    rows = ROWS[np.argsort(ROWS.sum(axis=1), kind="stable")]  # the deadly sizes are together
    game = DiaryGame(tmp_path, deadly=5)
    first = int((rows.sum(axis=1) < 5).sum()) // 8 * 8
    evaluator = quiet(game, store=tmp_path / "values")
    with pytest.raises(RuntimeError, match="Workers died again and again on the same batch of 8"):
        evaluator(rows)
    assert first <= len(Store(tmp_path / "values")) <= (rows.sum(axis=1) != 5).sum()
    evaluator.close()

    healthy = quiet(DiaryGame(tmp_path), store=tmp_path / "values")
    np.testing.assert_array_equal(healthy(rows), truth(rows))


@pytest.mark.usefixtures("on_loky")
def test_a_death_costs_its_batch_only_which_is_run_again(tmp_path, monkeypatch):
    class MortalGame(DiaryGame):
        """Dies the first time it is asked for one of the coalitions."""

        def __call__(self, rows):
            died = self.folder / "died"
            if (rows == ROWS[100]).all(axis=1).any() and not died.exists():
                died.touch()
                os._exit(1)
            return super().__call__(rows)

    game = MortalGame(tmp_path, 0.002)
    evaluator = quiet(game, store=tmp_path / "values")
    append = evaluator.store.append

    def slowly(*batch):  # so that results of other batches are still to be recorded at the death
        time.sleep(0.01)
        append(*batch)

    monkeypatch.setattr(evaluator.store, "append", slowly)
    np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))
    assert evaluator.n_evaluated == 200
    assert (tmp_path / "died").exists()
    # For two workers joblib has up to four batches under way. They are begun again if they were in
    # hand at the death, or handed in and not yet taken.
    assert game.n_rows <= 200 + 4 * 8


def test_a_backend_that_hangs_where_workers_die_is_refused():
    game = CountingGame(10)
    evaluator = quiet(game)
    with (
        joblib.parallel_config(backend="multiprocessing", n_jobs=2),
        pytest.raises(ValueError, match="'multiprocessing' waits for ever .* use 'loky'"),
    ):
        evaluator(ROWS)
    assert not game.asked
    with joblib.parallel_config(backend="multiprocessing", n_jobs=1):  # which is no worker
        np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))


# ---------------------------------------------------------------------- memory
class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("tried to allocate 20 MiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
@pytest.mark.parametrize("on_backend", [name for name in BACKENDS if name != "loky"], indirect=True)
@pytest.mark.usefixtures("on_backend")
def test_batches_shrink_and_remember_what_fitted(error):
    game = CountingGame(10)

    def small_memory(rows):
        game.tried.append(len(rows))
        if len(rows) > 5:
            raise error

    game.fail, game.tried = small_memory, []
    evaluator = quiet(game, batch_size=32)
    np.testing.assert_array_equal(evaluator(ROWS[:128]), truth(ROWS[:128]))
    assert max(game.sizes) == 4
    assert set(game.asked.values()) == {1}
    assert {size for size in game.tried if size > 4} == {32, 16, 8}
    game.tried.clear()
    np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))
    assert max(game.tried) == 4


def test_what_a_batch_that_did_not_fit_had_allocated_is_given_back_before_the_next():
    class Tensor:
        pass

    allocated = []

    def small_memory(rows):
        tensor = Tensor()
        assert not any(reference() for reference in allocated)
        allocated.append(weakref.ref(tensor))
        if len(rows) > 5:
            raise MemoryError
        return truth(rows)

    np.testing.assert_array_equal(quiet(small_memory, n_players=10)(ROWS), truth(ROWS))
    assert len(allocated) > 2


@pytest.mark.usefixtures("on_loky")
def test_batches_shrink_in_other_processes():
    def small_memory(rows):
        if len(rows) > 5:
            raise MemoryError
        return truth(rows)

    np.testing.assert_array_equal(quiet(small_memory, n_players=10)(ROWS), truth(ROWS))


@pytest.mark.usefixtures("on_backend")
def test_one_coalition_that_does_not_fit_is_reported():
    def no_memory(rows):
        if (rows == ROWS[50]).all(axis=1).any():
            raise ALL_GONE
        return truth(rows)

    evaluator = quiet(no_memory, n_players=10)
    with pytest.raises(MemoryError, match="all gone"):
        evaluator(ROWS)
    assert 48 <= evaluator.n_evaluated < 200


# ---------------------------------------------------------------------- Ctrl-C
@pytest.mark.usefixtures("on_backend")
@pytest.mark.filterwarnings("ignore:.*tasks have been successfully:UserWarning")
@pytest.mark.filterwarnings("ignore:.*tasks which were still:UserWarning")
def test_ctrl_c_among_workers_keeps_what_was_recorded(tmp_path):
    game = DiaryGame(tmp_path, 0.01)
    evaluator = quiet(game, store=tmp_path / "values", batch_size=2)
    evaluator(ROWS[:6])  # the workers are there
    timer = threading.Timer(0.15, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        evaluator(ROWS)
    timer.join()
    kept = len(Store(tmp_path / "values"))
    assert 6 < kept < 200
    assert kept <= len(caught.value.evaluated_values) <= kept + 2  # a batch may be in hand
    time.sleep(0.1)  # threads cannot be stopped: let them end
    np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))
    assert evaluator.n_evaluated in (200, 202)  # it may not have been recorded
