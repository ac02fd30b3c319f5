"""Claim: a run killed at any moment keeps every batch but the one in hand, and resumes to the same
bits.

The kills are real (SIGKILL) and hit a child process at a random moment of its run. The game of the
child writes down each batch it is asked for before it answers, so what was begun is known.

    python benchmarks/kills.py

Asserts what it claims. One thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import signal
import sqlite3
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from shapiq_spex.evaluation import Evaluator, Store

RESULTS = Path(__file__).parent / "results" / "kills.md"
FORK = multiprocessing.get_context("fork")
PLAYERS, MASKS, BATCH = 60, 800, 16


class DiaryGame:
    """Every bit of a mask decides its value; every batch is written down before it is answered."""

    identity = {"game": "diary"}  # noqa: RUF012
    n_players = PLAYERS

    def __init__(self, diary):
        self.diary = diary

    def __call__(self, rows):
        with self.diary.open("ab") as diary:
            diary.write(b"x")
        time.sleep(0.0002)  # about what recording takes, so that kills hit both
        return values_of(rows)


def values_of(rows):
    weights = np.sqrt(np.arange(2, PLAYERS + 2))
    return np.array([np.sin(weights[row].sum()) for row in rows])


def masks():
    rows = np.random.default_rng(0).random((2 * MASKS, PLAYERS)) < 0.5
    return np.unique(rows, axis=0)[:MASKS]


def evaluate(store, diary):
    with Evaluator(DiaryGame(diary), store=store, batch_size=BATCH, progress=False) as evaluator:
        return evaluator(masks()), evaluator.n_evaluated


def killed_run(folder, after, delay):
    """Kill a run a while after it has begun a batch, and resume it here."""
    store, diary = folder / "values", folder / "diary"
    child = FORK.Process(target=evaluate, args=(store, diary))
    child.start()
    while after and not (diary.exists() and diary.stat().st_size >= after):
        time.sleep(0.0001)
    time.sleep(delay)
    child.kill()
    child.join()
    begun = diary.stat().st_size if diary.exists() else 0
    kept = rows_in(store) if begun else 0
    values, paid = evaluate(store, diary)
    return {
        "killed": child.exitcode == -signal.SIGKILL,
        "begun": begun,
        "kept": kept // BATCH,
        "whole batches": kept % BATCH == 0,
        "paid": paid,
        "same bits": bool((values == values_of(masks())).all()),
        "stored": rows_in(store),
    }


def rows_in(store):
    with Store(store) as opened:
        return len(opened)


def kill_report(runs):
    rng = np.random.default_rng(1)
    found = []
    for after in rng.integers(0, MASKS // BATCH, runs):
        with tempfile.TemporaryDirectory() as folder:
            found.append(killed_run(Path(folder), after, rng.uniform(0, 0.002)))
    for run in found:
        assert run["kept"] in (run["begun"], run["begun"] - 1) or not run["begun"], run
        assert run["same bits"], run
        assert run["whole batches"], run
        assert run["stored"] == MASKS, run
        assert run["paid"] == MASKS - run["kept"] * BATCH, run
    killed = [run for run in found if run["killed"]]
    inside = [run for run in killed if 0 < run["kept"] < MASKS // BATCH]
    assert len(inside) > 0.8 * runs, len(inside)
    lost = sum(run["begun"] - run["kept"] for run in found)
    yield "| | |"
    yield "|---|---|"
    yield f"| runs, {MASKS} masks in batches of {BATCH} | {len(found)} |"
    yield f"| killed before they had ended | {len(killed)} |"
    yield f"| of these with some batches recorded, and some not | {len(inside)} |"
    yield f"| batches begun before the kills | {sum(run['begun'] for run in found)} |"
    yield f"| of these recorded | {sum(run['kept'] for run in found)} |"
    yield f"| in hand when the kill came, at most one a run, paid again | {lost} |"
    yield f"| resumed runs with the bits of an uninterrupted one | {len(found)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    names = ("shapiq", "numpy", "joblib")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    lines = [
        f"# {args.runs} runs killed with SIGKILL at random moments",
        "",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}.",
        "",
        *kill_report(args.runs),
    ]
    text = "\n".join(lines) + "\n"
    args.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
