"""Windows and slices of any size, stride, dilation and padding mean the same in LiteRT."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fpc.backends.tflite.emitter import emit
from fpc.diagnostics.errors import VerifyError
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Layout, Op
from fpc.ir.types import QuantParams, TensorType
from fpc.measure.litert.model import LiteRtModel
from tests.backends.tflite.graphs import float_graph, quantised_graph, random_inputs, weights

NHWC = Layout.NHWC
CHANNELS = 4
COUNT = settings(max_examples=50, deadline=None, derandomize=True)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    side = st.integers(low, high)
    return st.tuples(side, side)


SIZES = pairs(4, 11)
KERNELS = pairs(1, 4)
STRIDES = pairs(1, 3)
DILATIONS = pairs(1, 2)
PADS = st.tuples(*[st.integers(0, 3)] * 4)


def build(op: Op, *operands: object) -> Graph:
    """A graph of `op`; windows that do not fit into the map are left out."""
    try:
        return float_graph(op, *operands)
    except VerifyError:
        assume(False)
        raise


def agrees(graph: Graph) -> None:
    inputs = random_inputs(graph)
    [expected] = run(graph, inputs)
    for kernels in ("default", "reference"):
        [result] = LiteRtModel(emit(graph), kernels=kernels)(inputs)
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@COUNT
@given(SIZES, KERNELS, STRIDES, DILATIONS, PADS, st.sampled_from([1, 2, CHANNELS]))
def test_convolutions(size, kernel, strides, dilations, pads, groups) -> None:
    op = ops.Conv2d(strides, pads, dilations, groups, layout=NHWC)
    rng = np.random.default_rng(0)
    filters = weights(rng, 8, *kernel, CHANNELS // groups)
    agrees(build(op, (1, *size, CHANNELS), filters, weights(rng, 8)))


@COUNT
@given(SIZES, KERNELS, STRIDES, DILATIONS, PADS, pairs(0, 2), st.sampled_from([1, 2]))
def test_transposed_convolutions(
    size, kernel, strides, dilations, pads, output_pads, groups
) -> None:
    assume(all(extra < stride for extra, stride in zip(output_pads, strides, strict=True)))
    op = ops.ConvTranspose2d(strides, pads, output_pads, dilations, groups, layout=NHWC)
    rng = np.random.default_rng(0)
    filters = weights(rng, 6, *kernel, CHANNELS // groups)
    agrees(build(op, (1, *size, CHANNELS), filters, weights(rng, 6)))


@COUNT
@given(SIZES, KERNELS, STRIDES, PADS)
def test_max_pools(size, kernel, strides, pads) -> None:
    assume(all(pad < side for pad, side in zip(pads, (*kernel, *kernel), strict=True)))
    agrees(build(ops.MaxPool(kernel, strides, pads, layout=NHWC), (1, *size, CHANNELS)))


@COUNT
@given(SIZES, KERNELS, STRIDES, PADS, st.booleans())
def test_average_pools(size, kernel, strides, pads, counting) -> None:
    assume(all(pad < side for pad, side in zip(pads, (*kernel, *kernel), strict=True)))
    op = ops.AvgPool(kernel, strides, pads, counting, NHWC)
    agrees(build(op, (1, *size, CHANNELS)))


@COUNT
@given(st.data())
def test_slices_with_steps(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    starts = [data.draw(st.integers(0, extent - 1)) for extent in shape]
    ends = [
        data.draw(st.integers(start + 1, extent))
        for start, extent in zip(starts, shape, strict=True)
    ]
    steps = [data.draw(st.integers(1, 4)) for _ in shape]
    agrees(float_graph(ops.Slice(tuple(starts), tuple(ends), tuple(steps)), tuple(shape)))


@COUNT
@given(SIZES, KERNELS, STRIDES, PADS, st.integers(-128, 127))
def test_int8_max_pools_pad_with_the_lowest_value(size, kernel, strides, pads, zero) -> None:
    assume(all(pad < side for pad, side in zip(pads, (*kernel, *kernel), strict=True)))
    op = ops.MaxPool(kernel, strides, pads, layout=NHWC)
    quant = QuantParams.per_tensor(0.1, zero)
    agrees(quantised_graph(op, [TensorType(DType.I8, (1, *size, CHANNELS), quant)], quant))
