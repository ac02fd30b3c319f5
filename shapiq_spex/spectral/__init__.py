"""Functions {0,1}^n -> R in the Walsh-Hadamard (Fourier) basis."""

from .indices import INDICES, interactions
from .series import FourierSeries
from .walsh import all_coalitions, walsh_hadamard

__all__ = ["INDICES", "FourierSeries", "all_coalitions", "interactions", "walsh_hadamard"]
