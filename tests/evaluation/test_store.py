"""The file: what it holds, whom it refuses, and that damage never becomes a wrong value."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import threading
from functools import partial

import numpy as np
import pytest

from evaluation.games import CountingGame, DiaryGame, MatrixGame, NamedGame, draw, truth
from shapiq_spex.evaluation import Evaluator, Store
from shapiq_spex.evaluation import store as store_module

ROWS = draw(12, 1200)
IDENTITY = {"model": "m", "n_players": 12}


def evaluate(path, game=None, rows=ROWS, **settings):
    game = CountingGame(12) if game is None else game
    with Evaluator(game, store=path, **{"batch_size": 30, "progress": False} | settings) as found:
        return found, found(rows)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store of forty batches, closed."""
    path = tmp_path_factory.mktemp("whole") / "values"
    evaluate(path)
    return path


# ---------------------------------------------------------------------- what it holds
def test_it_gives_back_the_same_bits_and_says_since_when(whole):
    with Store(whole) as store:
        rows, outputs = store.read()
        assert len(store) == len(rows) == 1200
        np.testing.assert_array_equal(outputs[:, 0], truth(rows))
        assert store.created.endswith("+00:00")
        assert set(store.versions) >= {"python", "numpy", "shapiq", "shapiq-spex"}
        assert store.meta == {}
        assert [number for number, _, _ in store.batches(after=38)] == [39, 40]


def test_a_note_can_be_left_and_read_and_replaced(tmp_path):
    with Evaluator(truth, 4, store=tmp_path / "values", progress=False) as evaluator:
        evaluator.store.write_meta({"budget": 10})
        evaluator.store.write_meta({"budget": 20, "text": "naïve ⊕"})
    assert Store(tmp_path / "values").meta == {"budget": 20, "text": "naïve ⊕"}


def test_a_store_to_read_writes_nothing_and_has_to_be_there(whole, tmp_path):
    with pytest.raises(ValueError, match="no store to read at"):
        Store(tmp_path / "nothing")
    with Store(whole) as store, pytest.raises(OSError, match="cannot be read or written"):
        store.write_meta({"a": 1})


def test_an_empty_file_is_a_new_store(tmp_path):
    path = tmp_path / "values"
    path.touch()
    evaluate(path)
    assert len(Store(path)) == 1200


def test_a_file_left_by_a_process_killed_while_it_was_made_is_a_new_store(tmp_path):
    path = tmp_path / "values"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert path.stat().st_size > 0
    evaluate(path)
    assert len(Store(path)) == 1200


def test_a_new_store_waits_for_another_process_that_makes_it(tmp_path):
    other = sqlite3.connect(tmp_path / "values", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.close)
    timer.start()
    with Store(tmp_path / "values", {"n_players": 8}) as store:
        timer.join()
        assert len(store) == 0


# ---------------------------------------------------------------------- identity
class Identified(CountingGame):
    def __init__(self, **identity):
        super().__init__(12)
        self.identity = identity


MODEL = {"model": "bert", "text": "a b", "dtype": "float32", "players": ["a", "b"]}


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        (Identified(**MODEL), Identified(**MODEL), None),
        (Identified(**MODEL), Identified(**MODEL, label=1), r"label \(None there, 1 here\)"),
        (
            Identified(**MODEL),
            Identified(**{**MODEL, "model": "gpt", "text": "a c"}),
            r"model \('bert' there, 'gpt' here\), text \('a b' there, 'a c' here\)",
        ),
        (
            Identified(text="x" * 200 + " thin"),
            Identified(text="x" * 200 + " fat"),
            r"text \(…x{14} thin' there, …x{14} fat' here\)",
        ),
        (CountingGame(12), CountingGame(11), r"n_players \(12 there, 11 here\)"),
        (
            CountingGame(12),
            DiaryGame("", n_players=12),
            r"game \('evaluation.games.CountingGame' there, None here\)",
        ),
        (NamedGame(list("abc")), NamedGame(list("abd")), r"player_names \(\['a', 'b', 'c'\] there"),
        (NamedGame(["a"]), NamedGame(["a"], 0.5), r"normalization_value \(0.0 there, 0.5 here\)"),
        (partial(truth), truth, r"game \('functools.partial' there, 'evaluation.games.truth' here"),
    ],
)
def test_another_game_is_refused_with_what_differs(there, here, words, tmp_path):
    n = {game: None if hasattr(game, "n_players") else 12 for game in (there, here)}
    Evaluator(there, n[there], store=tmp_path / "values").close()
    if words is None:
        Evaluator(here, n[here], store=tmp_path / "values").close()
        return
    with pytest.raises(ValueError, match=f"these differ: .*{words}") as caught:
        Evaluator(here, n[here], store=tmp_path / "values")
    assert str(tmp_path / "values") in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("identity", [["a"], {"a": object()}, "text", {"a": math.nan}])
def test_an_identity_is_a_dictionary_for_json(identity, tmp_path):
    game = CountingGame()
    game.identity = identity
    with pytest.raises(TypeError, match="identity of a game needs to be a dictionary"):
        Evaluator(game, store=tmp_path / "values")
    assert not (tmp_path / "values").exists()


def test_an_identity_has_no_word_in_the_number_of_players(tmp_path):
    game = Identified(n_players=99, normalization_value=3.0, name="a")
    with Evaluator(game, store=tmp_path / "values", progress=False) as evaluator:
        evaluator(np.ones((1, 12), dtype=bool))
    expected = {"n_players": 12, "normalization_value": 0.0, "name": "a"}
    assert evaluator.identity == expected
    with Store(tmp_path / "values") as store:
        assert store.identity == expected
        assert store.read()[0].shape == (1, 12)


