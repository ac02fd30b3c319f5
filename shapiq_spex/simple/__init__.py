"""The simple methods of the field under the same interface, to compare with and to teach."""

from .factorised import FactorisedPairs
from .greedy import GreedyAblation
from .lasso import LassoPairs
from .leave_one_out import LeaveOneOut
from .neural import NeuralSurrogate
from .pairwise import PairwiseAblation

__all__ = [
    "FactorisedPairs",
    "GreedyAblation",
    "LassoPairs",
    "LeaveOneOut",
    "NeuralSurrogate",
    "PairwiseAblation",
]
