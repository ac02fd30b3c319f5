"""SPEX: sparse Fourier recovery from coded coalitions."""

from .approximator import SPEX

__all__ = ["SPEX"]
