"""A real cluster of separate worker processes on this machine."""

from __future__ import annotations

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest

from evaluation.games import DiaryGame, draw, truth
from shapiq_spex import ProxySPEX
from shapiq_spex.evaluation import Evaluator, Store

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

ROWS = draw(10, 200)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            local_directory=str(tmp_path_factory.mktemp("dask")),
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as local,
    ):
        yield local


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        with joblib.parallel_config(backend="dask", wait_for_workers_timeout=60):
            yield client


def quiet(game, **settings):
    return Evaluator(game, **{"progress": False, "batch_size": 8, **settings})


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("weights", [0, 3_000_000])
def test_the_workers_give_what_a_serial_run_gives_and_load_the_game_once(weights, tmp_path):
    game = DiaryGame(tmp_path, 0.005, weights=weights)
    evaluator = quiet(game, store=tmp_path / "values")
    np.testing.assert_array_equal(evaluator(ROWS[:100]), truth(ROWS[:100]))
    np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))
    assert evaluator.n_evaluated == 200 == len(Store(tmp_path / "values"))
    assert game.read("unpickled") == [b"x", b"x"]
    assert not list(tmp_path.glob(f"called-{os.getpid()}"))


@pytest.mark.usefixtures("client")
def test_an_approximator_finds_the_same(tmp_path):
    found = ProxySPEX(n=10, random_state=0).recover(60, quiet(DiaryGame(tmp_path)))
    serial = ProxySPEX(n=10, random_state=0).recover(60, truth)
    assert found.series.to_json() == serial.series.to_json()


@pytest.mark.parametrize("weights", [0, 3_000_000])
def test_a_worker_killed_midway_costs_its_batch_only(client, weights, tmp_path):
    game = DiaryGame(tmp_path, 0.1, weights=weights)
    evaluator = quiet(game, store=tmp_path / "values")

    def kill_one():
        while game.n_rows < 40:
            time.sleep(0.01)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    np.testing.assert_array_equal(evaluator(ROWS), truth(ROWS))
    killer.join()
    assert evaluator.n_evaluated == 200 == len(Store(tmp_path / "values"))
    assert 200 <= game.n_rows <= 200 + 4 * 8  # running, and finished but not yet fetched


@pytest.mark.usefixtures("client")
def test_a_batch_that_kills_workers_is_reported_and_the_others_are_kept(tmp_path):
    rows = ROWS[np.argsort(ROWS.sum(axis=1), kind="stable")]
    deadly = int(rows[-1].sum())
    evaluator = quiet(DiaryGame(tmp_path, deadly=deadly), store=tmp_path / "values")
    with pytest.raises(RuntimeError, match=r"Workers died .* batch of 8 .*KilledWorker") as caught:
        evaluator(rows)
    assert len(Store(tmp_path / "values")) == len(caught.value.evaluated_values) >= 180
