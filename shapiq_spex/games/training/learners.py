"""The seam to what is retrained: data in, the scores of the test points for each training set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import log_softmax

from shapiq_spex.checks import is_whole, whole
from shapiq_spex.games.training.examples import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.training.examples import Data

__all__ = ["Learner", "SklearnLearner", "checked_seeds"]

_LEAST_PROBABILITY = 1e-6


class Learner(Protocol):
    """What a `TrainingGame` needs of a learner: a class with these three members is one."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the scores beside the data, fit for JSON."""
        ...

    def classes(self, data: Data) -> NDArray[Any] | None:
        """Return the sorted labels that the columns of the scores stand for; None in regression."""
        ...

    def train(
        self, data: Data, sets: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Train on each of the sets, and yield (numbers of b sets, their scores) as they are done.

        Args:
            data: The examples.
            sets: Bool (m, examples); True is in the training set.

        Yields:
            Numbers of sets, shape (b,), and the scores of the test points, float64 of shape
            (b, seeds, t, classes), or (b, seeds, t, 1) in regression. They depend on the set
            alone, to 1e-5 of their scale.
        """
        ...


class SklearnLearner:
    """Any scikit-learn estimator, cloned and fitted to each training set.

    The scores are the logarithms of the probabilities of the classes: the softmax of the decision
    function where the estimator has one with a column for every class (for a logistic regression
    these are its probabilities), else what it predicts. None is below log(1e-6), so a class that is
    not in the training set has a score, too.

    What cannot be learned from is answered by what is known without learning: a training set with
    fewer than two classes, or fewer than ``min_examples`` examples, by the shares of the classes in
    it (in regression by the mean of its targets), the empty set by those of all examples.

    Args:
        estimator: A classifier or regressor, or a pipeline that ends in one.
        seeds: Every ``random_state`` of the estimator is set to each of these in turn.
        min_examples: The fewest examples the estimator is fitted to, at least 1.

    Raises:
        TypeError: If the estimator is neither a classifier nor a regressor of scikit-learn's kind.
        ValueError: If the seeds are no distinct whole numbers, or min_examples is below 1.

    Examples:
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from shapiq_spex.games.training.examples import Data
        >>> data = Data.of([[0.0], [1.0]], [0, 1], [[0.2]], [0])
        >>> learner = SklearnLearner(KNeighborsClassifier(1))
        >>> _, scores = next(learner.train(data, np.array([[True, True]])))
        >>> np.exp(scores).round(3).tolist()
        [[[[1.0, 0.0]]]]
    """

    def __init__(
        self, estimator: Any, *, seeds: Sequence[int] = (0,), min_examples: int = 1
    ) -> None:
        """See the class."""
        from sklearn.base import is_classifier, is_regressor

        fits = hasattr(estimator, "fit") and not isinstance(estimator, type)
        if not (fits and (is_classifier(estimator) or is_regressor(estimator))):
            msg = (
                "TrainingGame needs a classifier or regressor of scikit-learn, an object and not "
                f"its class, got {estimator!r}."
            )
            raise TypeError(msg)
        self.estimator = estimator
        self.seeds = checked_seeds(seeds)
        self.min_examples = whole("SklearnLearner", "min_examples", min_examples)
        self._classifies = bool(is_classifier(estimator))

    @property
    def identity(self) -> dict[str, Any]:
        """The estimator's class and a hash of its settings, the seeds, and the fewest examples."""
        from joblib import hash as digest

        return {
            "learner": type(self.estimator).__name__,
            "settings": digest(self.estimator),
            "seeds": list(self.seeds),
            "min_examples": self.min_examples,
        }

    def classes(self, data: Data) -> NDArray[Any] | None:
        """Return the labels that occur among the training examples; None in regression."""
        return np.unique(data.y) if self._classifies else None

    def train(
        self, data: Data, sets: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Fit one estimator after the other; see `Learner`.

        Raises:
            RuntimeError: If the estimator cannot be trained on one of the sets.
        """
        for number, members in enumerate(sets):
            scores = [self._scores(data, members, seed) for seed in self.seeds]
            yield np.array([number]), np.array([scores])

    def _scores(self, data: Data, members: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
        rows = np.flatnonzero(members)
        y = data.y[rows]
        if len(rows) < self.min_examples or (self._classifies and len(np.unique(y)) < 2):
            return self._read(self._prior(y if len(y) else data.y), data)
        try:
            return self._read(self._fresh(seed).fit(rows_of(data.X, rows), y), data)
        except ValueError as error:
            msg = (
                f"{type(self.estimator).__name__} cannot be trained on {len(rows)} examples "
                f"({error}); training sets smaller than min_examples need no estimator."
            )
            raise RuntimeError(msg) from error

    def _prior(self, y: NDArray[Any]) -> Any:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        prior = DummyClassifier(strategy="prior") if self._classifies else DummyRegressor()
        return prior.fit(np.zeros((len(y), 1)), y)

    def _fresh(self, seed: int) -> Any:
        from sklearn.base import clone

        estimator = clone(self.estimator)
        names = [p for p in estimator.get_params() if p.split("__")[-1] == "random_state"]
        return estimator.set_params(**dict.fromkeys(names, seed))

    def _read(self, fitted: Any, data: Data) -> NDArray[np.float64]:
        """Scores (t, classes), or predictions (t, 1)."""
        if not self._classifies:
            return np.asarray(fitted.predict(data.X_test), dtype=np.float64).reshape(-1, 1)
        classes = np.unique(data.y)
        known = _log_probabilities(fitted, data.X_test)
        scores = np.full((len(known), len(classes)), -np.inf)
        scores[:, np.searchsorted(classes, fitted.classes_)] = known
        return np.maximum(scores, np.log(_LEAST_PROBABILITY))


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds as Python ints.

    Raises:
        ValueError: If there is none, or they are no distinct whole numbers from 0 on.
    """
    found = list(seeds) if isinstance(seeds, Iterable) else []
    whole_ones = found and all(is_whole(seed) and seed >= 0 for seed in found)
    if not whole_ones or len(set(found)) < len(found):
        msg = (
            f"TrainingGame needs seeds that are distinct whole numbers, as in [0, 1], got {seeds}."
        )
        raise ValueError(msg)
    return tuple(map(int, found))


def _log_probabilities(fitted: Any, inputs: Any) -> NDArray[np.float64]:
    decide = getattr(fitted, "decision_function", None)
    if decide is not None:
        scores = np.asarray(decide(inputs), dtype=np.float64)
        if scores.ndim == 1:  # two classes: for the second one, against 0 for the first
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        if scores.shape[1] == len(fitted.classes_):
            return log_softmax(scores, axis=1)
    if not hasattr(fitted, "predict_proba"):
        msg = (
            f"{type(fitted).__name__} gives no score to each class: TrainingGame needs "
            "predict_proba, or a decision_function with a column for every class."
        )
        raise TypeError(msg)
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(fitted.predict_proba(inputs), dtype=np.float64))
