"""Binary codes that identify a sparse word from few parity bits."""

from .bch import BCH
from .chase import soft_decode
from .gf2m import Field

__all__ = ["BCH", "Field", "soft_decode"]
