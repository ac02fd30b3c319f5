"""Polynomials that have the places of a word's ones as their roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .gf2m import Field


def error_locators(field: Field, sums: np.ndarray) -> np.ndarray:
    """Berlekamp-Massey over all columns: L(x) = prod (1 - X x) over the elements X of each word.

    For power sums of a binary word every second discrepancy is zero, so t steps are enough
    (Berlekamp, Algebraic Coding Theory, 1968, chapter 7).

    Args:
        field: Where the power sums live.
        sums: S_1 ... S_2t of each word: uint16 (2t, B).

    Returns:
        Coefficients L_0 = 1, L_1, ..., L_t: uint16 (t + 1, B). Sums that no word of weight at
        most t has give polynomials without meaning.

    Example:
        >>> from shapiq_spex.coding.gf2m import Field
        >>> error_locators(Field(3), np.array([[5], [7]], dtype=np.uint16)).tolist()  # X = 5
        [[1], [5]]
    """
    t, size = len(sums) // 2, sums.shape[1]
    locator, older = np.zeros((2, t + 1, size), np.uint16)  # L(x) and x^shift B(x)
    locator[0] = older[1] = 1
    length, b = np.zeros(size, np.int64), np.ones(size, np.uint16)
    for r in range(t):
        degrees = np.arange(min(t, 2 * r) + 1)
        # d = sum_j L_j S_(2r+1-j)
        d = np.bitwise_xor.reduce(field.multiply(locator[degrees], sums[2 * r - degrees]), axis=0)
        longer = (d != 0) & (length <= r)
        correction = field.multiply(field.multiply(d, field.inverse(b)), older)
        older = _times_x_squared(np.where(longer, locator, older))
        locator = locator ^ correction
        length, b = np.where(longer, 2 * r + 1 - length, length), np.where(longer, d, b)
    return locator


def may_split(field: Field, locators: np.ndarray) -> np.ndarray:
    """Whether L(x), of full degree t, may be a product of t distinct factors 1 - X x: bool (B,).

    It is one only if x^t L(1/x) divides x^(2^m) - x, which m squarings decide; of random syndromes
    one in t! passes, and only those are worth a search for roots. Degrees below t are not judged.
    """
    t = len(locators) - 1
    if t < 2:
        return np.ones(locators.shape[1], bool)
    monic = locators[:0:-1]  # x^t L(1/x) without its leading 1, lowest degree first
    # x^t, x^(t+1), ..., x^(2t-2) modulo the polynomial, to reduce squares with.
    powers = [monic]
    for _ in range(t - 2):
        shifted = np.concatenate([np.zeros_like(monic[:1]), powers[-1][:-1]])
        powers.append(shifted ^ field.multiply(powers[-1][-1], monic))
    rest = np.zeros_like(monic)
    rest[1] = 1
    for _ in range(field.m):
        squares = field.power(rest, 2)
        rest = np.zeros_like(monic)
        rest[::2] = squares[: (t + 1) // 2]
        for degree in range((t + 1) // 2, t):
            rest ^= field.multiply(squares[degree], powers[2 * degree - t])
    rest[1] ^= 1
    return (locators[t] == 0) | ~rest.any(axis=0)


def _times_x_squared(polynomials: np.ndarray) -> np.ndarray:
    """x^2 f(x); what rises above degree t could only serve a locator that is too long anyway."""
    out = np.zeros_like(polynomials)
    out[2:] = polynomials[:-2]
    return out
