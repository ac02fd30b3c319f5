"""The training game: scikit-learn's estimators against plain fits, and a learner of ours."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from shapiq_spex import Evaluator, ProxySPEX, TrainingGame
from shapiq_spex.games.training.learners import SklearnLearner

N, T = 12, 4
LEAST = np.log(1e-6)


def rows(count, seed, classes=("ape", "bee", "cat")):
    rng = np.random.default_rng(seed)
    codes = np.arange(count) % len(classes)
    X = rng.normal(size=(count, 3)) + 1.5 * np.eye(3)[codes]
    return X, np.array(classes)[codes]


def game_of(estimator, **settings):
    return TrainingGame.from_sklearn(
        estimator, *rows(N, 0), *rows(T, 1), **{"progress": False, **settings}
    )


def some_sets(seed=2):
    sets = np.random.default_rng(seed).random((8, N)) < 0.5
    sets[0], sets[1] = False, True
    sets[2] = np.arange(N) % 3 == 1  # bees only
    sets[3] = np.arange(N) % 3 != 1  # none of them
    return sets


class CountingLearner:
    """Margins that count the members, one test point after the other; no package needed."""

    identity = {"learner": "counting"}  # noqa: RUF012

    def __init__(self):
        self.trained = []

    def classes(self, data):
        return np.unique(data.y)

    def train(self, data, sets):
        for number, members in enumerate(sets):
            self.trained.append(tuple(np.flatnonzero(members)))
            if len(self.trained) == 4 and getattr(self, "breaks", False):
                self.breaks = False
                raise KeyboardInterrupt
            scores = np.zeros((1, 2, len(data.y_test), 3))
            scores[..., 0] = members.sum()
            scores[0, 1] *= 3  # the second seed
            yield np.array([number]), scores


def counting(**settings):
    return TrainingGame(CountingLearner(), *rows(N, 0), *rows(T, 1), progress=False, **settings)


# ---------------------------------------------------------------------- the values
ESTIMATORS = {
    "logistic regression": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression(C=10)),
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(5, random_state=0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_values_are_those_of_plain_fits(name):
    (X, y), (X_test, y_test) = rows(N, 0), rows(T, 1)
    classes = sorted(set(y))
    found = game_of(ESTIMATORS[name]).outputs(some_sets()).reshape(-1, 3, T)
    for row, members in zip(found[2:], some_sets()[2:], strict=True):
        inside, labels = X[members], y[members]
        if len(set(labels)) == 1:
            shares = [{labels[0]: 1.0}] * T
        else:
            fitted = ESTIMATORS[name].fit(inside, labels)
            shares = [
                dict(zip(fitted.classes_, p, strict=True)) for p in fitted.predict_proba(X_test)
            ]
        for point, share in enumerate(shares):
            scores = {c: max(np.log(share.get(c, 0) or 1e-99), LEAST) for c in classes}
            own = scores.pop(y_test[point])
            loss = np.log(sum(map(np.exp, [own, *scores.values()]))) - own
            margin = own - max(scores.values())
            np.testing.assert_allclose(row[:, point], [margin, loss, margin > 0], atol=1e-9)


def test_the_empty_set_knows_the_shares_of_the_classes():
    (X, y), test = rows(N, 0), rows(T, 1)
    y[:6] = "ape"
    game = TrainingGame.from_sklearn(LogisticRegression(), X, y, *test, progress=False)
    shares = {label: np.mean(y == label) for label in set(y)}
    right = [-np.log(shares[label]) for label in test[1]]
    assert game.read_as(value="loss").empty_coalition_value == pytest.approx(np.mean(right))


def test_training_sets_below_the_least_size_are_answered_by_their_shares():
    nearest = KNeighborsClassifier(5)
    with pytest.raises(RuntimeError, match="KNeighborsClassifier cannot be trained on 4 examples"):
        game_of(nearest)(np.arange(N)[None] < 4)
    members = np.arange(N)[None] < 4  # ape, bee, cat, ape
    game = game_of(nearest, min_examples=5, value="loss", points=0)
    assert game(members)[0] == pytest.approx(-np.log(0.5))


def test_regression_reads_predictions():
    (X, y), (X_test, y_test) = rows(N, 0, (1.0, 2.0, 4.0)), rows(T, 1, (1.0, 2.0, 4.0))
    game = TrainingGame.from_sklearn(LinearRegression(), X, y, X_test, y_test, progress=False)
    members = some_sets()[4]
    right = LinearRegression().fit(X[members], y[members]).predict(X_test)
    found = game.outputs(members[None])[0]
    np.testing.assert_allclose(found, [*right, *(right - y_test) ** 2])
    assert game.empty_coalition_value == pytest.approx(y.mean())


def test_decision_functions_serve_where_there_are_no_probabilities():
    values = game_of(LinearSVC(), value="accuracy")(some_sets())
    assert values[1] > 0.5
    assert np.isfinite(values).all()


def test_seeds_reach_the_estimator_and_are_averaged():
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(3))
    sets = some_sets()
    zero, one = (game_of(forest, seeds=[seed]).outputs(sets) for seed in (0, 1))
    assert np.abs(zero - one).max() > 0.1
    np.testing.assert_allclose(game_of(forest, seeds=[0, 1]).outputs(sets), (zero + one) / 2)
    np.testing.assert_array_equal(game_of(forest).outputs(sets), zero)


@pytest.mark.parametrize("kind", ["sparse", "frame", "texts", "list"])
def test_inputs_may_be_what_the_estimator_takes(kind):
    (X, y), (X_test, y_test) = rows(N, 0), rows(T, 1)
    X, X_test = abs(X).round(), abs(X_test).round()
    estimator, plain = (
        MultinomialNB(),
        TrainingGame.from_sklearn(MultinomialNB(), X, y, X_test, y_test, progress=False),
    )
    if kind == "texts":
        estimator = make_pipeline(CountVectorizer(vocabulary=["aa", "bb", "cc"]), estimator)
        X, X_test = (
            [" ".join(["aa"] * int(a) + ["bb"] * int(b) + ["cc"] * int(c)) for a, b, c in each]
            for each in (X, X_test)
        )
    else:
        make = {"sparse": csr_matrix, "frame": pd.DataFrame, "list": lambda x: x.tolist()}[kind]
        X, X_test = make(X), make(X_test)
    game = TrainingGame.from_sklearn(
        estimator, X, y.tolist(), X_test, y_test.tolist(), progress=False
    )
    np.testing.assert_allclose(game(some_sets()), plain(some_sets()))
    assert game.identity == game.identity


def test_equal_examples_have_equal_values_and_share_their_effect():
    X, y = rows(7, 0)
    X[6], y[6] = X[4], y[4]
    nearest = KNeighborsClassifier(1)
    game = TrainingGame.from_sklearn(nearest, X, y, X[[4]], y[[4]], progress=False)
    found = ProxySPEX(n=7, index="SII", max_order=2).approximate(2**7, game)
    assert found[(4,)] == pytest.approx(found[(6,)], abs=1e-12)
    effects = found.get_n_order_values(2)
    assert effects[4, 6] == effects.min() < 0


# ---------------------------------------------------------------------- players and readings
def test_players_are_groups_and_some_examples_are_always_there():
    names = ["a", None, "b", "a", *[None] * 7, "b"]
    game = counting(players=names)
    assert [player.name for player in game.players] == ["a", "b"]
    assert [player.examples for player in game.players] == [(0, 3), (2, 11)]
    assert [player.label for player in game.players] == ["ape", "cat"]
    game(np.array([[0, 0], [1, 0], [0, 1]]))
    always = (1, 4, 5, 6, 7, 8, 9, 10)
    expected = [always, (0, 3, *always), (2, 11, *always)]
    assert game.learner.trained == [tuple(sorted(each)) for each in expected]
    assert counting(players=rows(N, 0)[1]).players[1].label == "bee"
    assert counting(players=[0, 0, 1] * 4).players[0].label is None


def test_readings_share_what_was_trained():
    game = counting()
    sets = some_sets()
    margins = game(sets)
    sizes = sets.sum(axis=1)
    np.testing.assert_allclose(game.outputs(sets)[:, 0], 2 * sizes)  # test point 0 is an ape
    np.testing.assert_allclose(game.outputs(sets)[:, 1], -2 * sizes)  # test point 1 is none
    np.testing.assert_allclose(game.read_as(points=[0, 1])(sets), 0 * sizes)
    np.testing.assert_allclose(game.read_as(points=0, value="accuracy")(sets), sizes > 0)
    np.testing.assert_allclose(
        game.read_as(value="loss").read_as(points=0)(sets[1:2]), 0, atol=1e-4
    )
    np.testing.assert_array_equal(game.read_as()(sets), margins)
    assert len(game.learner.trained) == game.n_evaluated == len(sets)


def test_a_function_may_be_the_value():
    def share_of_apes(scores, labels):
        assert scores.shape == (T, 3)
        assert list(labels) == list(rows(T, 1)[1])
        return (scores.argmax(axis=1) == 0).mean()

    game = counting(value=share_of_apes)
    assert game.outputs(some_sets()).shape == (8, 1)
    np.testing.assert_array_equal(game(some_sets()), 1.0)
    assert "share_of_apes" in game.identity["measures"]
    with pytest.raises(TypeError, match="read in one way only"):
        game.read_as(points=0)


def test_what_was_trained_before_an_interruption_is_kept():
    game = counting()
    game.learner.breaks = True
    with pytest.raises(KeyboardInterrupt):
        game(some_sets())
    game(some_sets())
    assert game.n_evaluated == 8
    assert len(game.learner.trained) == 9


def test_an_evaluator_reads_all_test_points_of_one_retraining(tmp_path):
    sets = some_sets()
    with Evaluator(counting(), store=tmp_path / "store", progress=False) as evaluator:
        outputs = evaluator.outputs(sets)
        assert outputs.shape == (8, 3 * T)
        third = evaluator.reading(lambda outputs: outputs[:, 2])
        np.testing.assert_array_equal(third(sets), outputs[:, 2])
    with Evaluator(counting(points=1), store=tmp_path / "store", progress=False) as again:
        np.testing.assert_array_equal(again(sets), outputs[:, 1])
        assert again.game.n_evaluated == 0


def test_the_identity_tells_games_apart():
    settings = [
        {"estimator": LogisticRegression()},
        {"estimator": LogisticRegression(C=2)},
        {"estimator": DecisionTreeClassifier()},
        {"estimator": LogisticRegression(), "seeds": [1]},
        {"estimator": LogisticRegression(), "min_examples": 2},
        {"estimator": LogisticRegression(), "players": [0, 1] * 6},
    ]
    assert len({str(game_of(**each).identity) for each in settings}) == len(settings)
    assert game_of(LogisticRegression()).identity == game_of(LogisticRegression()).identity


# ---------------------------------------------------------------------- bad input
BAD = {
    "a value among margin, loss, accuracy, or a function, got 'f1'": {"value": "f1"},
    "points among its 4 test points, .* got 4": {"points": 4},
    r"points among its 4 test points, .* got \[\]": {"points": []},
    "one name for each of the 12 examples, .* got 2 names of 2 players": {"players": [0, 1]},
    "got 12 names of 0 players": {"players": [None] * 12},
    "names that differ as texts, got 12 names of 2 players": {"players": [1, "1"] * 6},
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_settings_are_refused_in_a_sentence(sentence):
    with pytest.raises(ValueError, match=sentence):
        counting(**BAD[sentence])


def test_bad_data_is_refused_in_a_sentence():
    (X, y), (X_test, y_test) = rows(N, 0), rows(T, 1)
    learner = SklearnLearner(LogisticRegression())
    with pytest.raises(ValueError, match=r"one label for each of the training .* got 11 inputs"):
        TrainingGame(learner, X[1:], y, X_test, y_test)
    with pytest.raises(ValueError, match=r"each of the test inputs .* labels of shape \(4, 1\)"):
        TrainingGame(learner, X, y, X_test, y_test[:, None])
    with pytest.raises(ValueError, match="labels among the classes .* got 'dog' for 1"):
        TrainingGame(learner, X, y, X_test, ["ape", "dog", "ape", "bee"])
    with pytest.raises(ValueError, match=r"at least two classes, got \['ape'\] only"):
        TrainingGame(learner, X, ["ape"] * N, X_test, ["ape"] * T)


@pytest.mark.parametrize("estimator", [LogisticRegression, StandardScaler(), None])
def test_what_is_no_estimator_is_refused_in_a_sentence(estimator):
    with pytest.raises(TypeError, match="a classifier or regressor of scikit-learn, an object"):
        SklearnLearner(estimator)


def test_bad_learning_settings_are_refused_in_a_sentence():
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match=f"min_examples to be a positive .* got {wrong}"):
            SklearnLearner(LogisticRegression(), min_examples=wrong)
    for wrong in (3, [0.5], [-1], [1, 1], [[1]], []):
        said = f"distinct whole numbers, as in [0, 1], got {wrong}."
        with pytest.raises(ValueError, match=re.escape(said)):
            SklearnLearner(LogisticRegression(), seeds=wrong)


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game_of(LogisticRegression())(some_sets())
