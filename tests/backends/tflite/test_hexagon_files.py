"""Target `dsp`: what it says of an operator is what the Hexagon delegate does with the file."""

import numpy as np
import pytest

from fpc.backends.tflite.reader import read
from fpc.driver.compile import compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.phases.describe import place
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.targets import catalog
from tests.backends.tflite.hexagon_delegate import refusals
from tests.cli.digits import CALIBRATION, MODEL

BILINEAR = ops.Interpolation.BILINEAR
ALIGNED = ops.Coordinates.ALIGN_CORNERS
BATCH_OF_ROWS = (1, 6, 16)

CASES = {
    "pointwise": (ops.Conv2d(), (24, 16, 1, 1)),
    "grouped": (ops.Conv2d(groups=4), (24, 4, 1, 1)),
    "stride 3": (ops.Conv2d(strides=(3, 3)), (8, 16, 3, 3)),
    "stride 4": (ops.Conv2d(strides=(4, 4)), (8, 16, 4, 4)),
    "dilated": (ops.Conv2d(dilations=(2, 2)), (8, 16, 3, 3)),
    "depthwise": (ops.Conv2d(groups=16, activation=Activation.RELU6), (16, 1, 3, 3)),
    "depthwise 7 x 7": (ops.Conv2d(groups=16, pads=(3, 3, 3, 3)), (16, 1, 7, 7)),
    "depthwise row": (ops.Conv2d(groups=16), (16, 1, 1, 3)),
    "depthwise dilated": (ops.Conv2d(groups=16, dilations=(2, 2)), (16, 1, 3, 3)),
    "depthwise dilated stride 2": (
        ops.Conv2d(groups=16, dilations=(2, 2), strides=(2, 2)),
        (16, 1, 3, 3),
    ),
    "two filters a channel": (ops.Conv2d(groups=16), (32, 1, 3, 3)),
    "transposed": (ops.ConvTranspose2d(strides=(2, 2)), (8, 16, 2, 2)),
    "average pool": (ops.AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), None),
    "max pool": (ops.MaxPool((2, 2), (2, 2)), None),
    "max pool, padded": (ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), None),
    "max pool, SAME": (ops.MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), None),
    "global average pool": (ops.GlobalAvgPool(), None),
    "hard-swish": (ops.HardSwish(), None),
    "sigmoid": (ops.Sigmoid(), None),
    "tanh": (ops.Tanh(), None),
    "leaky ReLU": (ops.LeakyRelu(0.1), None),
    "GELU": (ops.Gelu(), None),
    "softmax": (ops.Softmax(1), None),
    "bilinear to 28": (ops.Resize((28, 28), BILINEAR, ops.Coordinates.ASYMMETRIC), None),
    "bilinear to 70": (ops.Resize((70, 70), BILINEAR, ALIGNED), None),
    "bilinear, half pixels": (ops.Resize((28, 28), BILINEAR), None),
    "nearest by 2": (ops.Resize((28, 28), coordinates=ops.Coordinates.ASYMMETRIC), None),
    "nearest by 2, shifted": (ops.Resize((28, 28)), None),
    "nearest by 3, corners": (
        ops.Resize((42, 42), coordinates=ALIGNED, rounding=ops.NearestRounding.HALF_UP),
        None,
    ),
    "nearest between pixels": (ops.Resize((20, 20)), None),
    "zero padding": (ops.Pad((0, 0, 1, 1), (0, 0, 1, 1)), None),
    "padding with ones": (ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), value=1.0), None),
    "mirrored padding": (ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), mode=ops.PadMode.REFLECT), None),
    "slice": (ops.Slice((0, 2, 0, 0), (1, 8, 14, 14), (1, 1, 1, 1)), None),
    "transposed axes": (ops.Transpose((0, 2, 3, 1)), None),
    "five dimensions": (ops.Reshape((1, 4, 4, 14, 14)), None),
}


def network(op, weight):
    """A 1 x 1 convolution and the operator after it."""
    rng = np.random.default_rng(0)
    graph = Graph()

    def weights(*shape):
        return graph.constant((rng.normal(size=shape) / np.prod(shape[1:]) ** 0.5).astype("f4"))

    stem = graph.add(ops.Conv2d(), graph.add_input("x", f32(1, 3, 14, 14)), weights(16, 3, 1, 1))
    operands = [stem.output] if weight is None else [stem.output, weights(*weight)]
    node = graph.add(op, *operands)
    graph.set_outputs([node.output])
    return graph, node


def written(model, **options):
    asked = CompileOptions(
        target="dsp", precision=Precision.INT8, recipe="min-max", allow_degraded=True, **options
    )
    compiled = compile_model(model, asked)
    return compiled, read(compiled.model).main


@pytest.mark.parametrize("case", CASES)
def test_placement_is_what_the_delegate_takes(case):
    graph, node = network(*CASES[case])
    target = catalog.load("dsp")
    compiled, file = written(graph)
    said = [part for part in place(compiled.float_graph, target).nodes if not part.is_fast]
    assert bool(said) == bool(refusals(file)), (said, refusals(file))
    assert compiled.report.verification.exact
    assert node.op.mnemonic in target.quantisation.integer_ops


@pytest.mark.parametrize("shape", [(6, 16), BATCH_OF_ROWS])
def test_dense_layers_have_one_scale_and_no_extra_axes(shape):
    graph = Graph()
    rng = np.random.default_rng(0)
    w = graph.constant(rng.normal(size=(5, 16)).astype("f4"))
    graph.set_outputs([graph.add(ops.Dense(), graph.add_input("x", f32(*shape)), w).output])
    compiled, file = written(graph)
    (layer,) = [operator for operator in file.operators if operator.code == "FULLY_CONNECTED"]
    weights = file.operands(layer)[1]
    assert weights is not None
    assert weights.quant is not None
    assert weights.quant.axis is None
    (said,) = compiled.report.placement.nodes
    assert said.is_fast == (not refusals(file)) == (len(shape) == 2)


def test_the_delegate_takes_the_digits_network_whole():
    compiled, file = written(MODEL, calibration=CALIBRATION, calibration_limit=20)
    assert refusals(file) == []
    assert all(node.is_fast for node in compiled.report.placement.nodes)
    assert "HARD_SWISH" in {operator.code for operator in file.operators}
    assert compiled.report.verification.exact
