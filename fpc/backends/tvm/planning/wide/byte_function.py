"""Float functions of dequantised bytes, by tables that the interpreter fills.

A byte has 256 reals, so that a table is exact: every machine's own exponential rounds otherwise.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from fpc.backends.tvm.kernels.lookup import Lookup
from fpc.backends.tvm.planning.activation import BYTES, every_byte
from fpc.backends.tvm.planning.site import Site
from fpc.interp.executor import apply
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.graph import Node, Value
from fpc.ir.op import Op

FUNCTIONS: Collection[type[Op]] = frozenset(
    {
        ops.Relu,
        ops.Relu6,
        ops.Clip,
        ops.LeakyRelu,
        ops.Sigmoid,
        ops.HardSigmoid,
        ops.Silu,
        ops.HardSwish,
        ops.Tanh,
        ops.Gelu,
        ops.Unary,
    }
)


def is_byte_function(node: Node[Op]) -> bool:
    """Whether `node` is a float function of dequantised bytes."""
    if type(node.op) not in FUNCTIONS:
        return False
    source = node.input(0).producer
    return (
        source is not None
        and isinstance(source.op, ops.Dequantize)
        and source.input(0).type.dtype in BYTES
    )


def is_read_by_functions(real: Value) -> bool:
    """Whether only functions of the bytes themselves read dequantised bytes."""
    return not real.is_graph_output and all(map(is_byte_function, real.users))


def byte_function(site: Site[Op]) -> None:
    """A function for which `is_byte_function` holds."""
    source = site.node.input(0).producer
    assert source is not None
    byte = source.input(0)
    [reals] = apply(source, [every_byte(byte.type)], Numerics.TFLITE_XNNPACK)
    [table] = apply(site.node, [reals], Numerics.TFLITE_XNNPACK)
    x = site.assembler.operand(byte)
    site.emit(Lookup(x.buffer, site.result), [x], [table[np.newaxis]])
