"""Medians and their intervals, against scipy's binomial and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from fpc.measure.median import (
    SMALLEST_SAMPLE,
    is_disturbed,
    median,
    median_interval,
    relative_half_width,
)


@pytest.mark.parametrize("count", [6, 7, 8, 9, 20, 25, 100, 1001, 20000])
def test_ends_are_the_tightest_ranks_that_the_binomial_allows(count):
    low, high = median_interval(range(1, count + 1))
    assert low + high == count + 1
    assert 2 * binom.cdf(low - 1, count, 0.5) <= 0.05
    assert 2 * binom.cdf(low, count, 0.5) > 0.05


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    """Log-normal runs, whose median is 1; 2000 samples put the share within 1.5 %."""
    generator = np.random.default_rng(5)
    samples = np.exp(generator.standard_normal((2000, 40)))
    covered = [low <= 1.0 <= high for low, high in map(median_interval, samples)]
    assert 0.935 <= np.mean(covered) <= 0.985


def test_runs_that_waited_for_a_neighbour():
    """Those of a network of 3.2 ms alone, and beside a process that computes all the time."""
    assert not is_disturbed([3.23, 3.09, 3.14, 3.22, 3.32, 4.8])
    assert is_disturbed([7.18, 2.96, 3.17, 3.32, 7.46, 7.29, 7.3])


def test_small_samples_give_their_range():
    assert median_interval([3.0]) == (3.0, 3.0)
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert 2 * 0.5**SMALLEST_SAMPLE <= 0.05 < 2 * 0.5 ** (SMALLEST_SAMPLE - 1)


def test_half_width_is_relative():
    assert relative_half_width([1.0] * 10) == 0.0
    assert relative_half_width([0.0] * 10) == float("inf")
    runs = np.linspace(90, 110, 21).tolist()
    assert median(runs) == pytest.approx(100.0)
    assert relative_half_width(runs) == pytest.approx(relative_half_width([r * 7 for r in runs]))
