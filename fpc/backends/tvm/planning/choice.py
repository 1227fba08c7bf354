"""Which table of planners a node's element types choose."""

from __future__ import annotations

from fpc.backends.tvm.planning.table import PLANNERS, Planner
from fpc.backends.tvm.planning.wide.byte_function import byte_function, is_byte_function
from fpc.backends.tvm.planning.wide.table import FLOAT_PLANNERS, INT16_PLANNERS
from fpc.ir.dtype import DType
from fpc.ir.graph import Node
from fpc.ir.op import Op


def planner_of(node: Node[Op]) -> Planner | None:
    """What plans `node`; None for operators that have no kernel for its element types."""
    operand, result = node.input(0).type, node.outputs[0].type
    if DType.I16 in (operand.dtype, result.dtype):
        return INT16_PLANNERS.get(type(node.op))
    if is_byte_function(node):
        return byte_function
    table = FLOAT_PLANNERS if operand.dtype is DType.F32 else PLANNERS
    return table.get(type(node.op))
