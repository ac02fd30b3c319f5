"""The evaluator in one process: values, counts, shapes, bars, copies."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from shapiq import Game

from evaluation.games import CountingGame, MatrixGame, NamedGame, all_coalitions, draw, truth
from shapiq_spex.evaluation import Evaluator

NAMES = ["never", "fails", "to", "impress"]


def quiet(game, n=None, **settings):
    return Evaluator(game, n, **{"progress": False, **settings})


@pytest.fixture(params=[False, True], ids=["memory", "store"])
def settings(request, tmp_path):
    """Settings with and without a store, for what must not depend on it."""
    return {"store": tmp_path / "values"} if request.param else {}


# ---------------------------------------------------------------------- nothing twice
def test_a_coalition_is_evaluated_once_within_a_call_and_across_calls(settings):
    game = CountingGame()
    evaluator = quiet(game, **settings)
    rows = all_coalitions(6)
    first = evaluator(np.concatenate([rows[:20], rows[10:20], rows[:5]]))
    assert game.n_asked == 20
    second = evaluator(rows[::-1])
    assert set(game.asked.values()) == {1}
    assert game.n_asked == 64
    np.testing.assert_array_equal(first, truth(rows)[[*range(20), *range(10, 20), *range(5)]])
    np.testing.assert_array_equal(second, truth(rows[::-1]))


def test_requested_is_what_was_paid_and_what_the_store_had(tmp_path):
    rows = all_coalitions(6)
    quiet(CountingGame(), store=tmp_path / "values")(rows[:40])
    game = CountingGame()
    evaluator = quiet(game, store=tmp_path / "values")
    assert (evaluator.n_requested, evaluator.n_evaluated, evaluator.n_from_store) == (0, 0, 0)
    evaluator(np.concatenate([rows[30:50], rows[30:50]]))
    assert (evaluator.n_requested, evaluator.n_evaluated, evaluator.n_from_store) == (20, 10, 10)
    assert game.n_asked == 10
    assert "requested=20, evaluated=10, from_store=10" in repr(evaluator)
    np.testing.assert_array_equal(evaluator.missing(rows[38:52]), rows[50:52])


def test_batches_are_no_larger_than_told():
    game = CountingGame()
    quiet(game, batch_size=25)(all_coalitions(6))
    assert game.sizes == [25, 25, 14]
    many = CountingGame(12)
    quiet(many)(draw(12, 600))
    assert many.sizes == [256, 256, 88]


def test_threads_that_share_an_evaluator_pay_once(settings):
    game = CountingGame()
    evaluator = quiet(game, batch_size=3, **settings)
    threads = [threading.Thread(target=evaluator, args=(all_coalitions(6),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(game.asked.values()) == {1}


# ---------------------------------------------------------------------- a game of shapiq's
def test_it_is_a_game_and_promises_to_keep_values():
    evaluator = quiet(truth, 4)
    assert isinstance(evaluator, Game)
    assert Evaluator.keeps_values is True
    assert (evaluator.n_players, evaluator.normalize, evaluator.verbose) == (4, False, False)


def test_names_integers_and_tuples_are_understood(settings):
    evaluator = quiet(NamedGame(NAMES), **settings)
    expected = truth([[True, False, False, True]])
    assert evaluator.player_name_lookup == {name: i for i, name in enumerate(NAMES)}
    assert evaluator([("never", "impress")]) == expected
    assert evaluator([(0, 3)]) == expected
    assert evaluator(np.array([[1, 0, 0, 1]])) == expected
    assert evaluator.n_evaluated == 1


def test_values_are_those_of_the_game_centred_as_it_centres_them(settings):
    game = NamedGame(NAMES, normalization_value=1.5)
    evaluator = quiet(game, **settings)
    rows = all_coalitions(4)
    np.testing.assert_array_equal(evaluator(rows), game(rows))
    assert evaluator.empty_coalition_value == game(rows[:1])[0]
    assert evaluator.grand_coalition_value == game(rows[-1:])[0]
    assert isinstance(evaluator.grand_coalition_value, float)


def test_verbose_does_not_take_the_batches_apart(capfd):
    game = NamedGame(NAMES, verbose=True)
    evaluator = quiet(game)
    evaluator(all_coalitions(4), verbose=True)
    assert game.calls == 1
    assert game.verbose is True
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("cast", [np.float32, np.int64, np.bool_, np.object_, lambda v: v[:, None]])
def test_numbers_of_any_kind_and_columns_are_read(cast):
    rows = all_coalitions(3)
    size = rows.sum(axis=1) % 2
    found = quiet(lambda x: cast(x.sum(axis=1) % 2), 3)(rows)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, size)


def test_a_game_may_reuse_its_memory_and_write_into_its_rows():
    buffer = np.empty(64)

    def game(rows):
        buffer[: len(rows)] = truth(rows)
        rows[:] = False
        return buffer[: len(rows)]

    rows = all_coalitions(6)
    np.testing.assert_array_equal(quiet(game, 6, batch_size=10)(rows), truth(rows))


def test_an_evaluator_of_an_evaluator_is_one():
    game = CountingGame()
    inner = quiet(game)
    outer = quiet(inner)
    np.testing.assert_array_equal(outer(all_coalitions(6)), truth(all_coalitions(6)))
    assert game.n_asked == 64
    matrix = quiet(quiet(MatrixGame()))
    np.testing.assert_array_equal(matrix(all_coalitions(5)), quiet(MatrixGame())(all_coalitions(5)))


# ---------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("arguments", "settings", "error", "words"),
    [
        ((3,), {}, TypeError, "something that can be called, got a int"),
        ((truth,), {}, ValueError, "needs n_players for a game that does not tell"),
        ((truth, 0), {}, ValueError, "n_players to be a positive whole number, got 0"),
        ((truth, 2.0), {}, ValueError, "n_players to be a positive whole number, got 2.0"),
        ((CountingGame(6), 5), {}, ValueError, "given n_players=5, but the game has 6"),
        ((truth, 3), {"batch_size": 0}, ValueError, "batch_size to be a positive whole number"),
        ((truth, 3), {"batch_size": True}, ValueError, "batch_size to be a positive"),
        ((truth, 3), {"store": "/no/such/folder/x"}, ValueError, "a file in a folder that exists"),
    ],
)
def test_bad_settings_get_one_sentence(arguments, settings, error, words):
    with pytest.raises(error, match=words) as caught:
        Evaluator(*arguments, **settings)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("game", "error", "words"),
    [
        (lambda x: truth(x)[:-1], ValueError, r"for each of 8 coalitions, got the shape \(7,\)"),
        (lambda x: truth(x).sum(), ValueError, r"got the shape \(\)"),
        (lambda x: np.ones((len(x), 2, 2)), ValueError, r"got the shape \(8, 2, 2\)"),
        (lambda x: np.ones((len(x), 0)), ValueError, r"got the shape \(8, 0\)"),
        (lambda x: truth(x) + 1j, TypeError, "real numbers, got complex128"),
        (lambda x: ["a"] * len(x), TypeError, "real numbers, got <U1"),
        (lambda x: [object()] * len(x), TypeError, "real numbers, got object"),
        (lambda x: ["a", *truth(x)[1:].astype(object)], TypeError, "real numbers, got"),
        (lambda x: [10**400] * len(x), TypeError, "real numbers, got object"),
        (lambda x: [x[0], x[0, 1:]] * 4, ValueError, "of 8 coalitions, got a list of rows of"),
        (lambda x: np.full(len(x), np.nan), ValueError, "NaN or infinity for 8 of 8"),
    ],
)
def test_bad_answers_get_one_sentence(game, error, words):
    with pytest.raises(error, match=words):
        quiet(game, 3)(all_coalitions(3))


@pytest.mark.parametrize(
    "rows", [np.ones((2, 4)), np.full((2, 3), 0.5), np.full((2, 3), 2), np.ones((0, 3), dtype=bool)]
)
def test_bad_coalitions_are_refused_before_anything_is_paid(rows):
    evaluator = quiet(truth, 3)
    with pytest.raises(TypeError):
        evaluator(rows)
    with pytest.raises(TypeError):
        evaluator.outputs(rows)
    assert evaluator.n_evaluated == 0


# ---------------------------------------------------------------------- vector values
def test_a_matrix_game_is_asked_for_its_outputs_and_read_as_it_says(settings):
    game = MatrixGame()
    evaluator = quiet(game, **settings)
    rows = all_coalitions(5)
    values = truth(rows)
    np.testing.assert_array_equal(
        evaluator(rows), np.column_stack([values, values**2, rows.sum(axis=1)]).sum(axis=1)
    )
    np.testing.assert_array_equal(evaluator.outputs(rows)[:, 1], values**2)
    assert game.rows == 32


def test_another_reading_costs_nothing_and_shares_everything(settings):
    game = MatrixGame()
    evaluator = quiet(game, **settings)
    rows = all_coalitions(5)
    evaluator(rows[:20])
    first = evaluator.reading(lambda outputs: outputs[:, 0])
    np.testing.assert_array_equal(first(rows), truth(rows))
    np.testing.assert_array_equal(evaluator.reading(lambda y: y[:, 2:])(rows), rows.sum(axis=1))
    assert game.rows == 32 == evaluator.n_evaluated == first.n_evaluated
    if settings:
        first.close()
        reopened = quiet(MatrixGame(), **settings).reading(lambda outputs: outputs.max(axis=1))
        assert reopened.grand_coalition_value == max(truth(rows[-1:])[0] ** 2, 5.0)
        assert reopened.n_evaluated == 0


def test_a_matrix_without_a_reading_is_refused_and_kept():
    counting = CountingGame(3)
    evaluator = quiet(lambda x: np.column_stack([counting(x), counting(x)]), 3)
    with pytest.raises(ValueError, match=r"gives 2 numbers .* evaluator.reading\("):
        evaluator(all_coalitions(3))
    found = evaluator.reading(lambda outputs: outputs.mean(axis=1))(all_coalitions(3))
    np.testing.assert_array_equal(found, truth(all_coalitions(3)))
    assert evaluator.n_evaluated == 8


def test_a_game_that_changes_its_width_is_refused():
    evaluator = quiet(lambda x: np.ones((len(x), 1 + len(x) % 2)), 4, batch_size=3)
    with pytest.raises(ValueError, match="same number of outputs .* got 1 after 2"):
        evaluator(all_coalitions(4)[:5])


@pytest.mark.parametrize(
    ("aggregate", "words"),
    [
        (lambda outputs: outputs, r"make 8 values .* got the shape \(8, 2\)"),
        (lambda outputs: outputs.sum(), r"got the shape \(\)"),
        (lambda outputs: np.log(-outputs.sum(axis=1)), "NaN or infinity of the outputs of 8"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_bad_reading_gets_one_sentence(aggregate, words):
    evaluator = quiet(lambda x: np.ones((len(x), 2)), 3).reading(aggregate)
    with pytest.raises(ValueError, match=words):
        evaluator(all_coalitions(3))


# ---------------------------------------------------------------------- progress
def test_one_bar_says_how_many_of_how_many(capfd, tmp_path):
    Evaluator(truth, 5, store=tmp_path / "values", progress=False)(all_coalitions(5)[:10])
    assert capfd.readouterr().err == ""
    with warnings.catch_warnings(action="ignore"):
        evaluator = Evaluator(truth, 5, store=tmp_path / "values", batch_size=4)
    evaluator(all_coalitions(5))
    shown = capfd.readouterr().err
    assert "Evaluating" in shown
    assert "10/32" in shown
    assert "32/32" in shown
    assert "mask/s" in shown
    evaluator(all_coalitions(5))
    assert capfd.readouterr().err == ""


class LoudGame(CountingGame):
    progress = True

    def __call__(self, rows):
        assert self.progress is False
        return super().__call__(rows)


@pytest.mark.parametrize("progress", [True, False])
def test_the_games_own_bar_is_off_meanwhile(progress):
    game = LoudGame()
    evaluator = Evaluator(game, progress=progress)
    evaluator(all_coalitions(6)[:9])
    assert game.progress is True
    game.fail = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        evaluator(all_coalitions(6))
    assert game.progress is True


# ---------------------------------------------------------------------- estimate
class PricedGame(CountingGame):
    price = 2.5

    def n_tokens(self, rows):
        return 100 + 0 * rows.sum(axis=1)


def test_an_estimate_costs_little_and_wastes_nothing(capfd):
    game = PricedGame(20)
    evaluator = Evaluator(game)
    found = evaluator.estimate(10_000)
    assert (found.masks, found.timed, game.n_asked) == (10_000, 600, 800)
    assert found.tokens == 1_000_000
    assert found.dollars == 2.5
    assert 0 < found.seconds < 100
    assert found.spread >= 0
    assert str(found).startswith("10000 masks: ")
    assert "1,000,000 tokens, $2.50; judged by 600 random masks" in str(found)
    assert capfd.readouterr().err == ""
    assert evaluator.estimate(10_000, price=1.0).dollars == 1.0
    assert set(game.asked.values()) == {1}
    assert game.n_asked == 1600


def test_an_estimate_of_a_small_game_ends():
    game = CountingGame(2)
    evaluator = quiet(game)
    assert (found := evaluator.estimate(1000)).timed == found.masks == 4
    again = evaluator.estimate(4)
    assert (again.timed, again.seconds, again.tokens, again.dollars) == (0, 0.0, None, None)
    with pytest.raises(ValueError, match="budget to be a positive whole number, got 0"):
        evaluator.estimate(0)


# ---------------------------------------------------------------------- copies
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_knows_what_the_original_knew_and_goes_on_alone(copied, settings):
    evaluator = quiet(NamedGame(NAMES), **settings)
    rows = all_coalitions(4)
    evaluator(rows[:9])
    other = copied(evaluator)
    np.testing.assert_array_equal(other(rows), truth(rows))
    assert (evaluator.n_evaluated, other.n_evaluated) == (9, 16)
    np.testing.assert_array_equal(evaluator(rows), truth(rows))
    assert evaluator.n_evaluated == (9 if settings else 16)


def test_it_can_be_closed_and_goes_on(tmp_path):
    with quiet(truth, 4, store=tmp_path / "values") as evaluator:
        evaluator(all_coalitions(4)[:5])
    assert [path.name for path in tmp_path.iterdir()] == ["values"]
    evaluator(all_coalitions(4))
    evaluator.close()
    assert len(evaluator.store) == 16
