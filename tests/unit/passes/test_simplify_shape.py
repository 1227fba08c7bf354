import pytest

from fpc.ir.dtype import DType
from fpc.ir.ops import Concat, Relu, Reshape, Slice, Split, Transpose
from fpc.ir.types import QuantParams, TensorType
from tests.unit.passes.case import Network, transform

PASS = "simplify-shape"


def test_golden(golden):
    net = Network(1, 4, 6, 6)
    y = net.add(Reshape((1, 4, 36)), net.x, name="reshape1")
    y = net.add(Reshape((1, 2, 2, 6, 6)), y, name="reshape2")
    y = net.add(Transpose((0, 1, 3, 2, 4)), y, name="transpose1")
    y = net.add(Transpose((0, 1, 2, 4, 3)), y, name="transpose2")
    pieces = net.add(Split(1, (1, 1)), y)
    a, b = (net.add(Relu(), piece) for piece in pieces)
    joined = net.add(Concat(1), net.add(Concat(1), a, b, name="inner"), a, name="outer")
    c = net.add(Slice((0, 1, 0, 0, 0), (1, 3, 6, 6, 2), (1, 1, 2, 1, 1)), joined, name="slice1")
    c = net.add(Slice((0, 0, 1, 1, 0), (1, 1, 3, 6, 2), (1, 1, 1, 2, 1)), c, name="slice2")
    assert transform(net.returns(c), PASS).text == golden


def test_a_transpose_of_extents_of_1_is_a_reshape():
    net = Network(1, 4, 1, 6)
    outcome = transform(net.returns(net.add(Transpose((2, 1, 0, 3)), net.x)), PASS)
    assert outcome.ops == ["reshape"]
    net = Network(1, 4, 1, 6)
    assert not transform(net.returns(net.add(Transpose((0, 3, 2, 1)), net.x)), PASS).modified


def test_joining_all_pieces_of_a_split():
    net = Network(1, 6)
    a, b, c = net.add(Split(1, (1, 2, 3)), net.add(Relu(), net.x))
    whole = net.add(Relu(), net.add(Concat(1), a, b, c))
    assert transform(net.returns(whole), PASS + ",dce").ops == ["relu", "relu"]
    swapped = net.add(Concat(1), b, a, c)
    assert not transform(net.returns(swapped), PASS).modified
    part = net.add(Concat(1), a, b)
    assert not transform(net.returns(part, c), PASS).modified


def test_joining_pieces_of_an_input_keeps_the_names():
    net = Network(1, 6)
    pieces = net.add(Split(1, (1, 2, 3)), net.x)
    outcome = transform(net.returns(net.add(Concat(1), *pieces)), PASS)
    assert not outcome.modified
    assert "are both names to keep" in outcome.declined[0]


def test_a_split_of_which_one_piece_is_read():
    net = Network(2, 6)
    _, piece, _ = net.add(Split(1, (1, 2, 3)), net.x)
    (node,) = transform(net.returns(piece), PASS).after.nodes
    assert node.op == Slice((0, 1), (2, 3), (1, 1))


def test_shared_concats_stay():
    net = Network(1, 4)
    inner = net.add(Concat(1), net.x, net.x)
    assert not transform(net.returns(net.add(Concat(1), inner, net.x), inner), PASS).modified
    other = net.add(Concat(0), net.x, net.x)
    assert not transform(net.returns(net.add(Concat(1), other, other)), PASS).modified


def test_shared_inner_values_are_kept_for_their_readers():
    net = Network(2, 6)
    inner = net.add(Transpose((1, 0)), net.x)
    outcome = transform(net.returns(net.add(Transpose((1, 0)), inner), inner), PASS)
    assert [node.op for node in outcome.after] == [Transpose((1, 0)), Reshape((2, 6))]
    assert all(node.input(0).name == "x" for node in outcome.after)


SLICES = [((1, 7, 2), (0, 2, 1)), ((0, 6, 3), (1, 2, 4)), ((2, 7, 1), (0, 0, 1))]


@pytest.mark.parametrize(("first", "second"), SLICES)
def test_slices_of_slices(first, second):
    net = Network(7)
    y = net.x
    for start, end, step in (first, second):
        y = net.add(Slice((start,), (end,), (step,)), y)
    assert len(transform(net.returns(y), PASS).after) == 1


def test_quantised_values():
    net = Network(1, 4)
    x = net.graph.add_input("q", TensorType(DType.I8, (2, 1, 3), QuantParams.per_tensor(0.5)))
    y = net.add(Reshape((3, 2)), net.add(Reshape((6,)), x))
    assert transform(net.returns(y), PASS).ops == ["reshape"]
