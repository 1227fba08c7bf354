import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir.dtype import DType
from fpc.ir.ops import Add, Cast, Dequantize, Quantize, Relu, Reshape
from fpc.ir.types import QuantParams, TensorType
from tests.unit.passes.case import Network, transform

PASS = "set-io"
X, Y = QuantParams.per_tensor(0.5, -28), QuantParams.per_tensor(0.25, 10)


def integer(net, dtype=DType.I8):
    zero = {DType.I8: -28, DType.U8: 100, DType.I16: 0}[dtype]
    params = QuantParams.per_tensor(0.5, zero)
    q = net.graph.add_input("q", TensorType(dtype, (1, 4), params))
    out = QuantParams.per_tensor(0.25, 0 if dtype is DType.I16 else 10)
    return net.returns(net.add(Add(), q, q, quant=out, name="y"))


def convert(graph, options):
    return transform(graph, f"{PASS}{{{options}}}", same_function=False, same_types=False)


INTEGERS = np.array([[-128, -1, 0, 127]], np.int8)


def test_golden(golden):
    outcome = convert(integer(Network(1, 3)), "inputs=uint8, outputs=float32")
    assert outcome.text == golden


@pytest.mark.parametrize("io_type", ["keep", "int8"])
def test_what_is_there_stays(io_type):
    graph = integer(Network(1, 3))
    graph.remove_input(graph.inputs[0])
    assert not convert(graph, f"inputs={io_type}, outputs={io_type}").modified


def test_bytes_are_the_same_numbers():
    graph = integer(Network(1, 3))
    graph.remove_input(graph.inputs[0])
    outcome = convert(graph, "inputs=uint8, outputs=uint8")
    (expected,) = run(graph, [INTEGERS])
    (got,) = run(outcome.after, [(INTEGERS.astype(np.int16) + 128).astype(np.uint8)])
    np.testing.assert_array_equal(got.astype(np.int16) - 128, expected)
    back = convert(outcome.after, "inputs=int8, outputs=int8").after
    np.testing.assert_array_equal(run(back, [INTEGERS])[0], expected)


def test_floats_are_what_integers_stand_for():
    graph = integer(Network(1, 3))
    graph.remove_input(graph.inputs[0])
    outcome = convert(graph, "inputs=float32, outputs=float32")
    (expected,) = run(graph, [INTEGERS])
    (got,) = run(outcome.after, [(INTEGERS.astype(np.float32) + 28) * np.float32(0.5)])
    np.testing.assert_array_equal(got, (expected.astype(np.float32) - 10) * np.float32(0.25))


def test_dequantised_outputs_become_integers():
    for wanted, ops in (("int8", ["add"]), ("uint8", ["add", "requantize"])):
        net = Network(1, 4)
        q = net.graph.add_input("q", TensorType(DType.I8, (1, 4), X))
        y = net.add(Dequantize(), net.add(Add(), q, q, quant=Y), name="real")
        outcome = convert(net.returns(y), f"outputs={wanted}")
        assert outcome.ops == ops
        assert outcome.after.outputs[0].name == "real"


def test_inputs_that_the_graph_quantises_become_integers():
    for wanted, ops in (("int8", ["relu"]), ("uint8", ["requantize", "relu"])):
        net = Network(1, 4)
        y = net.add(Relu(), net.add(Quantize(DType.I8), net.x, quant=X), quant=X)
        outcome = convert(net.returns(y), f"inputs={wanted}")
        assert outcome.ops == ops
        assert outcome.after.inputs[0].name == "x"


@pytest.mark.parametrize("reader", ["float", "other", "output", "wide"])
def test_inputs_that_are_read_in_other_ways_stay(reader):
    net = Network(1, 4)
    dtype = DType.I16 if reader == "wide" else DType.I8
    integers = net.add(Quantize(dtype), net.x, quant=QuantParams.per_tensor(0.5))
    returned = [integers if reader == "output" else net.add(Reshape((4,)), integers)]
    if reader == "float":
        returned.append(net.add(Relu(), net.x))
    if reader == "other":
        finer = net.add(Quantize(DType.I8), net.x, quant=QuantParams.per_tensor(0.25))
        returned.append(net.add(Reshape((4,)), finer))
    outcome = convert(net.returns(*returned), "inputs=int8")
    assert not outcome.modified
    assert "input %x is f32" in outcome.declined[0]


def test_integers_with_a_name_of_their_own_stay():
    net = Network(1, 4)
    q = net.graph.add_input("q", TensorType(DType.I8, (1, 4), X))
    y = net.add(Add(), q, q, quant=Y, name="integers")
    graph = net.returns(y, net.add(Dequantize(), y, name="reals"))
    outcome = convert(graph, "outputs=int8")
    assert not outcome.modified
    assert "output %reals is f32" in outcome.declined[0]


def test_unknown_scales_are_declined():
    net = Network(1, 4)
    outcome = convert(net.returns(net.add(Relu(), net.x, name="y")), "inputs=int8, outputs=uint8")
    assert not outcome.modified
    assert len(outcome.declined) == 2
    assert "input %x is f32; how to express it in i8 is not known" in outcome.declined[0]
    narrow = convert(integer(Network(1, 3), DType.I16), "inputs=int8, outputs=uint8")
    assert not narrow.modified
    assert len(narrow.declined) == 3


def test_indices_stay():
    net = Network(1, 4)
    indices = net.graph.add_input("i", TensorType(DType.I64, (1, 4)))
    graph = net.returns(net.add(Reshape((4,)), indices), net.add(Cast(DType.I32), indices))
    graph.remove_input(graph.inputs[0])
    assert not convert(graph, "inputs=float32, outputs=float32").modified


def test_an_input_read_by_several():
    net = Network(1, 4)
    q = net.graph.add_input("q", TensorType(DType.I8, (1, 4), X))
    y = net.add(Add(), q, net.add(Add(), q, q, quant=Y), quant=Y)
    graph = net.returns(y)
    graph.remove_input(graph.inputs[0])
    outcome = convert(graph, "inputs=float32")
    assert outcome.ops == ["quantize", "add", "add"]
    assert outcome.after.nodes[0].op == Quantize(DType.I8)
