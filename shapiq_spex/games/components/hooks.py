"""Changing the insides of a torch model for the time of a forward pass, and putting all back."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Site", "changed", "one_at_a_time", "recorded", "recorded_layer", "started_at"]

one_at_a_time = RLock()  # hooks sit on the model, so threads that share one take turns


@dataclass(frozen=True)
class Site:
    """What goes into or comes out of a module, channel by channel.

    Attributes:
        module: The module.
        at_input: Whether it is the input, shape (rows, tokens, channels), else the output.
        owners: The player each channel belongs to, -1 for none: (channels,), or (1,) if all
            channels belong to one.
        of_heads: Whether the channels are those of attention heads.
    """

    module: Any
    at_input: bool
    owners: NDArray[np.intp]
    of_heads: bool

    def attach(self, change: Callable[[Any], Any]) -> Any:
        """Let a function take what is there and put something else there, or None for no change."""
        if self.at_input:

            def before(_: Any, args: tuple[Any, ...]) -> Any:
                changed = change(args[0])
                return None if changed is None else (changed, *args[1:])

            return self.module.register_forward_pre_hook(before)
        return self.module.register_forward_hook(lambda _module, _args, output: change(output))


@contextmanager
def changed(sites: Sequence[Site], changes: Sequence[Callable[[Any], Any]]) -> Iterator[None]:
    """Apply one change at each site."""
    with ExitStack() as stack:
        for site, change in zip(sites, changes, strict=True):
            stack.callback(site.attach(change).remove)
        yield


@contextmanager
def recorded(sites: Sequence[Site]) -> Iterator[list[list[Any]]]:
    """Keep what is at each site, once for every time the module is run."""
    kept: list[list[Any]] = [[] for _ in sites]
    with changed(sites, [each.append for each in kept]):
        yield kept


@contextmanager
def recorded_layer(layer: Any) -> Iterator[list[Any]]:
    """Keep what comes out of a layer."""
    kept: list[Any] = []
    handle = layer.register_forward_hook(lambda _module, _args, output: kept.append(output))
    try:
        yield kept
    finally:
        handle.remove()


@contextmanager
def started_at(layers: Sequence[Any], first: int, states: Any) -> Iterator[None]:
    """Run a model from layer ``first`` on, with these hidden states going into it.

    The layers below do nothing meanwhile; masks, positions, what follows the layers and the head
    are the model's own.
    """

    def give(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (states, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": states}

    with ExitStack() as stack:
        for layer in layers[:first]:
            stack.enter_context(_passing_on(layer))
        handle = layers[first].register_forward_pre_hook(give, with_kwargs=True)
        stack.callback(handle.remove)
        yield


@contextmanager
def _passing_on(layer: Any) -> Iterator[None]:
    own = layer.__dict__.get("forward")  # other packages put their own there
    layer.forward = _pass_on
    try:
        yield
    finally:
        if own is None:
            del layer.forward
        else:
            layer.forward = own


def _pass_on(hidden_states: Any, *_args: Any, **_kwargs: Any) -> Any:
    return hidden_states
