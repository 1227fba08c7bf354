"""A network's text without its weights: small enough to keep with every sample."""

from __future__ import annotations

from fpc.ir.constant import Constant
from fpc.ir.constant_text import is_spelt_out
from fpc.ir.graph import Graph
from fpc.ir.printer import print_graph
from fpc.ir.types import QuantParams


def shape_only_text(graph: Graph) -> str:
    """The IR text of `graph` that `Graph.parse` reads without any constants at hand.

    What the text would name by digest goes: large constants become shape-only, and scales along an
    axis one scale of 1. Shapes, element types, attributes and small constants stay.
    """
    copy = graph.clone()
    for value in copy.values():
        constant = value.constant
        if constant is not None and not constant.is_abstract and not is_spelt_out(constant.data):
            value.constant = Constant.abstract()
        if value.type.quant is not None and value.type.quant.axis is not None:
            value.type = value.type.with_quant(QuantParams.per_tensor(1.0))
    return print_graph(copy)
