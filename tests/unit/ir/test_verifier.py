"""Every rule of the verifier has a graph that breaks it and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import Location
from fpc.diagnostics.render import render
from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.ops import Relu, Reshape
from fpc.ir.parser import parse_graph
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.ir.verifier import verify

FLOAT = """
graph @net(%x: f32[1,2,4,4]) {
  %w = const rand(seed=1) : f32[3,2,3,3]
  %a = conv2d(%x, %w) {pads=[1,1,1,1]} : f32[1,3,4,4] # loc "layer1/Conv"
  %b = relu(%a) : f32[1,3,4,4] # loc "layer1/Relu"
  %c = add(%a, %b) : f32[1,3,4,4]
  return %c, %b
}
"""

INTEGER = """
graph @net(%x: i8[1,2,4,4] q(0.5, 3)) {
  %w = const rand(seed=1) : i8[3,2,3,3] q(axis=0, [0.5, 0.25, 0.125])
  %bias = const [1, 2, 3] : i32[3] q(axis=0, [0.25, 0.125, 0.0625])
  %a = conv2d(%x, %w, %bias) : i8[1,3,2,2] q(0.1, -128)
  %m = max_pool(%a) {kernel=[2,2]} : i8[1,3,1,1] q(0.1, -128)
  %s = sigmoid(%m) : i8[1,3,1,1] q(0.00390625, -128)
  %p = mul(%m, %s) : i8[1,3,1,1] q(0.05, 0)
  %y = dequantize(%p) : f32[1,3,1,1]
  %z = quantize(%y) : i8[1,3,1,1] q(1.0, 0)
  return %y, %z
}
"""


def test_good_graphs_pass():
    verify(parse_graph(FLOAT))
    verify(parse_graph(INTEGER))
    verify(Graph())


def rejection(graph):
    with pytest.raises(VerifyError) as raised:
        verify(graph)
    return render(raised.value) + "\n"


def node(graph, name) -> Node:
    return graph.find(name).producer


def erased_node_in_list(graph):
    node(graph, "c").is_erased = True


def list_cut_off(graph):
    node(graph, "a").link(None, None)


def list_linked_back_wrongly(graph):
    c = node(graph, "c")
    c.link(node(graph, "a"), None)


def list_in_a_ring(graph):
    a, c = node(graph, "a"), node(graph, "c")
    c.link(c.previous, a)


def input_with_a_producer(graph):
    graph.inputs[0].producer = node(graph, "c")


def read_before_definition(graph):
    a, b, c = graph.nodes
    c.set_inputs((a.output, a.output))
    graph.set_outputs([c.output])
    a.set_inputs((graph.inputs[0], graph.find("w"), None))
    b.set_inputs((c.output,))


def value_of_another_graph(graph):
    other = parse_graph(FLOAT)
    node(graph, "b").set_inputs((other.find("a"),))


def output_of_another_graph(graph):
    graph.set_outputs([parse_graph(FLOAT).find("c")])


def read_not_in_use_list(graph):
    graph.find("a").drop_use(Use(node(graph, "b"), 0))


def output_not_in_use_list(graph):
    graph.find("c").drop_use(Use(graph, 0))


def use_list_names_a_stranger(graph):
    stranger = Node(Relu(), Location())
    graph.find("a").add_use(Use(stranger, 0))


def use_list_names_a_wrong_operand(graph):
    graph.find("a").add_use(Use(node(graph, "c"), 1))


def result_without_its_producer(graph):
    graph.find("b").producer = None


def result_with_a_wrong_index(graph):
    graph.find("b").index = 1


def two_values_of_one_name(graph):
    graph.find("b").name = "a"


def constant_of_one_name_with_a_result(graph):
    graph.find("w").name = "a"


def constant_of_another_shape(graph):
    graph.find("w").constant = Constant(np.zeros((3, 2, 3), np.float32))


def constant_of_another_dtype(graph):
    graph.find("w").constant = Constant(np.zeros((3, 2, 3, 3), np.float16))


def result_of_another_shape(graph):
    graph.find("c").type = f32(1, 3, 4, 5)


def result_of_another_dtype(graph):
    graph.find("b").type = TensorType(DType.F16, (1, 3, 4, 4))


def operand_that_does_not_fit(graph):
    node(graph, "c").set_inputs((graph.find("a"), graph.find("w")))


def operand_missing(graph):
    node(graph, "a").set_inputs((graph.inputs[0], None))


@pytest.mark.parametrize(
    "damage",
    [
        erased_node_in_list,
        list_cut_off,
        list_linked_back_wrongly,
        list_in_a_ring,
        input_with_a_producer,
        read_before_definition,
        value_of_another_graph,
        output_of_another_graph,
        read_not_in_use_list,
        output_not_in_use_list,
        use_list_names_a_stranger,
        use_list_names_a_wrong_operand,
        result_without_its_producer,
        result_with_a_wrong_index,
        two_values_of_one_name,
        constant_of_one_name_with_a_result,
        constant_of_another_shape,
        constant_of_another_dtype,
        result_of_another_shape,
        result_of_another_dtype,
        operand_that_does_not_fit,
        operand_missing,
    ],
    ids=lambda damage: damage.__name__.replace("_", "-"),
)
def test_structure(damage, golden):
    graph = parse_graph(FLOAT)
    damage(graph)
    assert rejection(graph) == golden(f"{damage.__name__.replace('_', '-')}.txt")


def edited(*changes):
    text = INTEGER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


BROKEN_QUANTISATION = {
    "result not quantised": edited(("i8[1,3,2,2] q(0.1, -128)\n  %m", "i8[1,3,2,2]\n  %m")),
    "result quantised along an axis": edited(
        ("q(0.00390625, -128)", "q(axis=1, [0.5, 0.25, 0.125])")
    ),
    "operand not quantised": edited(("%x: i8[1,2,4,4] q(0.5, 3)", "%x: i8[1,2,4,4]")),
    "operand quantised along an axis": edited(("q(0.5, 3)", "q(axis=1, [0.5, 0.5])")),
    "other operand not quantised": edited(("i8[1,3,1,1] q(0.00390625, -128)", "i8[1,3,1,1]")),
    "weights not quantised": edited((" q(axis=0, [0.5, 0.25, 0.125])", "")),
    "weights asymmetric": edited(("[0.5, 0.25, 0.125])", "[0.5, 0.25, 0.125], [0, 1, 0])")),
    "weights along inputs": edited(("(axis=0, [0.5, 0.25, 0.125])", "(axis=1, [0.5, 0.25])")),
    "bias not quantised": edited((" q(axis=0, [0.25, 0.125, 0.0625])", "")),
    "bias with zero points": edited(("0.0625])", "0.0625], [1, 0, 0])")),
    "bias of another scale": edited(("0.25, 0.125, 0.0625])", "0.25, 0.125001, 0.0625])")),
    "moved values of another scale": edited(("[1,3,1,1] q(0.1, -128)", "[1,3,1,1] q(0.2, -128)")),
    "moved values not quantised": edited(("i8[1,3,1,1] q(0.1, -128)", "i8[1,3,1,1]")),
    "quantize without a quantisation": edited(("i8[1,3,1,1] q(1.0, 0)", "i8[1,3,1,1]")),
    "zero point outside the type": edited(("q(0.1, -128)", "q(0.1, -129)")),
    "input zero point outside the type": edited(("q(0.5, 3)", "q(0.5, 128)")),
}  # fmt: skip


@pytest.mark.parametrize("title", BROKEN_QUANTISATION, ids=lambda title: title.replace(" ", "-"))
def test_quantisation(title, golden):
    graph = parse_graph(BROKEN_QUANTISATION[title])
    assert rejection(graph) == golden(f"{title.replace(' ', '-')}.txt")


def test_integers_without_quantisation_give_integers_without_quantisation():
    graph = parse_graph(
        "graph @g(%x: i64[2]) { %y = reshape(%x) {shape=[2,1]} : i64[2,1] return %y }"
    )
    verify(graph)
    quant = QuantParams.per_tensor(1.0)
    graph.find("y").type = graph.find("y").type.with_quant(quant)
    assert "differ in quantisation" in rejection(graph)


def test_scales_are_float32_numbers():
    graph = Graph()
    graph.add_input("x", TensorType(DType.I8, (1,), QuantParams((0.1,), (0,))))
    assert "scale 0.1 is not a float32 number" in rejection(graph)


@pytest.mark.parametrize("error", [0.0, 5e-7, -5e-7])
def test_bias_scales_may_be_rounded(error):
    graph = parse_graph(INTEGER)
    bias = graph.find("bias")
    scales = tuple(scale * (1 + error) for scale in bias.type.quantisation.scales)
    bias.type = bias.type.with_quant(QuantParams.per_axis(scales, 0))
    verify(graph)


def test_bias_and_weights_may_be_quantised_as_a_whole():
    graph = parse_graph(INTEGER)
    weight, bias = graph.find("w"), graph.find("bias")
    weight.type = weight.type.with_quant(QuantParams.per_tensor(0.3))
    bias.type = bias.type.with_quant(QuantParams.per_tensor(0.15))
    verify(graph)


def test_shape_only_graphs_are_verified():
    graph = parse_graph(FLOAT.replace("rand(seed=1)", "abstract"))
    verify(graph)
    graph.find("c").type = f32(2)
    assert "add gives f32[1,3,4,4], not f32[2]" in rejection(graph)


def test_a_constant_cannot_be_a_result():
    graph = parse_graph(FLOAT)
    reshaped = graph.add(Reshape((48,)), graph.find("c"), name="flat")
    graph.set_outputs([reshaped.output])
    assert isinstance(reshaped.output, Value)
    reshaped.output.constant = Constant(np.zeros(48, np.float32))
    assert "%flat does not know that it is a result" in rejection(graph)
