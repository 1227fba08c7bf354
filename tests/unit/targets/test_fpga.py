"""Target `fpga`: what the array takes and what falls back to the CPU, by the numbers of its ISA."""

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.targets import catalog


def node(op, *shapes, weight=None):
    graph = Graph()
    shapes = shapes or ((1, 32, 16, 16),)
    operands = [graph.add_input(f"x{i}", f32(*shape)) for i, shape in enumerate(shapes)]
    if weight is not None:
        operands.append(graph.constant(np.ones(weight, np.float32)))
    return graph.add(op, *operands)


def placement(*args, **options):
    return catalog.load("fpga").place(node(*args, **options))


@pytest.mark.parametrize(
    ("op", "weight", "fast"),
    [
        (ops.Conv2d(activation=Activation.RELU6), (64, 32, 3, 3), True),
        (ops.Conv2d(activation=Activation.RELU_N1_TO_1), (64, 32, 3, 3), False),
        (ops.Conv2d(), (8, 32, 16, 16), True),
        (ops.Conv2d(pads=(1, 1, 1, 1)), (8, 32, 17, 1), False),
        (ops.Conv2d(strides=(8, 8)), (8, 32, 1, 1), True),
        (ops.Conv2d(strides=(9, 9)), (8, 32, 1, 1), False),
        (ops.Conv2d(), (4096, 32, 1, 1), True),
        (ops.Conv2d(), (4097, 32, 1, 1), False),
        (ops.Conv2d(groups=4), (64, 8, 1, 1), False),
        (ops.Conv2d(pads=(15, 15, 15, 15), groups=32), (32, 1, 31, 31), True),
        (ops.Conv2d(pads=(16, 16, 16, 16), groups=32), (32, 1, 33, 33), False),
    ],
)
def test_convolutions(op, weight, fast):
    assert placement(op, weight=weight).is_fast == fast


def test_weights_must_fit_the_bank():
    fits = placement(ops.Conv2d(), (1, 4096, 8, 8), weight=(16, 4096, 1, 8))
    too_many = placement(ops.Conv2d(), (1, 4096, 8, 8), weight=(16, 4096, 3, 3))
    assert fits.is_fast
    assert too_many.violation is not None
    assert too_many.violation.found == "9 taps of 4096 channels take 2304"
    assert placement(ops.Dense(), (1, 32768), weight=(10, 32768)).is_fast
    assert not placement(ops.Dense(), (1, 32769), weight=(10, 32769)).is_fast


@pytest.mark.parametrize(
    ("op", "fast"),
    [
        (ops.AvgPool((7, 7)), True),
        (ops.MaxPool((2, 2), (2, 2)), True),
        (ops.GlobalAvgPool(), True),
        (ops.ReduceMean((2, 3)), True),
        (ops.ReduceMean((1,)), False),
        (ops.LeakyRelu(0.1), True),
        (ops.LeakyRelu(0.01), False),
        (ops.HardSwish(), True),
        (ops.Slice((0, 0, 0, 0), (1, 8, 16, 16), (1, 1, 1, 1)), False),
    ],
)
def test_pools_and_activations(op, fast):
    assert placement(op).is_fast == fast


@pytest.mark.parametrize("op", [ops.Sigmoid(), ops.HardSigmoid(), ops.Softmax(1), ops.Gelu()])
def test_these_are_computed_in_float_on_the_cpu(op):
    found = placement(op)
    assert found.unit == "cpu"
    assert not found.is_integer
    assert found.effect == "leaves"


def test_maps_of_one_shape_are_added_and_channel_scales_are_not_multiplied():
    both, scales = (1, 32, 16, 16), (1, 32, 1, 1)
    assert placement(ops.Add(Activation.RELU), both, both).is_fast
    assert not placement(ops.Add(Activation.RELU6), both, both).is_fast
    assert placement(ops.Mul(), both, both).is_fast
    excited = placement(ops.Mul(), both, scales)
    assert excited.unit == "cpu"
    assert "squeeze-and-excitation" in (excited.reason or "")
    assert not placement(ops.Mul(), both, weight=both).is_fast
