"""GF(2^m) against multiplication by shifting, and the axioms of a field."""

from __future__ import annotations

import numpy as np
import pytest

from shapiq_spex.coding.gf2m import PRIMITIVE_POLYNOMIALS, Field

DEGREES = sorted(PRIMITIVE_POLYNOMIALS)
SMALL = [2, 3, 4]


def slow_product(a, b, m):
    """Multiply the polynomials with the bits of a and b, and divide by the primitive one."""
    polynomial = sum(1 << e for e in PRIMITIVE_POLYNOMIALS[m])
    product = 0
    for i in range(m):
        product ^= (a << i) * (b >> i & 1)
    for i in reversed(range(m, 2 * m)):
        product ^= (polynomial << (i - m)) * (product >> i & 1)
    return product


def slow_power(a, exponent, m):
    result = 1
    for bit in bin(exponent)[2:]:
        result = slow_product(result, result, m)
        if bit == "1":
            result = slow_product(result, a, m)
    return result


def prime_factors(number):
    return {q for q in range(2, number + 1) if number % q == 0 and all(q % d for d in range(2, q))}


def sample(m, count, seed=0):
    """Elements with a zero and a one among them."""
    drawn = np.random.default_rng([m, seed]).integers(0, 2**m, count)
    return np.concatenate([[0, 1], drawn]).astype(np.uint16)


@pytest.mark.parametrize("m", DEGREES)
def test_every_polynomial_of_the_table_is_primitive(m):
    exponents = PRIMITIVE_POLYNOMIALS[m]
    assert (exponents[0], exponents[-1]) == (m, 0)
    order = 2**m - 1  # x has this order modulo the polynomial, and no proper divisor of it
    assert slow_power(2, order, m) == 1
    assert all(slow_power(2, order // q, m) != 1 for q in prime_factors(order))


def test_a_polynomial_that_is_not_primitive_is_caught(monkeypatch):
    monkeypatch.setitem(PRIMITIVE_POLYNOMIALS, 4, (4, 3, 2, 1, 0))  # irreducible, x^5 = 1
    assert slow_power(2, 5, 4) == 1


@pytest.mark.parametrize("m", DEGREES)
def test_powers_of_alpha_are_all_nonzero_elements(m):
    field = Field(m)
    assert sorted(field.exp.tolist()) == list(range(1, 2**m))
    assert field.log[field.exp].tolist() == list(range(field.order))
    following = [slow_product(int(a), 2, m) for a in field.exp[:50]]
    assert field.exp[1:51].tolist() == following[: field.order - 1]


@pytest.mark.parametrize("m", SMALL)
def test_products_of_all_pairs(m):
    elements = np.arange(2**m)
    expected = [[slow_product(a, b, m) for b in range(2**m)] for a in range(2**m)]
    assert Field(m).multiply(elements[:, None], elements).tolist() == expected


@pytest.mark.parametrize("m", DEGREES)
def test_products_of_sampled_pairs(m):
    a, b = sample(m, 200), sample(m, 200, seed=1)
    found = Field(m).multiply(a, b)
    assert found.dtype == np.uint16
    assert found.tolist() == [slow_product(int(x), int(y), m) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("m", DEGREES)
def test_axioms(m):
    """On all elements of small fields, on some of the others."""
    every = np.meshgrid(*3 * [np.arange(2**m)]) if m in SMALL else None
    a, b, c = every or (sample(m, 2000, seed) for seed in range(3))
    field = Field(m)
    times = field.multiply
    np.testing.assert_array_equal(times(a, b), times(b, a))
    np.testing.assert_array_equal(times(times(a, b), c), times(a, times(b, c)))
    np.testing.assert_array_equal(times(a, b ^ c), times(a, b) ^ times(a, c))
    np.testing.assert_array_equal(times(a, 1), a)
    np.testing.assert_array_equal(times(a, 0), 0 * a)
    nonzero = a[a != 0]
    np.testing.assert_array_equal(times(nonzero, field.inverse(nonzero)), np.ones_like(nonzero))


@pytest.mark.parametrize("exponent", [0, 1, 2, 5, 16, 40, -1, -3])
def test_power_is_repeated_multiplication(exponent):
    field, a = Field(4), np.arange(1, 16)
    base = field.inverse(a) if exponent < 0 else a
    expected = np.ones_like(a)
    for _ in range(abs(exponent)):
        expected = field.multiply(expected, base)
    np.testing.assert_array_equal(field.power(a, exponent), expected)


def test_powers_of_zero():
    assert Field(16).power(np.array([0, 0]), 3).tolist() == [0, 0]
    assert Field(16).power(np.array([0]), 0).tolist() == [1]
    with pytest.raises(ZeroDivisionError, match="0 has no power -1 in GF"):
        Field(5).inverse(np.array([3, 0]))


def test_polynomials_are_summed_term_by_term():
    field, rng = Field(9), np.random.default_rng(5)
    coefficients, points = rng.integers(0, 512, (7, 1, 4)), rng.integers(0, 512, (3, 1))
    expected = np.zeros((3, 4), np.int64)
    for i, c in enumerate(coefficients):
        expected ^= field.multiply(c, field.power(points, i))
    np.testing.assert_array_equal(field.evaluate(coefficients, points), expected)


def test_a_field_is_a_value():
    assert Field(7) == Field(7) != Field(8)
    assert np.shares_memory(Field(7).log, Field(7).log)  # tables are made once
    with pytest.raises(AttributeError):
        Field(7).m = 8
    with pytest.raises(ValueError, match="read-only"):
        Field(7).exp[0] = 5


@pytest.mark.parametrize("m", [1, 17, -2])
def test_unknown_degrees_are_refused(m):
    with pytest.raises(ValueError, match=f"m from 2 to 16, got m={m}"):
        Field(m)
