from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from shapiq_spex.proxyspex import ensembles
from shapiq_spex.proxyspex.ensembles import Tree, fit_ensemble

LIBRARIES = ["lightgbm", "sklearn"]


@pytest.fixture(params=LIBRARIES)
def library(request, monkeypatch):
    pytest.importorskip(request.param)
    monkeypatch.setattr(ensembles, "library", lambda: request.param)
    return request.param


def data(m=120, n=7, seed=0):
    rng = np.random.default_rng(seed)
    coalitions = rng.random((m, n)) < 0.5
    values = 5 + coalitions @ np.arange(n) + 3.0 * (coalitions[:, 0] & coalitions[:, -1])
    return coalitions, values + 0.1 * rng.normal(size=m)


def depth_of(tree, node=0):
    if tree.feature[node] < 0:
        return 0
    return 1 + max(depth_of(tree, tree.absent[node]), depth_of(tree, tree.present[node]))


@pytest.mark.parametrize("depth", [3, 5, None])
@pytest.mark.parametrize("count", [1, 20, 40])
def test_the_trees_predict_what_the_library_predicts(library, depth, count):
    coalitions, values = data()
    fitted = fit_ensemble(coalitions, values, depth=depth, trees=40, rate=0.1, seed=0)
    ours = sum(tree.predict(coalitions) for tree in fitted.trees(count))
    np.testing.assert_allclose(ours, fitted.predict(coalitions, count), atol=1e-10)
    if library == "sklearn":
        by_stage = list(fitted.model.staged_predict(coalitions))
        np.testing.assert_allclose(ours, by_stage[count - 1], atol=1e-10)


@pytest.mark.usefixtures("library")
def test_fewer_trees_are_a_prefix_of_more():
    coalitions, values = data()
    few, many = (
        fit_ensemble(coalitions, values, depth=3, trees=count, rate=0.1, seed=0)
        for count in (15, 30)
    )
    assert np.array_equal(few.predict(coalitions, 15), many.predict(coalitions, 15))


@pytest.mark.usefixtures("library")
def test_the_fit_learns():
    coalitions, values = data(m=600)
    fitted = fit_ensemble(coalitions[:400], values[:400], depth=5, trees=300, rate=0.1, seed=0)
    error = fitted.predict(coalitions[400:], 300) - values[400:]
    assert np.mean(error**2) < 0.02 * values.var()


@pytest.mark.usefixtures("library")
def test_equal_seeds_give_equal_trees():
    coalitions, values = data()
    first, again = (
        fit_ensemble(coalitions, values, depth=5, trees=10, rate=0.1, seed=3).trees(10)
        for _ in range(2)
    )
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.feature, other.feature)
        assert np.array_equal(one.value, other.value)


@pytest.mark.usefixtures("library")
def test_depth_and_leaves_are_bounded():
    coalitions, values = data(m=2000, n=12)
    for depth, most in ((3, 3), (None, 30)):
        fitted = fit_ensemble(coalitions, values, depth=depth, trees=5, rate=0.1, seed=0)
        for tree in fitted.trees(5):
            assert depth_of(tree) <= most
            assert (tree.feature < 0).sum() <= ensembles.LEAVES


@pytest.mark.parametrize("m", [2, 3, 4, 6])
@pytest.mark.usefixtures("library")
def test_a_handful_of_rows_still_splits(m):
    coalitions = np.zeros((m, 2), dtype=bool)
    coalitions[m // 2 :, 1] = True
    values = coalitions[:, 1] * 2.0
    fitted = fit_ensemble(coalitions, values, depth=3, trees=100, rate=0.5, seed=0)
    np.testing.assert_allclose(fitted.predict(coalitions, 100), values, atol=1e-6)


def test_leaves_hold_twenty_rows_where_there_are_enough():
    assert [ensembles._rows_per_leaf(m) for m in (1, 9, 39, 100, 200, 1000)] == [
        1,
        1,
        3,
        10,
        20,
        20,
    ]


@pytest.mark.parametrize("m", [1, 30])
@pytest.mark.usefixtures("library")
def test_nothing_to_split_gives_the_mean(m):
    coalitions = np.ones((m, 3), dtype=bool)
    fitted = fit_ensemble(coalitions, np.full(m, 4.0), depth=3, trees=5, rate=0.1, seed=0)
    trees = fitted.trees(5)
    assert sum(tree.predict(~coalitions) for tree in trees) == pytest.approx(np.full(m, 4.0))


def test_splits_that_part_nothing_send_both_values_the_same_way():
    rng = np.random.default_rng(0)
    from sklearn.ensemble import GradientBoostingRegressor

    X = np.concatenate([rng.random((50, 2)) * 4 - 2, rng.integers(0, 2, (50, 2))])
    model = GradientBoostingRegressor(n_estimators=10, random_state=0).fit(X, X[:, 0] * X[:, 1])
    trees = ensembles.SklearnEnsemble(model).trees(10)
    assert any((t.absent == t.present)[t.feature >= 0].any() for t in trees)
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)
    ours = sum(tree.predict(corners) for tree in trees)
    np.testing.assert_allclose(ours, model.predict(corners.astype(float)), atol=1e-10)


def test_lightgbm_says_nothing():
    pytest.importorskip("lightgbm")
    code = (
        "import numpy as np\n"
        "from shapiq_spex.proxyspex.ensembles import fit_ensemble\n"
        "x = np.eye(6, dtype=bool)\n"
        "fit_ensemble(x, np.arange(6.0), depth=3, trees=20, rate=0.1, seed=0).predict(x, 20)\n"
        "fit_ensemble(x[:1], np.ones(1), depth=3, trees=20, rate=0.1, seed=0).trees(20)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.usefixtures("library")
def test_no_library_warns():
    coalitions, values = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit_ensemble(coalitions, values, depth=None, trees=5, rate=0.1, seed=0)
        fitted.predict(coalitions, 5)


def test_without_lightgbm_scikit_learn_steps_in(monkeypatch):
    monkeypatch.setattr(ensembles, "find_spec", lambda _: None)
    fitted = fit_ensemble(*data(), depth=3, trees=2, rate=0.1, seed=0)
    assert isinstance(fitted, ensembles.SklearnEnsemble)


def test_a_tree_walks_by_presence():
    tree = Tree(np.array([1, -1, 0, -1, -1]), np.array([1, 0, 3, 0, 0]), np.array([2, 0, 4, 0, 0]),
                np.array([0.0, 10.0, 0.0, 20.0, 30.0]))  # fmt: skip
    coalitions = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
    assert tree.predict(coalitions).tolist() == [10.0, 10.0, 20.0, 30.0]
