"""FBNet and FBNetV2's dmasking networks against the authors' tables."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir.ops import Conv2d, Reshape, Transpose
from fpc.zoo.builder import NetworkBuilder
from fpc.zoo.catalog import build
from tests.unit.zoo.counts import assert_forms_agree, mega_multiply_adds, mega_parameters


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("fbnet_a", 4.3, 244.5),
        ("fbnet_b", 4.8, 291.1),
        ("fbnet_96", 1.8, 12.9),
        ("dmasking_f1", 5.99297, 56.27495),
        ("dmasking_f4", 6.99169, 235.88279),
        ("dmasking_l2_hs", 8.49286, 419.06478),
        ("dmasking_l3", 9.39406, 753.163968),
    ],
)
def test_size_is_the_published_one(name: str, parameters: float, multiply_adds: float) -> None:
    # FBNet's parameters are published with one decimal, which is 0.05 of 1.8 to 4.8.
    assert mega_parameters(name) == pytest.approx(parameters, rel=0.01, abs=0.05)
    assert mega_multiply_adds(name) == pytest.approx(multiply_adds, rel=0.01)


def test_fbnet_c_is_the_published_size_with_its_parameters_cut_to_one_decimal() -> None:
    """5.59 M, which the table gives as 5.5."""
    assert int(10 * mega_parameters("fbnet_c")) == 55
    assert mega_multiply_adds("fbnet_c") == pytest.approx(378.2, rel=0.01)


def test_shuffle_takes_a_channel_of_each_group_in_turn() -> None:
    b = NetworkBuilder("shuffle")
    network = b.finish(b.shuffle(b.input(6, 1, 1), 2))
    image = np.arange(6, dtype=np.float32).reshape(1, 6, 1, 1)
    (shuffled,) = run(network, [image])
    assert shuffled.ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_grouped_block_groups_its_last_convolution_and_shuffles_before_the_depthwise() -> None:
    network = build("fbnet_a")
    shuffles = list(network.nodes_of(Transpose))
    assert len(shuffles) == 3
    for shuffle in shuffles:
        (merge,) = shuffle.output.users
        assert isinstance(merge.op, Reshape)
        (depthwise,) = merge.output.users
        (last,) = depthwise.output.users
        assert isinstance(last.op, Conv2d)
        assert last.op.groups == 2


@pytest.mark.parametrize("name", ["fbnet_a", "fbnet_96", "dmasking_f1", "dmasking_l3"])
def test_forms_agree(name: str) -> None:
    assert_forms_agree(build(name, resolution=64), build(name, resolution=64, seed=0))
