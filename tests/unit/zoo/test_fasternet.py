"""FasterNet against the published tables, and against itself in its two forms."""

from __future__ import annotations

import pytest

from fpc.ir.ops import Concat, Conv2d, Split
from fpc.zoo.catalog import build
from tests.unit.zoo.counts import assert_forms_agree, mega_multiply_adds, mega_parameters


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("fasternet_t1", 7.6, 850),
        ("fasternet_t2", 15.0, 1910),
        ("fasternet_s", 31.1, 4560),
    ],
)
def test_size_is_the_published_one(name: str, parameters: float, multiply_adds: float) -> None:
    assert mega_parameters(name) == pytest.approx(parameters, rel=0.01)
    assert mega_multiply_adds(name) == pytest.approx(multiply_adds, rel=0.01)


def test_t0_is_the_published_size_to_the_two_digits_given() -> None:
    """0.34 G stands for anything from 335 to 345 M."""
    assert mega_parameters("fasternet_t0") == pytest.approx(3.9, rel=0.01)
    assert round(mega_multiply_adds("fasternet_t0") / 1e3, 2) == 0.34


def test_partial_convolution_leaves_three_quarters_of_the_channels_alone() -> None:
    network = build("fasternet_t0")
    split = next(network.nodes_of(Split))
    mixed, untouched = split.outputs
    assert (mixed.type.shape[1], untouched.type.shape[1]) == (10, 30)
    (convolution,) = mixed.users
    assert isinstance(convolution.op, Conv2d)
    (concat,) = untouched.users
    assert isinstance(concat.op, Concat)
    assert concat.operands == (convolution.output, untouched)


def test_forms_agree() -> None:
    assert_forms_agree(build("fasternet_t0"), build("fasternet_t0", seed=0))
