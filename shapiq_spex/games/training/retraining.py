"""Many small torch models trained side by side, each on its own part of the examples."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shapiq_spex.checks import whole
from shapiq_spex.games.models.local import in_batches
from shapiq_spex.games.training.learners import checked_seeds
from shapiq_spex.games.training.stacked import (
    NotTogetherError,
    Optimizer,
    StackedModels,
    class_loss,
    squared_loss,
    trainable,
)
from shapiq_spex.games.training.trial import (
    check_layers,
    check_outputs,
    outputs_of,
    refuse_chance,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shapiq_spex.games.training.examples import Data

__all__ = ["TorchLearner"]

_CACHE = 32 * 2**20  # bytes: on a CPU, models whose activations stay in its cache train fastest
_TRIED = 64  # examples: enough for a rare drop to show
_COPIES = 4  # of the weights: themselves, gradients, and what the optimizer keeps


class TorchLearner:
    """Torch modules trained on many sets at once (``torch.func``), on each as if it were alone.

    Every epoch goes through all examples in an order drawn from the seed, batch by batch. A model
    takes of each batch the examples in its set and makes one step along the mean of their losses,
    cross-entropy or squared error; where there are none it makes no step, so the empty set leaves
    the initial weights. Start and order are the same for all sets of a seed. The examples are
    gathered for each model, so absent ones cost nothing.

    When memory runs out, half as many are trained side by side, and so on, down to one by one;
    later calls begin with the number that fitted. Modules that vmap cannot follow, such as those
    with recurrent layers, are trained one by one, too.

    Models are trained in the precision of their weights. A long training multiplies rounding, so
    the last digits of a score can depend on which models are trained side by side; ``double()``
    leaves nothing of that.

    Args:
        module: A function without arguments that makes the module, called anew after the seed is
            set, or a module, whose weights are then the start for every seed. Weights that require
            no gradient stay as they are. It maps inputs (b, ...) to outputs (b, classes), or (b,)
            or (b, 1) in regression.
        optimizer: "sgd" or "adam", as in torch.optim.
        lr: Learning rate.
        momentum: Of SGD.
        weight_decay: Added to the gradient, times the weights.
        epochs: Number of times to go through all examples.
        batch_size: The most examples in a batch, absent ones counted.
        seeds: Initial weights and orders of the examples to average over.
        at_once: The most models trained side by side; by default as many as a CPU's cache or half
            of a GPU's free memory will hold.
        device: Where to train; by default the GPU if there is one.

    Raises:
        ImportError: If torch is missing.
        TypeError: If the module is neither a module nor makes one.
        ValueError: If the module has layers that cannot be trained in this way, for chance or the
            other examples of a batch have a part in their outputs, or a setting is out of its
            range.

    Examples:
        >>> import pytest
        >>> torch = pytest.importorskip("torch")
        >>> TorchLearner(lambda: torch.nn.Linear(2, 3), lr=0.1, device="cpu").identity["optimizer"]
        ['sgd', 0.1, 0.0, 0.0]
    """

    def __init__(
        self,
        module: Any,
        *,
        optimizer: Literal["sgd", "adam"] = "sgd",
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        epochs: int = 10,
        batch_size: int = 64,
        seeds: Sequence[int] = (0,),
        at_once: int | None = None,
        device: Any = None,
    ) -> None:
        """See the class."""
        torch = _torch()
        if optimizer not in {"sgd", "adam"}:
            msg = f"TorchLearner needs an optimizer among sgd, adam, got {optimizer!r}."
            raise ValueError(msg)
        if not (lr > 0 and min(momentum, weight_decay) >= 0):
            msg = (
                "TorchLearner needs a positive lr, and momentum and weight_decay that are not "
                f"negative, got {lr}, {momentum} and {weight_decay}."
            )
            raise ValueError(msg)
        self.seeds = checked_seeds(seeds)
        self.optimizer = Optimizer(optimizer, lr, momentum, weight_decay)
        self.epochs = whole("TorchLearner", "epochs", epochs)
        self.batch_size = whole("TorchLearner", "batch_size", batch_size)
        self.at_once = None if at_once is None else whole("TorchLearner", "at_once", at_once)
        self._tried = False
        self._together: SimpleNamespace | None = None  # as many as fit, once that is known
        self.device = str(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._modules = [_made(module, seed).to(self.device) for seed in self.seeds]

    @property
    def module(self) -> Any:
        """The module with the initial weights of the first seed."""
        return self._modules[0]

    @property
    def identity(self) -> dict[str, Any]:
        """The module's layers, a hash of its initial weights, and how they are trained."""
        from joblib import hash as digest

        weights = [
            {name: each.cpu().numpy() for name, each in module.state_dict().items()}
            for module in self._modules
        ]
        return {
            "learner": str(self.module),
            "weights": digest(weights),
            "optimizer": list(self.optimizer.settings),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "seeds": list(self.seeds),
        }

    def classes(self, data: Data) -> NDArray[Any] | None:
        """Return the places of the module's outputs where labels are whole numbers, else None.

        Raises:
            ValueError: If the outputs are not one for each class, or one number in regression, or
                if chance or the other examples of a batch have a part in them.
        """
        if not self._tried:
            check_outputs(self.module, self._tensor(data.X[:_TRIED]))
            self._tried = True
        with _torch().no_grad():
            outputs = outputs_of(self.module, self._tensor(data.X_test[:2]))
        if np.issubdtype(data.y.dtype, np.integer):
            if outputs.ndim == 2 and outputs.shape[1] > 1:
                return np.arange(outputs.shape[1])
        elif data.y.dtype.kind == "f" and (outputs.ndim == 1 or tuple(outputs.shape[1:]) == (1,)):
            return None
        msg = (
            "TorchLearner needs outputs of shape (b, classes) for labels that are whole numbers, "
            "and (b,) or (b, 1) for targets that are floats, but the module gives the shape "
            f"{tuple(outputs.shape)} for labels of type {data.y.dtype}."
        )
        raise ValueError(msg)

    def train(
        self, data: Data, sets: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Train on many sets at once, the largest first; see `Learner`."""
        tensors = [self._tensor(part) for part in (data.X, data.y, data.X_test)]
        loss = squared_loss if self.classes(data) is None else class_loss

        def scores(index: NDArray[np.intp]) -> NDArray[np.float64]:
            found = []
            for seed, module in zip(self.seeds, self._modules, strict=True):
                models = StackedModels(module, len(index), loss)
                found.append(self._scores(models, tensors, sets[index], seed))
            return np.stack(found, axis=1)

        if self._together is None:
            self._together = SimpleNamespace(batch_size=self.at_once or self._at_once(tensors[0]))
        together = self._together

        def in_some_way(index: NDArray[np.intp]) -> NDArray[np.float64]:
            try:
                return scores(index)
            except NotTogetherError as error:
                if "random" in str(error.__cause__):
                    refuse_chance(type(self.module).__name__)
                together.batch_size = 1
                return np.concatenate([scores(index[i : i + 1]) for i in range(len(index))])

        yield from in_batches(together, sets.sum(axis=1).tolist(), in_some_way)

    def _scores(
        self, models: StackedModels, tensors: list[Any], sets: NDArray[np.bool_], seed: int
    ) -> NDArray[np.float64]:
        """Scores (b, t, classes or 1) of models trained on b sets."""
        X, y, X_test = tensors
        state = self.optimizer.start(models.weights)
        for batch in self._batches(len(X), seed):
            present = sets[:, batch]
            longest = int(present.sum(axis=1).max())
            if longest:
                # Those present first; the others are filled up with the first, at no weight.
                order = np.argsort(~present, axis=1, kind="stable")[:, :longest]
                weight = np.take_along_axis(present, order, axis=1)
                rows = self._tensor(batch[np.where(weight, order, order[:, :1])])
                gradients = models.gradients(X[rows], y[rows], self._tensor(weight))
                moves = self._tensor(weight[:, 0])
                self.optimizer.step(models.weights, gradients, state, moves)
        return np.asarray(models.outputs(X_test, self.batch_size).cpu().double())

    def _batches(self, count: int, seed: int) -> Iterator[NDArray[np.intp]]:
        rng = np.random.default_rng(seed)
        for _ in range(self.epochs):
            order = rng.permutation(count)
            for start in range(0, count, self.batch_size):
                yield order[start : start + self.batch_size]

    def _tensor(self, values: Any) -> Any:
        """On the device; numbers with a fraction in the precision of the weights."""
        torch = _torch()
        tensor = values if torch.is_tensor(values) else torch.tensor(np.asarray(values))
        tensor = tensor.to(self.device)
        dtype = next(iter(trainable(self.module).values())).dtype
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    def _at_once(self, X: Any) -> int:
        """How many models fit, by what autograd keeps of one example."""
        torch = _torch()
        kept: list[int] = []

        def count(tensor: Any) -> Any:
            kept.append(tensor.nbytes)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            outputs_of(self.module, X[:1])
        weights = sum(weight.nbytes for weight in trainable(self.module).values())
        activations = max(0, sum(kept) - weights) * min(self.batch_size, len(X))
        room = _CACHE
        if self.device.startswith("cuda"):
            room = torch.cuda.mem_get_info(self.device)[0] // 2
        return int(max(1, room // (activations + _COPIES * weights)))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        msg = 'Training torch modules needs torch: pip install "shapiq-spex[text]".'
        raise ImportError(msg) from error
    return torch


def _made(module: Any, seed: int) -> Any:
    torch = _torch()
    if isinstance(module, torch.nn.Module):
        made = copy.deepcopy(module)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = module() if callable(module) else module
    if not isinstance(made, torch.nn.Module) or not trainable(made):
        msg = (
            "TorchLearner needs a torch module with weights to train, or a function without "
            f"arguments that makes one, got {made!r}."
        )
        raise TypeError(msg)
    check_layers(made)
    return made.train()
