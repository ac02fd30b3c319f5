"""The bill that comes with a result."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
import pytest

from approximators import FEW_TREES, sparse_game
from fakes import FakeScorer, Named
from shapiq_spex import Evaluator, ProxySPEX, TextGame
from shapiq_spex.games import Subgame


def test_the_ledger_says_what_was_spent():
    inner = Named()
    game = Evaluator(inner, progress=False)
    known = np.random.default_rng(0).random((5, 12)) < 0.5
    plan = ProxySPEX(n=12, random_state=0).recover(80, sparse_game).plan.coalitions
    game(np.concatenate([known, plan[:30]]))
    bill = ProxySPEX(n=12, random_state=0).recover(80, game).ledger
    assert (bill.method, bill.seed, bill.masks, bill.distinct) == ("ProxySPEX", 0, 80, 80)
    assert bill.cached >= 30
    paid = len(set(inner.rows)) - len(set(map(bytes, np.concatenate([known, plan[:30]]))))
    assert bill.distinct - bill.cached == paid
    assert bill.tokens == sum(2 + sum(row) for row in inner.rows[-paid:])
    assert 0 <= bill.game_seconds <= bill.seconds
    lines = str(bill).splitlines()
    assert lines[0] == "method    ProxySPEX, seed 0"
    assert "index k-SII, proxy GaussianProcess" in lines[1]
    assert "80 asked for, 80 distinct" in lines[2]
    assert "80 distinct coalitions of 12 players: empty, full and 78 uniform ones" in lines[3]
    assert bill.versions.keys() >= {"shapiq", "numpy"}


def test_a_function_pays_for_every_coalition_and_a_seed_left_out_is_told():
    approximator = ProxySPEX(n=12)
    bill = approximator.recover(60, sparse_game).ledger
    assert (bill.cached, bill.tokens) == (0, None)
    again = ProxySPEX(n=12, random_state=bill.seed).recover(60, sparse_game)
    assert again.series == approximator.recover(60, sparse_game).series


@pytest.mark.parametrize("wrap", [lambda game: game, lambda game: Evaluator(game, progress=False)])
def test_tokens_are_billed_once(wrap):
    """A text said twice is read once, by a game that keeps its values and by an Evaluator."""
    text = TextGame("a b a c d e f g h", FakeScorer(), removal="delete", progress=False)
    game, method = wrap(text), ProxySPEX(n=9, random_state=0)
    found = method.recover(150, game)
    texts = {tuple(text._substitution(row[None])[0]) for row in found.plan.coalitions}
    assert len(texts) < 150
    assert text.n_evaluated == len(texts)
    assert found.ledger.tokens == sum(map(len, texts))
    again = method.recover(150, game).ledger
    assert (again.tokens, again.cached, again.distinct) == (0, 150, 150)


def test_tokens_of_groups_are_those_of_the_players_behind():
    game = TextGame("a b c d e f", FakeScorer(), removal="delete", progress=False)
    halves = Subgame(game, [[0, 1, 2], [3, 4, 5]])
    lengths = [len(text) for text in game._substitution(halves.expand(np.eye(2, dtype=bool)))]
    rest = [len(text) for text in game._substitution(np.array([[False] * 6, [True] * 6]))]
    assert ProxySPEX(n=2).recover(4, halves).ledger.tokens == sum(lengths + rest)
    assert ProxySPEX(n=2).recover(4, halves).ledger.tokens == 0


def test_a_game_that_keeps_nothing_is_paid_every_time():
    game, method = Named(), ProxySPEX(n=12, random_state=0)
    bills = [method.recover(60, game).ledger for _ in range(2)]
    assert bills[0].tokens == bills[1].tokens == sum(2 + sum(row) for row in game.rows[:60])
    assert [bill.cached for bill in bills] == [0, 0]


def test_versions_are_those_of_what_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", pytest)  # stands in: loaded, whatever it is
    monkeypatch.setattr("shapiq_spex.versions._version", lambda package: f"{package}!")
    bill = ProxySPEX(n=4).recover(16, lambda x: 1.0 * x[:, 0]).ledger
    assert bill.versions["torch"] == "torch!"
    assert bill.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    monkeypatch.delitem(sys.modules, "torch")
    assert "torch" not in ProxySPEX(n=4).recover(16, lambda x: 1.0 * x[:, 0]).ledger.versions


def test_a_package_that_is_not_installed_has_no_version():
    bill = ProxySPEX(n=4).recover(16, lambda x: 1.0 * x[:, 0]).ledger
    assert bill.versions["numpy"] == version("numpy")


def test_the_bill_fits_into_json():
    method = ProxySPEX(n=np.int64(8), proxy=FEW_TREES, random_state=np.int64(3))
    bill = method.recover(np.int64(60), sparse_game_of_eight).ledger
    record = json.loads(json.dumps(bill.as_record()))
    assert (record["budget"], record["masks"], record["settings"]["random_state"]) == (60, 60, 3)
    assert record["settings"]["proxy"]["fields"]["trees"] == [20]
    assert "proxy BoostedTrees" in str(bill)


def sparse_game_of_eight(x):
    return x[:, 0] * x[:, 1] - 3.0 * x[:, 2]
