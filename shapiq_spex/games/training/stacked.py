"""Copies of one torch module with weights of their own, moved side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Weights = dict[str, Any]  # tensors by name; stacked: the models along the first axis

__all__ = [
    "NotTogetherError",
    "Optimizer",
    "StackedModels",
    "called",
    "class_loss",
    "squared_loss",
    "tensors_of",
    "trainable",
]


class NotTogetherError(RuntimeError):
    """The models can only be trained one after another."""


class StackedModels:
    """Copies of a module that share all but their trainable weights.

    Args:
        module: The module; it is not changed.
        count: The number of copies b.
        loss: Function from outputs (k, ...) and targets (k,) to losses (k,).

    Attributes:
        weights: The trainable weights, each of shape (b, ...).
    """

    def __init__(self, module: Any, count: int, loss: Callable[[Any, Any], Any]) -> None:
        """Start all of them from the module's weights."""
        self.weights: Weights = {
            name: weight.expand(count, *weight.shape).clone()
            for name, weight in trainable(module).items()
        }
        self._module, self._count, self._loss = module, count, loss
        # Their own: a forward pass may move them, as that of a spectral norm does.
        self._buffers = {name: each.clone() for name, each in module.named_buffers()}

    def gradients(self, x: Any, y: Any, counts: Any) -> Weights:
        """Return the gradients of the mean losses.

        Args:
            x: Inputs (b, k, ...), k for each model.
            y: Targets (b, k).
            counts: Whether an example counts, bool (b, k).
        """
        from torch.func import grad

        return self._each(grad(self._mean_loss), self.weights, x, y, counts)

    def outputs(self, x: Any, block: int) -> Any:
        """Return what each model makes of inputs (t, ...), a block at a time: (b, t, outputs)."""
        import torch

        parts = []
        with torch.no_grad():
            for piece in x.split(block):

                def run(weights: Weights, piece: Any = piece) -> Any:
                    return called(self._module, {**self._buffers, **weights}, piece)

                parts.append(self._each(run, self.weights))
        found = torch.cat(parts, dim=1)
        return found.reshape(*found.shape[:2], -1)

    def _mean_loss(self, weights: Weights, x: Any, y: Any, counts: Any) -> Any:
        losses = self._loss(called(self._module, {**self._buffers, **weights}, x), y)
        return (losses * counts).sum() / counts.sum().clamp(min=1)

    def _each(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function of each model's slice of the arguments; without vmap where there is one."""
        from torch.func import vmap
        from torch.utils._pytree import tree_map

        if self._count == 1:
            alone = function(*tree_map(lambda each: each[0], arguments))
            return tree_map(lambda each: each[None], alone)
        try:
            return vmap(function)(*arguments)
        except RuntimeError as error:
            if "vmap" not in str(error) and "Batching rule" not in str(error):
                raise
            raise NotTogetherError from error


@dataclass(frozen=True)
class Optimizer:
    """Steps of SGD or Adam, those of torch.optim, on stacked weights.

    Attributes:
        kind: "sgd" or "adam".
        lr: Learning rate.
        momentum: Of SGD.
        weight_decay: Added to the gradient, times the weights.
    """

    kind: str
    lr: float
    momentum: float
    weight_decay: float

    @property
    def settings(self) -> tuple[str, float, float, float]:
        """All of them."""
        return self.kind, self.lr, self.momentum, self.weight_decay

    def start(self, weights: Weights) -> list[Weights]:
        """Return what is kept from step to step: velocities, or two moments and step counts."""
        import torch

        zeros = [{name: torch.zeros_like(w) for name, w in weights.items()} for _ in range(2)]
        if self.kind == "sgd":
            return zeros[:1] if self.momentum else []
        counts = {name: torch.zeros((len(w),), device=w.device) for name, w in weights.items()}
        return [*zeros, counts]

    def step(self, weights: Weights, gradients: Weights, state: list[Weights], moves: Any) -> None:
        """Step, in place, those models (b,) that ``moves``."""
        everyone = bool(moves.all())
        for name, weight in weights.items():
            gradient = gradients[name] + self.weight_decay * weight
            old = [each[name] for each in state]
            change, new = (self._sgd if self.kind == "sgd" else self._adam)(gradient, old)
            for before, after in zip([*old, weight], [*new, weight - change], strict=True):
                keep = moves.reshape(-1, *(1,) * (before.ndim - 1))
                before.copy_(after if everyone else after.where(keep, before))

    def _sgd(self, gradient: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        if not state:
            return self.lr * gradient, []
        velocity = self.momentum * state[0] + gradient
        return self.lr * velocity, [velocity]

    def _adam(self, gradient: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        first = 0.9 * state[0] + 0.1 * gradient
        second = 0.999 * state[1] + 0.001 * gradient**2
        count = state[2] + 1
        steps = count.reshape(-1, *(1,) * (gradient.ndim - 1))
        size = (second / (1 - 0.999**steps)).sqrt() + 1e-8
        change = self.lr * first / (1 - 0.9**steps) / size
        return change.to(gradient.dtype), [first, second, count]


def class_loss(outputs: Any, targets: Any) -> Any:
    """Cross-entropy of each example."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(outputs, targets.long(), reduction="none")


def squared_loss(outputs: Any, targets: Any) -> Any:
    """Squared error of each example."""
    return (outputs.reshape(targets.shape) - targets) ** 2


def called(module: Any, tensors: Weights, x: Any) -> Any:
    """What a module makes of x with these weights and buffers; it is left as it is."""
    from torch.func import functional_call

    names = {id(tensor): name for name, tensor in tensors_of(module).items()}
    given = {
        f"{path}.{own}" if path else own: tensors[names[id(tensor)]]
        for path, layer in module.named_modules()
        for own, tensor in {**layer._parameters, **layer._buffers}.items()
        if tensor is not None and names[id(tensor)] in tensors
    }
    # Tied by torch, the weights of a layer that is there twice would not be put back.
    return functional_call(module, given, (x,), tie_weights=False)


def tensors_of(module: Any) -> Weights:
    """The weights and buffers of a module, by the first of their names."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def trainable(module: Any) -> Weights:
    """The weights that require a gradient, by name."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
