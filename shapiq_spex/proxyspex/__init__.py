"""ProxySPEX: surrogates that are read out as Fourier series."""

from .approximator import ProxySPEX

__all__ = ["ProxySPEX"]