@pytest.mark.parametrize("store", [5, b"values", ["values"], True])
def test_a_store_that_is_no_path_is_refused(store):
    with pytest.raises(TypeError, match="Evaluator needs store to be the path of a file, got "):
        Evaluator(Identified(), store=store)


def test_other_versions_are_warned_about_and_reused(whole, tmp_path, monkeypatch):
    path = shutil.copy(whole, tmp_path)
    with pytest.warns(UserWarning, match="this game by its name only, .*CountingGame") as caught:
        evaluate(path)
    assert len(caught) == 1
    versions = {**store_module.loaded_versions(), "numpy": "1.0", "torch": "9.9"}
    monkeypatch.setattr(store_module, "loaded_versions", lambda: versions)
    # Torch is named as well where another test has loaded it.
    with pytest.warns(UserWarning, match=r"other versions: numpy \('.*' there, '1.0' here\)"):
        evaluator, _ = evaluate(path)
    assert evaluator.n_evaluated == 0


def test_a_game_of_another_width_is_refused(tmp_path):
    path = tmp_path / "values"
    Evaluator(MatrixGame(), store=path, progress=False)(draw(5, 9))
    game = MatrixGame()
    game.outputs = lambda rows: np.ones((len(rows), 2))
    evaluator = Evaluator(game, store=path, progress=False)
    with pytest.raises(ValueError, match="same number of outputs .* got 2 after 3"):
        evaluator(draw(5, 20))
    assert len(Store(path)) == 9


# ---------------------------------------------------------------------- not ours
def foreign_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()


def newer_format(path):
    evaluate(path, rows=ROWS[:8])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("model,value\n" * 99), "file is not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "file is not a database"),
        (foreign_database, "another program made it"),
        (newer_format, "its format is 99, not 1"),
    ],
)
def test_what_is_no_store_of_ours_is_refused_and_left_alone(make, words, tmp_path):
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    for opened in (lambda: evaluate(path), lambda: Store(path)):
        with pytest.raises(ValueError, match=words) as caught:
            opened()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs to be a file in a folder that exists"):
        evaluate(tmp_path)


# ---------------------------------------------------------------------- damage
def read_damaged(path):
    """Right values or a sentence; says which."""
    try:
        _, values = evaluate(path)
    except (ValueError, OSError) as error:
        assert str(path) in str(error)  # noqa: PT017 - either way out is right
        return "refused"
    np.testing.assert_array_equal(values, truth(ROWS))
    return "right"


def test_a_file_cut_anywhere_is_refused_or_right(whole, tmp_path):
    content = whole.read_bytes()
    cuts = [*range(0, len(content), 509), *range(4096, len(content), 4096), len(content) - 1]
    found = {}
    for cut in cuts:
        path = tmp_path / f"cut-{cut}"
        path.write_bytes(content[:cut])
        found[cut] = read_damaged(path)
    assert found.pop(0) == "right"  # an empty file is a new store
    assert set(found.values()) == {"refused"}
    assert len(found) > 40


@pytest.mark.parametrize("length", [1, 60])
def test_a_file_with_garbage_in_it_is_refused_or_right(whole, tmp_path, length):
    content = whole.read_bytes()
    rng = np.random.default_rng(length)
    refused, used = 0, 0
    for trial in range(150):
        place = rng.integers(len(content) - length)
        damaged = bytearray(content)
        damaged[place : place + length] = bytes(255 - b for b in content[place : place + length])
        path = tmp_path / f"damaged-{trial}"
        path.write_bytes(damaged)
        refused += read_damaged(path) == "refused"
        used += any(content[place : place + length])
    assert refused > 0.8 * used > 40  # of the used bytes some count changes or free space


def test_every_bit_of_a_value_is_watched(whole, tmp_path):
    """Where the pages themselves stay sound, only the checksum can tell."""
    content = whole.read_bytes()
    _, outputs = Store(whole).read()
    for bit in range(64):
        value = outputs[bit].tobytes()
        place = content.index(value)
        damaged = bytearray(content)
        damaged[place + bit // 8] ^= 1 << bit % 8
        path = tmp_path / f"bit-{bit}"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="a batch does not fit its checksum"):
            evaluate(path)


def test_what_is_said_about_the_game_is_watched_too(whole, tmp_path):
    content = whole.read_bytes()
    place = content.index(json.dumps("evaluation.games.CountingGame").encode())
    path = tmp_path / "values"
    path.write_bytes(content[: place + 3] + b"X" + content[place + 4 :])
    with pytest.raises(ValueError, match="its identity cannot be read"):
        evaluate(path)


def test_a_log_cut_anywhere_loses_the_last_batches_only(tmp_path):
    """After a kill the last batches are in the log beside the file."""
    folder = tmp_path / "killed"
    folder.mkdir()
    evaluator = Evaluator(CountingGame(12), store=folder / "values", batch_size=30, progress=False)
    evaluator(ROWS)
    log = (folder / "values-wal").read_bytes()
    batches = set()
    for cut in range(0, len(log), 8009):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
        (copy / "values-wal").write_bytes(log[:cut])
        found, values = evaluate(copy / "values")
        np.testing.assert_array_equal(values, truth(ROWS))
        assert found.n_from_store % 30 == 0
        batches.add(found.n_from_store)
    assert len(batches) > 10
    evaluator.close()
