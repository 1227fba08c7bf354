"""Fixed-point primitives against gemmlowp's definitions in Python's unbounded integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpc.interp.integer.fixed_point import (
    QuantizedMultiplier,
    bit_length,
    multiply_wide,
    multiply_with_two_roundings,
    one_over_one_plus_x,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturating_left_shift,
    saturating_rounding_doubling_high_mul,
)

int32s = st.integers(-(2**31) + 1, 2**31 - 1)
factors = st.floats(2.0**-30, 2.0**8)


def array(value):
    return np.array([value], np.int64)


@given(int32s, int32s)
def test_high_mul_truncates_a_nudged_product(a, b):
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    total = product + nudge
    expected = abs(total) // 2**31 * (1 if total >= 0 else -1)
    assert saturating_rounding_doubling_high_mul(array(a), b)[0] == expected


@given(int32s, st.integers(0, 31))
def test_division_by_a_power_of_two_rounds_halves_away(x, exponent):
    exact = Fraction(x, 2**exponent)
    expected = math.floor(abs(exact) + Fraction(1, 2)) * (1 if x >= 0 else -1)
    assert rounding_divide_by_pot(array(x), exponent)[0] == expected


def test_division_by_a_power_a_channel():
    x = np.array([[5, 5, 5], [-5, -5, -5]], np.int64)
    assert rounding_divide_by_pot(x, np.array([0, 1, 3])).tolist() == [[5, 3, 1], [-5, -3, -1]]


@given(factors)
def test_multiplier_is_the_nearest_with_31_bits(factor):
    multiplier = quantize_multiplier(factor)
    significand, exponent = int(multiplier.significand), int(multiplier.exponent)
    assert 2**30 <= significand < 2**31
    error = Fraction(significand) * Fraction(2) ** (exponent - 31) - Fraction(factor)
    assert abs(error) <= Fraction(2) ** (exponent - 32)


@pytest.mark.parametrize(
    ("factor", "significand", "exponent"),
    [
        (0.0, 0, 0),
        (2.0**-40, 0, 0),
        (1.0, 2**30, 1),
        (0.5, 2**30, 0),
        (math.nextafter(1.0, 0.0), 2**30, 1),
        (-0.25, -(2**30), -1),
    ],
)
def test_multipliers(factor, significand, exponent):
    multiplier = quantize_multiplier(factor)
    assert (int(multiplier.significand), int(multiplier.exponent)) == (significand, exponent)


@given(st.integers(-(2**22), 2**22), factors)
def test_products_are_within_one_and_a_half_steps_of_the_real_one(x, factor):
    real = x * factor
    if abs(real) < 2**31:
        product = multiply_with_two_roundings(array(x), quantize_multiplier(factor))[0]
        assert abs(product - real) <= 1.0 + abs(real) * 2.0**-30


@given(st.integers(-(2**40), 2**40), st.floats(2.0**-20, 1.0))
def test_wide_products_keep_16_bits_of_the_factor(x, factor):
    product = multiply_wide(array(x), quantize_multiplier(factor))[0]
    assert abs(product - x * factor) <= 0.5 + abs(x * factor) * 2.0**-15


def test_wide_products_cap_the_factor():
    nearly_two = QuantizedMultiplier(array(2**31 - 1), array(1))
    assert multiply_wide(array(1 << 14), nearly_two)[0] == 0x7FFF


@given(st.integers(0, 2**31 - 1))
def test_reciprocal(x):
    expected = 1 / (1 + x / 2**31)
    assert abs(one_over_one_plus_x(array(x))[0] / 2**31 - expected) < 1e-8


@given(st.integers(0, 2**53 - 1))
def test_bit_length(x):
    assert bit_length(array(x))[0] == x.bit_length()


def test_rounding_and_saturation():
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994])
    assert round_half_away(halves).tolist() == [-3, -2, -1, 1, 2, 3, 0]
    shifted = saturating_left_shift(np.array([-5, 3, 2**14], np.int64), 2, 16)
    assert shifted.tolist() == [-20, 12, 32767]
