"""What child processes do; they are forked from a server that has imported the package."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading

import numpy as np

from evaluation.games import DiaryGame, draw
from shapiq_spex.evaluation import Evaluator

N, M, BATCH = 12, 400, 8

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["shapiq_spex.evaluation"])


def start(target, *arguments):
    child = FORKS.Process(target=target, args=arguments, daemon=True)
    child.start()
    return child


def evaluate(store, folder, seconds):
    """A run that may be killed."""
    game = DiaryGame(folder, seconds, n_players=N)
    with Evaluator(game, store=store, batch_size=BATCH, progress=False) as evaluator:
        evaluator(draw(N, M))


def evaluate_beside_others(store, folder, barrier, answers):
    """A run with a game of its own, begun with others at the same moment."""
    barrier.wait()
    game = DiaryGame(folder, 0.002, n_players=N, noise=True)
    with Evaluator(game, store=store, batch_size=BATCH, progress=False) as evaluator:
        answers.put((evaluator(draw(N, M)), evaluator.n_evaluated, evaluator.n_from_store))


def evaluate_on_a_full_disk(store, folder, limit, answers):
    """Files may not grow beyond a limit; then they may, and the same line is run again."""
    game = DiaryGame(folder, n_players=N)
    evaluator = Evaluator(game, store=store, batch_size=BATCH, progress=False)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    rows = draw(N, M)
    try:
        evaluator(rows)
    except OSError as error:
        told = str(error), " ".join(error.__notes__), len(error.evaluated_values)
    else:
        told = "no error", "", 0
    paid = evaluator.n_evaluated
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    values = evaluator(rows)
    evaluator.close()
    answers.put((told, paid, np.asarray(values), game.n_rows))


def fork_while_it_is_open(store, folder, answers):
    """Parent and child go on with what was opened before the fork, and end as they like."""
    rows = draw(N, M)
    evaluator = Evaluator(
        DiaryGame(folder, n_players=N), store=store, batch_size=BATCH, progress=False
    )
    evaluator(rows[:40])
    with evaluator._turn():  # held by the parent, whatever the child does
        child = os.fork()
        if child == 0:
            other = threading.Thread(target=evaluator, args=(rows[:200],), daemon=True)
            other.start()
            other.join(20)
            evaluator.close()
            os._exit(0 if len(evaluator.store) == 200 else 1)
    _, status = os.waitpid(child, 0)
    answers.put((status, evaluator(rows), evaluator.n_evaluated))
    evaluator.close()
