"""Can it be believed? A result against the game it claims to describe."""

from .checks import validate
from .spots import spot_check
from .verdict import Validation

__all__ = ["Validation", "spot_check", "validate"]
