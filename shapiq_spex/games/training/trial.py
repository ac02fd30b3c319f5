"""What is tried out on a torch module before it is trained."""

from __future__ import annotations

from typing import Any, NoReturn

from shapiq_spex.games.training.stacked import called

__all__ = ["check_layers", "check_outputs", "outputs_of", "refuse_chance"]

_NEAR = 1e-2  # of the scale of the outputs: far above rounding, far below what a batch adds


def check_layers(module: Any) -> None:
    """Refuse layers that are known to mix the examples of a batch, or to be random.

    Raises:
        ValueError: If there is one.
    """
    from torch.nn import modules as layers

    for name, layer in module.named_modules():
        kind = f"{type(layer).__name__} ({name})"
        if isinstance(layer, layers.batchnorm._BatchNorm) or getattr(
            layer, "track_running_stats", False
        ):
            _refuse_mixing(kind)
        chance = layer.p if isinstance(layer, layers.dropout._DropoutNd) else 0.0
        inner = getattr(layer, "dropout", 0.0)  # of attention and recurrent layers
        if chance > 0 or (isinstance(inner, float) and inner > 0):
            refuse_chance(kind)


def check_outputs(module: Any, x: Any) -> None:
    """Refuse a module in whose outputs for x chance or the rest of the batch has a part.

    Raises:
        ValueError: If a random number is drawn, two runs differ, or an example by itself gives
            something else than among the others.
    """
    import torch

    kind = type(module).__name__
    with torch.no_grad(), torch.random.fork_rng():
        runs = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            before = _random_state()
            runs.append(outputs_of(module, x))
            if not torch.equal(before, _random_state()):
                refuse_chance(kind)
        if not torch.allclose(*runs, equal_nan=True):  # numbers drawn by others than torch
            refuse_chance(kind)
        among = runs[0][:1].double()
        try:
            alone = outputs_of(module, x[:1]).double()
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            _refuse_mixing(kind)
    scale = float(runs[0].abs().nan_to_num(0).max())
    if alone.shape == among.shape and not torch.allclose(
        alone, among, rtol=0, atol=_NEAR * scale, equal_nan=True
    ):
        _refuse_mixing(kind)


def outputs_of(module: Any, x: Any) -> Any:
    """Return what a module makes of x; its buffers stay as they are."""
    return called(module, {name: each.clone() for name, each in module.named_buffers()}, x)


def refuse_chance(kind: str) -> NoReturn:
    """Refuse a module, or a layer, that is random."""
    msg = (
        f"TorchLearner cannot train {kind}: dropped units would make values random; set its "
        "probability to 0."
    )
    raise ValueError(msg)


def _random_state() -> Any:
    import torch

    moved = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.cat([torch.get_rng_state(), *moved])


def _refuse_mixing(kind: str) -> NoReturn:
    msg = (
        f"TorchLearner cannot train {kind}: its statistics would mix the examples of a batch; "
        "replace it with torch.nn.GroupNorm(groups, channels), which reads each example by itself."
    )
    raise ValueError(msg)
