"""Features of XNNPACK's kernels: whole tiles, counted by hand."""

from __future__ import annotations

import pytest

from fpc.costmodel.families import FAMILIES, candidates, family
from fpc.costmodel.kernels import KernelKind, Work
from fpc.costmodel.xnnpack_features import AMX, AVX512


def work(kind, channels, extent, kernel=1, groups=1, inputs=None, stride=1):
    inputs = channels if inputs is None else inputs
    before = extent * stride
    return Work(
        kind,
        inputs * before * before,
        channels * extent * extent,
        inputs,
        channels,
        groups,
        (kernel, kernel),
        (stride, stride),
        (before, before),
        (extent, extent),
    )


def test_a_product_of_matrices_fills_whole_tiles():
    one = work(KernelKind.CONVOLUTION, 65, 7, inputs=3, kernel=3)
    found = AMX.amounts(one)
    # 49 pixels are 4 tiles of 16, 65 channels 2 of 64; each of 9 taps is 64 deep.
    assert found["sums"] == 64 * 128
    assert found["products"] == 64 * 128 * 9 * 64
    assert found["calls"] == 4
    assert found["weights"] == 65 * 27
    small = AVX512.amounts(one)
    assert small["products"] == 49 * 80 * 9 * 8


def test_every_group_fills_its_own_tiles():
    found = AMX.amounts(work(KernelKind.CONVOLUTION, 64, 4, groups=2))
    assert found["sums"] == 16 * 2 * 64
    assert found["calls"] == 2


@pytest.mark.parametrize(("kernel", "taps"), [(1, 9), (3, 9), (4, 25), (5, 25)])
def test_depthwise_kernels_have_9_or_25_taps(kernel, taps):
    found = AMX.amounts(work(KernelKind.DEPTHWISE, 20, 4, kernel, groups=20))
    assert found["depthwise_outputs"] == 16 * 32
    assert found["depthwise_taps"] == 16 * 32 * taps


def test_a_large_depthwise_filter_is_a_convolution_with_groups():
    found = AMX.amounts(work(KernelKind.DEPTHWISE, 20, 4, 7, groups=20))
    assert found["products"] == 16 * 20 * 64 * 49 * 64
    assert "depthwise_taps" not in found


def test_families_are_found_by_name_or_tried_in_turn():
    assert candidates("dpu") == (family("dpu"),)
    tried = candidates("auto")
    assert AMX in tried
    assert family("dpu") not in tried
    assert all(FAMILIES[one.name] is one for one in tried)
