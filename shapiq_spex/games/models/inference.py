"""Forward passes without gradients, and with the faster of torch's matrix products."""

from __future__ import annotations

import platform
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["inference"]


@contextmanager
def inference() -> Iterator[None]:
    """Torch's inference mode, in which float32 layers on AVX-512 processors of AMD use oneDNN.

    There MKL, which torch takes for float32, keeps to narrower instructions: oneDNN, part of torch
    as well, multiplies twice as fast (`benchmarks/throughput.py`). Values differ by rounding.
    """
    import torch

    with torch.inference_mode(), _one_dnn():
        yield


def _one_dnn() -> AbstractContextManager[Any]:
    return _mode()() if is_faster() else nullcontext()


@cache
def is_faster() -> bool:
    """Whether oneDNN is there, and is the faster one on this processor."""
    import torch

    return (
        "AuthenticAMD" in _vendor()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _vendor() -> str:
    about = Path("/proc/cpuinfo")
    return about.read_text(encoding="utf-8") if about.exists() else platform.processor()


@cache
def _mode() -> type:
    """The class is made once torch is there."""
    import torch
    from torch.overrides import TorchFunctionMode

    plain = (torch.Tensor, torch.nn.Parameter)  # quantised weights are others

    def suits(*tensors: Any) -> bool:
        return all(
            type(one) in plain and one.dtype == torch.float32 and one.device.type == "cpu"
            for one in tensors
        )

    def product(x: Any, weight: Any, bias: Any) -> Any:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    class OneDNN(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            if not kwargs and func is torch.nn.functional.linear and suits(*args[:2]):
                return product(args[0], args[1], args[2] if len(args) > 2 else None)
            if not kwargs and func is torch.addmm and suits(*args):  # GPT-2 keeps W transposed
                return product(args[1], args[2].t(), args[0])
            return func(*args, **(kwargs or {}))

    return OneDNN
