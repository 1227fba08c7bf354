"""ResNet and SqueezeNet against the published tables."""

from __future__ import annotations

import pytest

from fpc.ir.ops import MaxPool
from fpc.zoo.catalog import build
from tests.unit.zoo.counts import assert_forms_agree, mega_multiply_adds, mega_parameters


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("resnet18", 11.69, 1814),
        ("resnet50", 25.56, 4089),
        ("squeezenet_1_0", 1.248, 819),
        ("squeezenet_1_1", 1.235, 349),
    ],
)
def test_size_is_the_published_one(name: str, parameters: float, multiply_adds: float) -> None:
    assert mega_parameters(name) == pytest.approx(parameters, rel=0.001)
    assert mega_multiply_adds(name) == pytest.approx(multiply_adds, rel=0.001)


@pytest.mark.parametrize(
    ("name", "resolution", "maps"),
    [
        ("squeezenet_1_1", 224, [55, 27, 13]),
        ("squeezenet_1_1", 227, [56, 28, 14]),
        ("squeezenet_1_0", 224, [54, 27, 13]),
    ],
)
def test_poolings_of_squeezenet_round_up(name: str, resolution: int, maps: list[int]) -> None:
    """The extents that Caffe gives: ceil((extent - 3) / 2) + 1."""
    pools = build(name, resolution=resolution).nodes_of(MaxPool)
    assert [pool.output.type.shape[2] for pool in pools] == maps


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "squeezenet_1_0", "squeezenet_1_1"])
def test_forms_agree(name: str) -> None:
    assert_forms_agree(build(name, resolution=64), build(name, resolution=64, seed=0))
