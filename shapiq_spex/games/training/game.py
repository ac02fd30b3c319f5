"""Games whose players are training examples: what a model trained on some of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from shapiq_spex.games.contract import check_coalitions
from shapiq_spex.games.memory import Memory, RememberingGame
from shapiq_spex.games.training.examples import Data, grouped
from shapiq_spex.games.training.learners import SklearnLearner
from shapiq_spex.games.training.measures import (
    CLASSIFICATION,
    REGRESSION,
    class_codes,
    class_measures,
    error_measures,
)
from shapiq_spex.games.training.retraining import TorchLearner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from shapiq_spex.games.training.learners import Learner

    Metric = Callable[[NDArray[np.float64], NDArray[Any]], ArrayLike]

__all__ = ["TrainingGame"]


class TrainingGame(RememberingGame):
    """What a model does at test points when it is trained on some of the examples only.

    A coalition trains a model anew on the examples of the players that are present. Margin, loss
    and accuracy at every test point (in regression prediction and squared error) are kept, averaged
    over the seeds, so one retraining serves all test points and readings (`read_as`). Values are
    not centred. No training set is trained on twice in the life of the game, also when a run broke
    off in between. See `shapiq_spex.games.contract` for what else is promised.

    Args:
        learner: What is trained; `from_sklearn` and `from_torch` make one. See
            `shapiq_spex.games.training.learners.Learner`.
        X: Inputs of the training examples, one a row.
        y: Their labels or targets, shape (examples,).
        X_test: Inputs of the test points.
        y_test: Their labels or targets, shape (t,).
        players: One name for each example: those with one name are one player, those with None are
            always there. By default every example is a player.
        value: "margin" (score of the right class less the largest other one), "loss" (cross-entropy
            in nats) or "accuracy"; in regression "prediction" or "squared_error"; the first one by
            default. Or a function of the scores (t, classes) and the labels (t,) to one number.
        points: The test point or points whose mean is the value; all of them by default.
        progress: Whether to show a bar while models are trained.

    Attributes:
        players: The players, in order.
        data: Examples and test points.
        learner: What is trained.
        progress: Whether a bar is shown.
        keeps_values: True: nothing is gained by asking in small portions, or by a cache in front.

    Raises:
        ValueError: If inputs, labels, players, value or points do not fit together.

    Examples:
        >>> from sklearn.neighbors import KNeighborsRegressor
        >>> game = TrainingGame.from_sklearn(
        ...     KNeighborsRegressor(1), X=[[0.0], [1.0], [5.0]], y=[3.0, 4.0, 8.0],
        ...     X_test=[[0.9]], y_test=[4.0], progress=False,
        ... )
        >>> game(np.array([[True, True, True], [True, False, True], [False, False, True]]))
        array([4., 3., 8.])
        >>> game.read_as(value="squared_error").grand_coalition_value, game.n_evaluated
        (0.0, 3)
    """

    keeps_values: ClassVar[bool] = True

    def __init__(
        self,
        learner: Learner,
        X: Any,
        y: Any,
        X_test: Any,
        y_test: Any,
        *,
        players: Sequence[Any] | None = None,
        value: str | Metric | None = None,
        points: int | Sequence[int] | None = None,
        progress: bool = True,
    ) -> None:
        """See the class."""
        self.learner = learner
        self.data = Data.of(X, y, X_test, y_test)
        self.progress = progress
        self.players, self._owner = grouped(players, self.data.y)
        self._classes = learner.classes(self.data)
        self._metric = value if callable(value) else None
        self._targets: NDArray[Any] = self.data.y_test
        if self._classes is not None:
            class_codes(self._classes, self.data.y)
            self._targets = class_codes(self._classes, self.data.y_test)
            if len(self._classes) < 2:
                msg = f"TrainingGame needs at least two classes, got {self._classes.tolist()} only."
                raise ValueError(msg)
        self._measure = self._number_of(value)
        self._points = self._chosen(points)
        self._memory = Memory("Training", "model")
        names = [player.name for player in self.players]
        super().__init__(len(names), normalize=False, player_names=names)

    @classmethod
    def from_sklearn(
        cls, estimator: Any, X: Any, y: Any, X_test: Any, y_test: Any, **settings: Any
    ) -> TrainingGame:
        """Return the game of a scikit-learn estimator.

        The settings and errors are those of `TrainingGame` and
        `shapiq_spex.games.training.learners.SklearnLearner`: seeds, min_examples.

        Examples:
            >>> from sklearn.linear_model import LogisticRegression
            >>> X, y = [[0.0], [1.0], [3.0], [4.0]], ["low", "low", "high", "high"]
            >>> game = TrainingGame.from_sklearn(
            ...     LogisticRegression(), X, y, [[0.5]], ["low"], progress=False
            ... )
            >>> round(game.empty_coalition_value, 2), round(game.grand_coalition_value, 2)
            (0.0, 1.51)
        """
        game, learning = _split(settings)
        return cls(SklearnLearner(estimator, **learning), X, y, X_test, y_test, **game)

    @classmethod
    def from_torch(
        cls, module: Any, X: Any, y: Any, X_test: Any, y_test: Any, **settings: Any
    ) -> TrainingGame:
        """Return the game of a torch module, many of which are trained side by side.

        The labels are whole numbers, the places of the module's outputs; targets of another type
        make it a regression. The settings and errors are those of `TrainingGame` and
        `shapiq_spex.games.training.retraining.TorchLearner`: optimizer, lr, momentum, weight_decay,
        epochs, batch_size, seeds, at_once, device.

        Examples:
            >>> import pytest
            >>> torch = pytest.importorskip("torch")
            >>> game = TrainingGame.from_torch(
            ...     lambda: torch.nn.Linear(1, 2), [[0.0], [1.0], [3.0], [4.0]], [0, 0, 1, 1],
            ...     [[0.5]], [0], lr=0.1, epochs=50, progress=False,
            ... )
            >>> game.grand_coalition_value > game.empty_coalition_value
            True
        """
        game, learning = _split(settings)
        return cls(TorchLearner(module, **learning), X, y, X_test, y_test, **game)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the outputs, fit for JSON: data, players, learner and what is measured.

        How the outputs are aggregated is no part of it.
        """
        from joblib import hash as digest

        metric = self._metric
        parts = (self.data.X, self.data.y, self.data.X_test, self.data.y_test)
        return {
            "players": [[player.name, list(player.examples)] for player in self.players],
            "data": [digest(_plain(part)) for part in parts],
            "measures": list(self._measures)
            if metric is None
            else f"{metric.__module__}.{metric.__qualname__}",
            **self.learner.identity,
        }

    def outputs(self, coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return all that is measured of coalitions, from which their values are read.

        Args:
            coalitions: As in `value_function`.

        Returns:
            Float64 of shape (m, measures * t): all test points' margins, then losses, then
            accuracies (or predictions, then squared errors); with a function for a value, its
            values alone. The errors are those of `value_function`.
        """
        matrix = check_coalitions(coalitions, self.n_players)
        return self._memory.outputs(matrix, self, progress=self.progress)

    def aggregate(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values, shape (m,), of outputs (m, measures * t)."""
        table = np.asarray(outputs).reshape(len(outputs), len(self._measures), self._width)
        return table[:, self._measure, self._points].mean(axis=1)

    def score(
        self, coalitions: Sequence[NDArray[np.bool_]]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Train on coalitions, remembered or not, and yield their outputs as they are done.

        Args:
            coalitions: Bool, m rows of length n_players.

        Yields:
            Numbers of b coalitions, and their outputs of shape (b, measures * t).
        """
        everyone = np.column_stack([np.asarray(coalitions), np.ones(len(coalitions), dtype=bool)])
        for numbers, scores in self.learner.train(self.data, everyone[:, self._owner]):
            measured = self._measured(np.asarray(scores, dtype=np.float64)).mean(axis=1)
            yield numbers, measured.reshape(len(numbers), -1)

    def read_as(
        self, *, value: str | None = None, points: int | Sequence[int] | None = None
    ) -> TrainingGame:
        """Return the same game with its outputs read in another way; nothing is trained again.

        Args:
            value: As in `TrainingGame`, but no function; the same as now by default.
            points: The test point or points whose mean is the value; all by default.
        """
        if callable(value) or self._metric is not None:
            msg = "A game whose value is a function is read in one way only; make another game."
            raise TypeError(msg)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._measure = self._measure if value is None else self._number_of(value)
        other._points = self._chosen(points)
        return other

    @property
    def _measures(self) -> tuple[str, ...]:
        if self._metric is not None:
            return ("value",)
        return REGRESSION if self._classes is None else CLASSIFICATION

    @property
    def _width(self) -> int:
        return 1 if self._metric is not None else len(self._targets)

    def _number_of(self, value: str | Metric | None) -> int:
        if value is None or callable(value):
            return 0
        if value not in self._measures:
            msg = (
                f"TrainingGame needs a value among {', '.join(self._measures)}, or a function, "
                f"got {value!r}."
            )
            raise ValueError(msg)
        return self._measures.index(value)

    def _chosen(self, points: int | Sequence[int] | None) -> NDArray[np.intp]:
        everything = np.arange(self._width)
        if points is None:
            return everything
        chosen = np.atleast_1d(np.asarray(points))
        if self._metric is not None or not chosen.size or not np.isin(chosen, everything).all():
            msg = (
                f"TrainingGame needs points among its {len(self._targets)} test points, and none "
                f"where the value is a function, got {points!r}."
            )
            raise ValueError(msg)
        return chosen

    def _measured(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Measures (..., measures, t) of scores (..., t, classes)."""
        if self._metric is not None:
            flat = scores.reshape(-1, *scores.shape[-2:])
            values = [float(np.asarray(self._metric(one, self.data.y_test))) for one in flat]
            return np.reshape(values, (*scores.shape[:-2], 1, 1))
        if self._classes is None:
            return error_measures(scores, self._targets)
        return class_measures(scores, self._targets)


def _split(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the game, and those of its learner."""
    own = {"players", "value", "points", "progress"} & settings.keys()
    rest = settings.keys() - own
    return {name: settings[name] for name in own}, {name: settings[name] for name in rest}


def _plain(part: Any) -> Any:
    """Tensors as arrays: their pickles differ from one process to the next."""
    return part.detach().cpu().numpy() if hasattr(part, "detach") else part
