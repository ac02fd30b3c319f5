"""What is read from a retrained model at a test point: margin, loss, right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CLASSIFICATION", "REGRESSION", "class_codes", "class_measures", "error_measures"]

CLASSIFICATION = ("margin", "loss", "accuracy")
REGRESSION = ("prediction", "squared_error")


def class_measures(scores: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Read margin, loss and accuracy of each test point from the scores of the classes.

    The margin is the score of the right class less the largest of the others, as in datamodels
    (Ilyas et al., 2022); the loss is the cross-entropy of the softmax of the scores, in nats; the
    accuracy is 1 where the margin is positive, else 0.

    Args:
        scores: Float64 of shape (..., t, classes).
        codes: The column of the right class of each test point, shape (t,).

    Returns:
        Float64 of shape (..., 3, t), in the order of `CLASSIFICATION`.

    Examples:
        >>> class_measures(np.array([[2.0, 0.0, 0.5]]), np.array([0])).round(2).tolist()
        [[1.5], [0.31], [1.0]]
    """
    place = np.broadcast_to(codes[:, None], (*scores.shape[:-1], 1))
    own = np.take_along_axis(scores, place, axis=-1)[..., 0]
    others = scores.copy()
    np.put_along_axis(others, place, -np.inf, axis=-1)
    margin = own - others.max(axis=-1)
    loss = logsumexp(scores, axis=-1) - own
    return np.stack([margin, loss, margin > 0], axis=-2)


def error_measures(scores: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[Any]:
    """Read prediction and squared error from predictions (..., t, 1): float64 (..., 2, t).

    Examples:
        >>> error_measures(np.array([[2.0], [5.0]]), np.array([3.0, 5.0])).tolist()
        [[2.0, 5.0], [1.0, 0.0]]
    """
    predicted = scores[..., 0]
    return np.stack([predicted, (predicted - targets) ** 2], axis=-2)


def class_codes(classes: NDArray[Any], labels: ArrayLike) -> NDArray[np.intp]:
    """Return the place of each label among the classes, which are sorted.

    Raises:
        ValueError: If a label is none of them.

    Examples:
        >>> class_codes(np.array(["cat", "dog"]), ["dog", "cat"]).tolist()
        [1, 0]
    """
    labels = np.asarray(labels)
    unknown = sorted(set(labels.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        msg = (
            f"TrainingGame needs labels among the classes {classes.tolist()}, got "
            f"{unknown[0]!r} for {int((labels == unknown[0]).sum())} of the examples."
        )
        raise ValueError(msg)
    return np.searchsorted(classes, labels)
