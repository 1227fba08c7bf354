"""Reading text: what is taken, and the diagnostic for everything that is not."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.diagnostics.errors import FpcError, ParseError
from fpc.diagnostics.render import render
from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.ops import ALL_OPS, Conv2d, Resize
from fpc.ir.parser import parse_graph
from fpc.ir.printer import graph_constants, print_graph
from fpc.ir.types import QuantParams, TensorType, f32

BLOCK = """
graph @block(%x: f32[1,2,6,6], %q: i8[1,4] q(0.5, -128)) {
  %w = const rand(seed=1) : f32[4,2,3,3]
  %c = conv2d(%x, %w, _) {pads=[1,1,1,1], activation=relu6} : f32[1,4,6,6]
  %low, %high = split(%c) {axis=1, sizes=[2,2]} : f32[1,2,6,6], f32[1,2,6,6]
  %u = resize(%low) {size=[12,12], coordinates=asymmetric} : f32[1,2,12,12]
  return %u, %high, %q
}
"""


def test_a_graph_is_what_its_text_says():
    graph = parse_graph(BLOCK)
    assert graph.name == "block"
    assert [value.name for value in graph.inputs] == ["x", "q"]
    assert graph.inputs[1].type == TensorType(DType.I8, (1, 4), QuantParams.per_tensor(0.5, -128))
    conv, split, resize = graph.nodes
    assert conv.op == Conv2d(pads=(1, 1, 1, 1), activation=Activation.RELU6)
    assert conv.inputs[2] is None
    assert conv.output.type == f32(1, 4, 6, 6)
    assert isinstance(resize.op, Resize)
    assert resize.input(0) is split.outputs[0]
    assert graph.outputs == (resize.output, split.outputs[1], graph.inputs[1])


def test_blanks_and_comments_do_not_matter():
    dense = parse_graph("graph @g(%x:f32[2]){%y=relu(%x):f32[2] return %y}")
    airy = parse_graph(
        "# a comment\n\ngraph @g (\n\t%x : f32[ 2 ]\r\n) { # another\n"
        "%y = relu ( %x ) { }\n : f32[2]\nreturn %y }\n\n"
    )
    assert print_graph(dense) == print_graph(airy)


def test_graph_names_may_be_anything():
    for name in ("main", "torch-jit-export", 'a "quoted" \\ name', "größe", "two\nlines", ""):
        assert parse_graph(print_graph(Graph(name))).name == name


def test_every_operator_can_be_written():
    """All attributes of all operators read back as they were printed."""
    from fpc.ir.attribute import attributes_of
    from tests.unit.ir.operators import EXAMPLES

    assert {type(example.op) for example in EXAMPLES} == set(ALL_OPS)
    for example in EXAMPLES:
        graph = Graph()
        inputs = [graph.add_input(f"x{i}", t) for i, t in enumerate(example.operands)]
        node = graph.add(example.op, *inputs)
        graph.set_outputs(node.outputs)
        again = parse_graph(print_graph(graph))
        assert again.nodes[0].op == example.op
        for attribute in attributes_of(type(example.op)).values():
            value = getattr(example.op, attribute.name)
            assert type(getattr(again.nodes[0].op, attribute.name)) is type(value)


def test_random_constants_depend_on_seed_and_type_only():
    def drawn(text):
        return parse_graph(f"graph @g() {{ %c = const {text} return %c }}").outputs[0].data

    normal = drawn("rand(seed=1) : f32[1000]")
    np.testing.assert_array_equal(normal, drawn("rand(seed=1) : f32[1000]"))
    assert not np.array_equal(normal, drawn("rand(seed=2) : f32[1000]"))
    assert abs(normal.mean()) < 0.1
    assert 0.9 < normal.std() < 1.1
    uniform = drawn("rand(seed=1, low=0.5, high=2.0) : f32[1000]")
    assert 0.5 <= uniform.min() < 0.6
    assert 1.9 < uniform.max() < 2.0
    integers = drawn("rand(seed=3) : i8[1000]")
    assert integers.dtype == np.int8
    assert set(integers) <= set(range(-100, 101))
    assert set(drawn("rand(seed=3) : u8[1000]")) <= set(range(101))
    assert set(drawn("rand(seed=3, low=2, high=4) : i32[100]")) == {2, 3}
    assert 400 < drawn("rand(seed=3) : bool[1000]").sum() < 600


def test_constants_are_found_by_digest():
    graph = parse_graph(BLOCK)
    text = print_graph(graph)
    again = parse_graph(text, graph_constants(graph))
    assert again.find("w").constant is graph.find("w").constant
    (digest,) = graph_constants(graph)
    wrong = Constant(np.zeros((4, 2, 3), np.float32))
    with pytest.raises(ParseError, match=r"holds f32\[4,2,3\], not f32\[4,2,3,3\]"):
        parse_graph(text, {digest: wrong})


def edited(old, new):
    assert old in BLOCK
    return BLOCK.replace(old, new, 1)


MALFORMED = {
    "misspelt operator": edited("conv2d(", "conv2s("),
    "unknown operator": edited("conv2d(", "frobnicate("),
    "misspelt attribute": edited("activation=", "activaton="),
    "unknown attribute of an operator without any": edited(
        "return", "%r = relu(%u) {alpha=1} : f32[1,2,12,12]\n  return"
    ),
    "misspelt attribute value": edited("relu6", "relu7"),
    "attribute given twice": edited("pads=[1,1,1,1]", "groups=1, groups=1"),
    "attribute missing": edited("axis=1, ", ""),
    "attribute list of wrong length": edited("[12,12]", "[12,12,12]"),
    "attribute not a list": edited("[12,12]", "12"),
    "attribute a list": edited("axis=1", "axis=[1]"),
    "attribute not an integer": edited("axis=1", "axis=1.5"),
    "attribute too large": edited("axis=1", "axis=99999999999999999999"),
    "undefined value": edited("conv2d(%x", "conv2d(%xx"),
    "value redefined": edited("%low, %high", "%low, %x"),
    "value defined twice in a line": edited("%low, %high", "%low, %low"),
    "constant redefined": edited("%w = const", "%x = const"),
    "input redefined": edited("%q: i8", "%x: i8"),
    "wrong result type": edited(": f32[1,4,6,6]\n  %low", ": f32[1,4,7,6]\n  %low"),
    "operands do not fit": edited("conv2d(%x", "conv2d(%q"),
    "operand missing": edited("conv2d(%x, %w, _)", "conv2d(%x)"),
    "required operand absent": edited("conv2d(%x, %w, _)", "conv2d(%x, _)"),
    "too many operands": edited("conv2d(%x, %w, _)", "conv2d(%x, %w, _, %x)"),
    "more names than results": edited("%low, %high", "%low, %high, %more"),
    "type missing": edited("relu6} : f32[1,4,6,6]", "relu6}"),
    "misspelt element type": edited("%x: f32", "%x: f23"),
    "unknown element type": edited("%x: f32", "%x: complex"),
    "negative extent": edited("f32[1,2,6,6]", "f32[1,-2,6,6]"),
    "extent not an integer": edited("f32[1,2,6,6]", "f32[1,2.0,6,6]"),
    "scale zero": edited("q(0.5,", "q(0.0,"),
    "scale out of range": edited("q(0.5,", "q(1e999,"),
    "zero point missing": edited("q(0.5, -128)", "q(0.5)"),
    "quantised floats": edited("%x: f32[1,2,6,6]", "%x: f32[1,2,6,6] q(0.5, 0)"),
    "scales do not match the axis": edited("q(0.5, -128)", "q(axis=1, [0.5, 0.25])"),
    "unknown digest of scales": edited("q(0.5, -128)", "q(axis=1, @0123456789abcdef)"),
    "unknown digest": edited("rand(seed=1)", "@0123456789abcdef"),
    "constant of nothing": edited("rand(seed=1)", "zeros"),
    "rand without a seed": edited("rand(seed=1)", "rand()"),
    "rand with an unknown option": edited("rand(seed=1)", "rand(sed=1)"),
    "rand with one bound": edited("rand(seed=1)", "rand(seed=1, low=0)"),
    "rand in an empty range": edited("rand(seed=1)", "rand(seed=1, low=1, high=0)"),
    "rand of a huge tensor": edited("rand(seed=1) : f32[4", "rand(seed=1) : f32[99999999999"),
    "too few elements": edited("rand(seed=1) : f32[4,2,3,3]", "[1.0, 2.0] : f32[3]"),
    "element out of range": edited("rand(seed=1) : f32[4,2,3,3]", "[1, 200] : i8[2]"),
    "element of the wrong type": edited("rand(seed=1) : f32[4,2,3,3]", "[1, true] : i8[2]"),
    "bracket not closed": edited("f32[1,2,6,6]", "f32[1,2,6,6"),
    "stray character": edited("relu6}", "relu6};"),
    "string with a bad escape": edited("@block", '@"\\q"'),
    "not a statement": edited("%c = conv2d", "c = conv2d"),
    "no graph": "module @block() {}",
    "empty text": "",
    "text ends early": BLOCK[: BLOCK.index("return")],
    "text after the graph": BLOCK + "graph",
}


@pytest.mark.parametrize("title", MALFORMED, ids=[title.replace(" ", "-") for title in MALFORMED])
def test_malformed(title, golden):
    with pytest.raises(FpcError) as raised:
        parse_graph(MALFORMED[title], origin="block.fpc")
    assert raised.value.code.startswith(("parse.", "verify."))
    assert render(raised.value) + "\n" == golden(f"{title.replace(' ', '-')}.txt")


def test_suggestions_for_many_values_stay_short():
    inputs = ", ".join(f"%v{i}: f32[1]" for i in range(500))
    with pytest.raises(ParseError) as raised:
        parse_graph(f"graph @g({inputs}) {{ return %zzzzzz }}")
    assert raised.value.help.endswith(" and 450 more")
