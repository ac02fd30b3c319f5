"""Boosted trees on coalitions, by LightGBM or scikit-learn, as one neutral tree record."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

LEAVES = 31  # LightGBM's default, kept for scikit-learn too
ROWS_PER_LEAF = 20  # likewise


@dataclass(frozen=True)
class Tree:
    """A regression tree on coalitions. Node 0 is the root.

    Attributes:
        feature: Int (k,), the player a node asks for, -1 at a leaf.
        absent: Int (k,), the child where the player is absent; ignored at a leaf.
        present: Int (k,), the child where the player is present; ignored at a leaf.
        value: Float64 (k,), the value at a leaf; ignored elsewhere.

    Example:
        >>> tree = Tree(np.array([3, -1, -1]), np.array([1, 0, 0]), np.array([2, 0, 0]),
        ...             np.array([0.0, -1.0, 1.0]))
        >>> tree.predict(np.eye(4, dtype=bool)).tolist()
        [-1.0, -1.0, -1.0, 1.0]
    """

    feature: np.ndarray
    absent: np.ndarray
    present: np.ndarray
    value: np.ndarray

    def predict(self, coalitions: np.ndarray) -> np.ndarray:
        """Values (m,) on a bool matrix (m, n): the plain walk from the root."""
        rows, node = np.arange(len(coalitions)), np.zeros(len(coalitions), dtype=np.int64)
        while (self.feature[node] >= 0).any():
            inner = self.feature[node] >= 0
            there = coalitions[rows, self.feature[node]]
            node = np.where(inner, np.where(there, self.present[node], self.absent[node]), node)
        return self.value[node]


class Ensemble(Protocol):
    """A fitted sum of trees, of which the first few can be asked alone."""

    def predict(self, coalitions: np.ndarray, count: int) -> np.ndarray:
        """Values (m,) of the sum of the first trees."""
        ...

    def trees(self, count: int) -> list[Tree]:
        """The first trees, whose values add up to :meth:`predict`."""
        ...


def fit_ensemble(
    coalitions: np.ndarray,
    values: np.ndarray,
    *,
    depth: int | None,
    trees: int,
    rate: float,
    seed: int,
) -> Ensemble:
    """Boost regression trees on squared error, with LightGBM where it is installed.

    Both libraries grow trees of at most 31 leaves, best split first, with at least 20 rows a
    leaf: LightGBM's defaults. Below 200 rows a leaf needs a tenth of them instead, since 20 of
    100 rows hardly leave a second split. The fit runs
    on one thread and is the same, bit for bit, for equal arguments.

    Args:
        coalitions: Bool matrix (m, n), m >= 2.
        values: Finite floats (m,).
        depth: Greatest depth of a tree, None for no bound but the leaves.
        trees: Number of trees.
        rate: Learning rate in (0, 1].
        seed: Seed of the library; it decides between equally good splits.

    Example:
        >>> coalitions = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)
        >>> fitted = fit_ensemble(
        ...     coalitions, coalitions[:, 0] * 2.0, depth=3, trees=50, rate=0.5, seed=0
        ... )
        >>> fitted.predict(coalitions, 50).round(6).tolist()
        [0.0, 0.0, 2.0, 2.0]
    """
    fit = _fit_lightgbm if library() == "lightgbm" else _fit_sklearn
    return fit(coalitions, values, depth=depth, trees=trees, rate=rate, seed=seed)


def library() -> str:
    """The library that :func:`fit_ensemble` uses: "lightgbm" or "sklearn"."""
    return "lightgbm" if find_spec("lightgbm") else "sklearn"


@dataclass(frozen=True)
class LightGBMEnsemble:
    """A LightGBM booster; its initial score lies in the leaves of the first tree."""

    booster: Any

    def predict(self, coalitions: np.ndarray, count: int) -> np.ndarray:
        """Values (m,) of the sum of the first trees."""
        values = self.booster.predict(coalitions, num_iteration=count, num_threads=1)
        return np.asarray(values, dtype=np.float64)

    def trees(self, count: int) -> list[Tree]:
        """The first trees, the learning rate and the initial score in their leaves."""
        model = self.booster.dump_model(num_iteration=count)
        return [_tree_of_json(tree["tree_structure"]) for tree in model["tree_info"]]


@dataclass(frozen=True)
class SklearnEnsemble:
    """A scikit-learn GradientBoostingRegressor."""

    model: Any

    def predict(self, coalitions: np.ndarray, count: int) -> np.ndarray:
        """Values (m,) of the sum of the first trees."""
        return sum((tree.predict(coalitions) for tree in self.trees(count)), np.zeros(1))

    def trees(self, count: int) -> list[Tree]:
        """The mean as a tree of one leaf, then the first trees, scaled by the learning rate."""
        none, mean = np.zeros(1, dtype=np.int64), np.ravel(self.model.init_.constant_)
        first = Tree(none - 1, none, none, mean.astype(np.float64))
        grown = self.model.estimators_[:count, 0]
        return [first, *(_tree_of_sklearn(each.tree_, self.model.learning_rate) for each in grown)]


def _rows_per_leaf(m: int) -> int:
    return max(1, min(ROWS_PER_LEAF, m // 10))


def _fit_lightgbm(
    coalitions: np.ndarray,
    values: np.ndarray,
    *,
    depth: int | None,
    trees: int,
    rate: float,
    seed: int,
) -> LightGBMEnsemble:
    import lightgbm

    settings = {
        "objective": "regression",
        "max_depth": -1 if depth is None else depth,
        "num_leaves": LEAVES,
        "learning_rate": rate,
        "min_data_in_leaf": _rows_per_leaf(len(values)),
        "min_data_in_bin": 1,  # else a player absent or present in two rows only is never asked
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # beside other work several threads mostly wait for each other
        "verbosity": -1,
    }
    data = lightgbm.Dataset(coalitions.astype(np.float32), values, params=settings)
    return LightGBMEnsemble(lightgbm.train(settings, data, trees))


def _fit_sklearn(
    coalitions: np.ndarray,
    values: np.ndarray,
    *,
    depth: int | None,
    trees: int,
    rate: float,
    seed: int,
) -> SklearnEnsemble:
    # Of the two boosters of scikit-learn this one shows its trees through public attributes, and
    # it is the faster one on a few hundred coalitions.
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=trees,
        learning_rate=rate,
        max_depth=depth,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=_rows_per_leaf(len(values)),
        random_state=seed,
    )
    return SklearnEnsemble(model.fit(coalitions.astype(np.float32), values))


def _tree_of_json(root: dict[str, Any]) -> Tree:
    """A LightGBM tree. Its splits are `feature <= threshold`, so 0 and 1 each have one child."""
    rows: list[tuple[int, int, int, float]] = []
    waiting = [root]
    for node in waiting:
        if "leaf_value" in node:
            rows.append((-1, 0, 0, node["leaf_value"]))
            continue
        sides = [node["left_child"], node["right_child"]]
        places = [len(waiting), len(waiting) + 1]
        absent, present = (places[value > node["threshold"]] for value in (0, 1))
        rows.append((node["split_feature"], absent, present, 0.0))
        waiting += sides
    feature, absent_, present_, value = zip(*rows, strict=True)
    return Tree(np.array(feature), np.array(absent_), np.array(present_), np.array(value))


def _tree_of_sklearn(tree: Any, rate: float) -> Tree:
    """A scikit-learn tree. Its splits are `feature <= threshold` too."""
    left, right = tree.children_left, tree.children_right
    return Tree(
        feature=np.where(left < 0, -1, tree.feature),
        absent=np.where(tree.threshold >= 0, left, right),
        present=np.where(tree.threshold >= 1, left, right),
        value=rate * tree.value[:, 0, 0],
    )
