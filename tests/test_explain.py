"""Narrowing down: planted players are kept, found, and paid for as the ledger says."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from shapiq.approximator import KernelSHAP

from fakes import FakeScorer
from shapiq_spex import SPEX, Evaluator, ProxySPEX, TextGame
from shapiq_spex.explain import refine, screen
from shapiq_spex.games import Subgame

N, SIZE = 60, 6
SENTENCES = [list(range(start, start + SIZE)) for start in range(0, N, SIZE)]


class Planted:
    """A game with a few interactions among many players, and a count of what it was asked."""

    def __init__(self, *sets, n=N):
        self.n_players, self.sets, self.asked = n, sets, []

    def __call__(self, x):
        self.asked += [row.tobytes() for row in x]
        # Deviations from one half, so that no lower order shows what acts together.
        return sum(2.0 ** len(s) * np.prod(x[:, list(s)] - 0.5, axis=1) for s in self.sets)


def strongest(stage, order=2):
    """Which players of the whole game make up the largest interaction."""
    frame = stage.recovery.to_frame("BII", order)
    units = frame.interaction[frame.order == order].iloc[0]
    return tuple(sorted(player for unit in units for player in stage.game.groups[unit]))


# ---------------------------------------------------------------------- refine
@pytest.mark.parametrize("approximator", [ProxySPEX, SPEX])
def test_a_pair_within_a_sentence_is_found(approximator):
    # Both lie in one sentence, which itself carries the product of their deviations.
    game = Planted((20, 22), (20,), (41,))
    found = refine(game, SENTENCES, budget=600, keep=2, approximator=approximator, random_state=0)
    coarse, fine = found.stages
    assert {3, 6} == set(coarse.kept)
    assert coarse.players == (*range(18, 24), *range(36, 42))
    assert strongest(fine) == (20, 22)


def test_a_pair_across_sentences_is_found():
    found = refine(Planted((7, 45)), SENTENCES, budget=400, keep=2, random_state=0)
    coarse, fine = found.stages
    assert set(coarse.kept) == {1, 7}
    assert strongest(coarse) == (*range(6, 12), *range(42, 48))
    assert strongest(fine) == (7, 45)


@pytest.mark.parametrize("seed", range(4))
def test_planted_pairs_among_a_thousand_players(seed):
    rng, size = np.random.default_rng(seed), 20
    lines = np.arange(1000).reshape(-1, size)
    places = rng.choice(len(lines), 5, replace=False)
    a, b, c, d, e = (int(lines[line, rng.integers(size)]) for line in places)
    small = rng.normal(scale=0.002, size=1000)  # every player has an effect of its own

    def game(x):
        together = 4.0 * x[:, a] * x[:, b] - 4.0 * x[:, c] * x[:, d]
        hidden = (2.0 * x[:, lines[places[4], 0]] - 1) * (2.0 * x[:, lines[places[4], 1]] - 1)
        return x @ small + together + 2.0 * x[:, e] + hidden

    found = refine(Evaluator(game, 1000, progress=False), lines, budget=700, keep=5, random_state=0)
    coarse, fine = found.stages
    assert set(coarse.kept) == set(places.tolist())
    frame = fine.to_frame("BII", 2)
    # Three pairs interact by 4, once the fifth line is looked into.
    pairs = frame[frame.order == 2].interaction.head(3)
    name = " × ".join
    assert set(pairs) >= {name(map(str, sorted(pair))) for pair in ((a, b), (c, d))}
    assert found.ledger().masks.sum() <= 700
    # What two players of one line do only in turns, the line cannot show: by itself it is dropped.
    dropped = refine(
        Evaluator(lambda x: game(x) - 2.0 * x[:, e], 1000, progress=False),
        lines,
        budget=700,
        keep=4,
        random_state=0,
    )
    assert int(places[4]) not in dropped.stages[0].kept


def test_with_enough_budget_every_stage_is_exact():
    def game(x):
        return 3.0 * x[:, 0] * x[:, 5] - x[:, 9]

    found = refine(Evaluator(game, 12, progress=False), np.arange(12).reshape(4, 3), budget=1000)
    assert [stage.recovery.r2_kind for stage in found.stages] == ["exact", "exact"]
    fine = found.stages[-1].recovery.interactions("Moebius", 2)
    names = found.stages[-1].game.names
    assert fine[(names.index("0"), names.index("5"))] == pytest.approx(3.0)
    assert fine[(names.index("9"),)] == pytest.approx(-1.0)


def test_total_effects_are_those_of_the_definition():
    """The share of the variance that goes with a player, over all coalitions."""
    game, rows = (
        Planted((0, 1), (1, 2, 3), n=4),
        np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T,
    )
    table = {tuple(row): value for row, value in zip(rows, game(rows.astype(bool)), strict=True)}
    found = screen(Planted((0, 1), (1, 2, 3), n=4), k=4, budget=16)
    for i in range(4):
        rest = {}
        for row, value in table.items():
            rest.setdefault(row[:i] + row[i + 1 :], []).append(value)
        assert found.effects[i] == pytest.approx(np.mean([np.var(pair) for pair in rest.values()]))


def test_several_levels_narrow_down_step_by_step():
    chapters = [list(range(start, start + 20)) for start in range(0, N, 20)]
    found = refine(Planted((7, 45), (45,)), chapters, SENTENCES, budget=400, keep=2, random_state=0)
    top, middle, fine = found.stages
    assert [stage.game.n_players for stage in found.stages] == [3, 7 + 1, 12]
    assert top.players == (*range(20), *range(40, 60))
    assert middle.players == (*range(6, 12), *range(42, 48))
    assert strongest(fine) == (7, 45)


def test_what_is_not_kept_is_there_in_every_later_mask():
    game = Planted((20, 22), (20,), (41,))
    fine = refine(game, SENTENCES, budget=300, keep=1, random_state=0).stages[-1]
    rows = fine.game.expand(fine.recovery.plan.coalitions)
    looked_into = [group[0] for group in fine.game.groups]
    assert np.delete(rows, looked_into, axis=1).all()
    assert rows[:, looked_into].any(axis=0).all()


def test_players_of_no_unit_stay_present():
    game = Planted((20, 22), (20,), (41,))
    fine = refine(game, SENTENCES[2:4], budget=300, keep=1, random_state=0).stages[-1]
    assert [group[0] for group in fine.game.groups] == list(range(18, 24))


# ---------------------------------------------------------------------- the ledger
@pytest.mark.parametrize("budget", [150, 301])
def test_the_ledger_adds_up(budget):
    game = Planted((7, 45), (45,))
    found = refine(game, SENTENCES, budget=budget, keep=2, random_state=0)
    ledger = found.ledger()
    assert ledger.stage.tolist() == ["groups", "players"]
    assert ledger.units.tolist() == [10, 12]
    assert ledger.kept.tolist() == [2, 12]
    assert ledger.masks.sum() == budget
    assert len(game.asked) == len(set(game.asked)) == ledger.new.sum() < budget
    assert (ledger.seconds > 0).all()
    assert ledger.r2.tolist() == [stage.recovery.r2 for stage in found.stages]


def test_what_a_stage_leaves_goes_to_the_next():
    found = refine(Planted((7, 45)), [range(30), range(30, 60)], budget=204, random_state=0)
    assert found.ledger().masks.tolist() == [4, 200]


def test_results_are_read_by_name():
    found = refine(Planted((7, 45)), SENTENCES, budget=400, keep=2, random_state=0)
    frame = found.to_frame("BII", 2)
    assert list(frame.columns[:4]) == ["stage", "interaction", "order", "value"]
    assert frame.stage.unique().tolist() == ["players", "groups"]
    assert frame.interaction[0] == "7 × 45"
    assert "7 × 45" in str(found)
    kept = next(line for line in str(found).splitlines() if "kept of groups: " in line)
    equals = set(kept.removeprefix("kept of groups: ").split("; "))
    assert equals == {"42 43 44 45 46 47", "6 7 8 9 10 11"}
    assert str(found).splitlines()[0].split() == list(found.ledger().columns)
    assert repr(found.stages[0]).startswith("Stage(groups: 2 of 10 kept, Recovery(n=10, ")


def test_equal_seeds_give_equal_results():
    frames = [
        refine(Planted((7, 45), (45,)), SENTENCES, budget=150, random_state=seed).to_frame()
        for seed in (1, 1, 2)
    ]
    assert frames[0].equals(frames[1])
    assert not frames[0].equals(frames[2])


# ---------------------------------------------------------------------- texts
TEXT = "the film is long. I was never bored by it. they sing a lot!"


def text_game(**settings):
    return TextGame(TEXT, FakeScorer(), progress=False, **settings)


def test_a_text_is_cut_into_its_sentences():
    game = text_game()
    found = refine(game, budget=100, keep=1, random_state=0)
    assert found.stages[0].name == "sentences"
    assert found.stages[0].game.names == [
        "the film is long.",
        "I was never bored by it.",
        "they sing a lot!",
    ]
    kept = found.stages[0].game.names[found.stages[0].kept[0]]
    assert found.stages[1].game.names == kept.split()
    assert game.n_evaluated == found.ledger().new.sum()


def test_an_evaluator_in_front_of_a_text_keeps_what_was_paid(tmp_path):
    with Evaluator(text_game(), store=tmp_path / "values", progress=False) as first:
        expected = refine(first, "sentences", budget=60, keep=2, random_state=0)
    game = text_game()
    with Evaluator(game, store=tmp_path / "values", progress=False) as second:
        found = refine(second, "sentences", budget=60, keep=2, random_state=0)
    assert found.to_frame().equals(expected.to_frame())
    assert game.n_evaluated == 0


def test_a_part_of_a_text_is_cut_into_its_pieces():
    """Tokens of a fake model are words; those of the first sentence are held fixed."""
    game = text_game(players="tokens")
    part = Subgame(game, range(4, game.n_players))
    found = refine(part, "sentences", "words", budget=200, keep=2, random_state=0)
    assert [stage.name for stage in found.stages] == ["sentences", "words", "players"]
    assert found.stages[0].game.names == ["I was never bored by it.", "they sing a lot!"]
    assert found.stages[1].game.names == TEXT.split()[4:]
    rows = part.expand(np.vstack([found.stages[-1].game.expand([[False, True]])]))
    assert rows[:, :4].all()
    behind = refine(Evaluator(part, progress=False), "words", budget=200, keep=2, random_state=0)
    assert behind.stages[0].game.names == TEXT.split()[4:]


# ---------------------------------------------------------------------- screen
def test_screening_keeps_the_planted_players():
    game = Planted((5, 17), (40,), (3, 33), n=N)
    found = screen(game, k=5, budget=400, random_state=0)
    assert found.players == (3, 5, 17, 33, 40)
    second = ProxySPEX(n=5).recover(32, found.subgame).interactions("BII", 2)
    assert second[(0, 3)] == pytest.approx(4.0, abs=1e-9)
    assert second[(1, 2)] == pytest.approx(4.0, abs=1e-9)
    assert second[(0, 1)] == pytest.approx(0.0, abs=1e-9)
    assert len(game.asked) == len(set(game.asked)) <= 400 + 32 - 1
    assert (found.n_new, found.recovery.n_evaluations) == (400, 400)


def test_screening_for_more_players_than_there_are_keeps_all():
    found = screen(Planted((0, 1), n=6), k=9, budget=64)
    assert found.players == tuple(range(6))
    assert set(found.kept[:2]) == {0, 1}


def test_noise_alone_says_so():
    """Where nothing can be found, R² shows that what was kept means nothing."""
    rng = np.random.default_rng(0)
    noise = Evaluator(lambda x: rng.normal(size=len(x)), 40, progress=False)
    assert screen(noise, k=3, budget=200, random_state=0).recovery.r2 < 0.2


# ---------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: screen(Planted((0,)), k=0, budget=100), ValueError, "screen needs k to be a pos"),
        (lambda: screen(Planted((0,)), k=2, budget=61), ValueError, "at least 62 coalitions"),
        (lambda: refine(Planted((0,)), [[0]], budget=1.5), ValueError, "refine needs budget to be"),
        (
            lambda: refine(Planted((0,)), [[0]], budget=99, keep=True),
            ValueError,
            "refine needs keep to be a positive whole number, got True",
        ),
        (lambda: refine(Planted((0,)), budget=99), TypeError, "Planted is no TextGame"),
        (lambda: refine(Planted((0,)), [[0], [0]], budget=99), ValueError, "in two groups"),
        (
            lambda: refine(text_game(), "sentence", budget=99),
            ValueError,
            "Players can be tokens, words, sentences",
        ),
        (
            lambda: screen(Planted((0,)), 2, 99, approximator=partial(KernelSHAP)),
            TypeError,
            "such as ProxySPEX or SPEX, but KernelSHAP cannot",
        ),
        (lambda: screen(lambda x: x[:, 0], 2, 99), ValueError, "needs n_players"),
    ],
)
def test_bad_input_gets_a_sentence(call, kind, said):
    with pytest.raises(kind, match=said):
        call()


def test_a_stage_that_cannot_be_paid_is_named():
    with pytest.raises(ValueError, match="at least 12 coalitions for n=10") as caught:
        refine(Planted((0,)), SENTENCES, budget=20)
    assert caught.value.__notes__ == ["This was in the stage 'groups' with its 10 units."]
