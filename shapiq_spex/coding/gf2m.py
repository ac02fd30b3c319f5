"""Arithmetic in the fields GF(2^m), elementwise over arrays, by tables of powers and logarithms.

An element is an integer below 2^m: bit i is the coefficient of alpha^i, alpha a root of the
primitive polynomial. So addition is ``a ^ b``, and 2 is alpha itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

# Exponents of one primitive polynomial for each degree: Lin & Costello, Error Control Coding,
# 2nd edition (2004), table 2.7. Another choice gives another, equally good code.
PRIMITIVE_POLYNOMIALS = {
    2: (2, 1, 0),
    3: (3, 1, 0),
    4: (4, 1, 0),
    5: (5, 2, 0),
    6: (6, 1, 0),
    7: (7, 3, 0),
    8: (8, 4, 3, 2, 0),
    9: (9, 4, 0),
    10: (10, 3, 0),
    11: (11, 2, 0),
    12: (12, 6, 4, 1, 0),
    13: (13, 4, 3, 1, 0),
    14: (14, 10, 6, 1, 0),
    15: (15, 1, 0),
    16: (16, 12, 3, 1, 0),
}


@cache
def _tables(m: int) -> tuple[np.ndarray, np.ndarray]:
    """Powers alpha^i followed by zeros, and logarithms; the logarithm of 0 leads to a zero."""
    order, polynomial = 2**m - 1, sum(1 << e for e in PRIMITIVE_POLYNOMIALS[m])
    exp, log = np.zeros(4 * order + 1, np.uint16), np.full(2**m, 2 * order, np.int64)
    element = 1
    for i in range(order):
        exp[i] = exp[i + order] = element
        log[element] = i
        element <<= 1
        element ^= polynomial * (element >> m)
    exp.setflags(write=False)
    log.setflags(write=False)
    return exp, log


@dataclass(frozen=True)
class Field:
    """The field GF(2^m); its tables are made once per m and shared.

    Elements are arrays of integers in [0, 2^m), results are uint16, and shapes broadcast.

    Args:
        m: Degree over GF(2), 2 to 16.

    Raises:
        ValueError: If ``m`` is outside that range.

    Example:
        >>> field = Field(4)  # alpha^4 = alpha + 1
        >>> field.multiply(np.array([2, 9, 0]), 8).tolist()
        [3, 4, 0]
    """

    m: int

    def __post_init__(self) -> None:
        if self.m not in PRIMITIVE_POLYNOMIALS:
            msg = f"Field(m) knows GF(2^m) for m from 2 to 16, got m={self.m}."
            raise ValueError(msg)

    @property
    def order(self) -> int:
        """The number of nonzero elements, 2^m - 1, which is the order of alpha."""
        return 2**self.m - 1

    @property
    def exp(self) -> np.ndarray:
        """The powers alpha^0 ... alpha^(2^m - 2): read-only uint16 (2^m - 1,)."""
        return _tables(self.m)[0][: self.order]

    @property
    def log(self) -> np.ndarray:
        """The logarithm of each element to the base alpha: int64 (2^m,); log[0] has no meaning."""
        return _tables(self.m)[1]

    def multiply(self, a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
        """The products ab = alpha^(log a + log b), or 0.

        Example:
            >>> Field(3).multiply(3, np.arange(8)).tolist()
            [0, 3, 6, 5, 7, 4, 1, 2]
        """
        exp, log = _tables(self.m)
        return exp[log[a] + log[b]]

    def power(self, a: np.ndarray | int, exponent: int) -> np.ndarray:
        """The powers a^exponent, with 0^0 = 1.

        Raises:
            ZeroDivisionError: If the exponent is negative and an element is 0.

        Example:
            >>> Field(3).power(np.arange(8), 7).tolist()
            [0, 1, 1, 1, 1, 1, 1, 1]
        """
        zero = np.asarray(a) == 0
        if exponent < 0 and zero.any():
            msg = f"0 has no power {exponent} in GF(2^{self.m}); leave the zeros out."
            raise ZeroDivisionError(msg)
        powers = self.exp[self.log[a] * exponent % self.order]
        return np.where(zero & (exponent != 0), np.uint16(0), powers)

    def inverse(self, a: np.ndarray | int) -> np.ndarray:
        """The inverses 1/a.

        Raises:
            ZeroDivisionError: If an element is 0.

        Example:
            >>> Field(3).inverse(np.arange(1, 8)).tolist()
            [1, 5, 6, 7, 2, 3, 4]
        """
        return self.power(a, -1)

    def evaluate(self, coefficients: np.ndarray, points: np.ndarray | int) -> np.ndarray:
        """The values sum_i c_i x^i of polynomials, by Horner's rule.

        Args:
            coefficients: Elements, lowest degree first along the first axis.
            points: Elements that broadcast with the other axes.

        Example:
            >>> Field(4).evaluate(np.array([1, 1, 0, 0, 1]), np.array([1, 2])).tolist()
            [1, 0]
        """
        value = np.zeros((), np.uint16)
        for coefficient in np.asarray(coefficients, np.uint16)[::-1]:
            value = self.multiply(value, points) ^ coefficient
        return value
