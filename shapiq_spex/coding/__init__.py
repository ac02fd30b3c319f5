"""Binary codes that identify a sparse word from few parity bits."""

from .bch import BCH
from .chase import likely_words
from .gf2m import Field

__all__ = ["BCH", "Field", "likely_words"]
