"""Sums whose products fall on a tie only once they are rounded to float32.

A compiler that fuses the product into the addition after it rounds such sums the other way.
"""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.interp.integer.pooling import xnnpack_mean_factors
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import QuantParams, TensorType
from tests.backends.tflite.graphs import quantised_graph
from tests.backends.tvm.programs import assert_kernels_agree

ISAS = list({isa.name: isa for isa in (PLAIN, isa_of_this_machine())}.values())
ONE = QuantParams.per_tensor(1.0)


def ties() -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales whose product is a tie in float32 and is none exactly."""
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.001, 0.01, 1 << 20).astype(np.float32)
    wanted = rng.integers(-100, 100, scales.size) + 0.5
    integers = np.rint(wanted / scales)
    exact = integers * scales.astype(np.float64)
    found = (exact.astype(np.float32) == wanted) & (exact != wanted)
    return integers[found].astype(np.int32), scales[found]


def dense(activation: Activation, zero_point: int = 0) -> Graph:
    """Nothing but biases, requantised channel by channel."""
    biases, scales = ties()
    assert biases.size >= 20
    quant = QuantParams.per_axis(tuple(scales.tolist()), 0)
    weights = np.zeros((biases.size, 4), np.int8)
    x, result = TensorType(DType.I8, (1, 4), ONE), QuantParams.per_tensor(1.0, zero_point)
    return quantised_graph(ops.Dense(activation), [x, (weights, quant), (biases, quant)], result)


def mean() -> tuple[Graph, np.ndarray]:
    """A mean of two rows that a fused multiply-add rounds to another integer."""
    rng = np.random.default_rng(0)
    sums = np.arange(-256, 255)
    for _ in range(20000):
        source, target = (
            QuantParams.per_tensor(rng.uniform(0.01, 0.05), int(rng.integers(-128, 128)))
            for _ in range(2)
        )
        scale, addend = xnnpack_mean_factors(source, target, 2)
        apart = np.rint(sums.astype(np.float32) * scale + addend)
        fused = np.rint((sums * np.float64(scale) + np.float64(addend)).astype(np.float32))
        differing = (apart != fused) & (np.abs(apart) < 127)
        if differing.any():
            total = int(sums[differing][0])
            x = np.full((1, 2, 1, 16), total // 2, np.int8)
            x[0, 1] = total - total // 2
            kind = TensorType(DType.I8, x.shape, source)
            return quantised_graph(ops.ReduceMean((1, 2)), [kind], target), x
    raise AssertionError("no such mean found")


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_products_are_rounded_before_they_are_added(isa):
    layers = [dense(Activation.NONE), dense(Activation.RELU), dense(Activation.RELU, -128)]
    averaged, x = mean()
    inputs = [*([np.zeros((1, 4), np.int8)] for _ in layers), [x]]
    assert_kernels_agree([*layers, averaged], inputs, isa)
