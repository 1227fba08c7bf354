"""Functions of one 8-bit value, by tables that the interpreter fills."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels.lookup import ENTRIES, Lookup
from fpc.backends.tvm.planning.site import Site
from fpc.interp.call import Array, Call
from fpc.interp.integer.table import INTEGER_RULES
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.op import Op
from fpc.ir.ops import PRelu
from fpc.ir.types import TensorType

BYTES = (DType.I8, DType.U8)


def function(site: Site[Op]) -> None:
    """Any function of one byte."""
    x, result = site.operand(), site.result
    table = _values(site, every_byte(site.type()))
    site.emit(Lookup(x.buffer, result), [x], [result.elements(table)[np.newaxis]])


def prelu(site: Site[PRelu]) -> None:
    """`PRelu`: a table a channel."""
    slopes, x = site.array(1, "slopes"), site.operand()
    channels = site.type().shape[-1]
    if slopes.size not in (1, channels) or (slopes.ndim and slopes.shape[-1] != slopes.size):
        raise site.unsupported(
            f"slopes of shape {list(slopes.shape)} differ within a channel",
            "use one slope a channel, or --backend tflite",
        )
    every = np.broadcast_to(every_byte(site.type())[:, np.newaxis], (ENTRIES, channels))
    values = _values(site, every, slopes.reshape(-1)).T
    table = np.zeros((x.buffer.columns, ENTRIES), site.result.dtype.numpy)
    table[:channels] = site.result.elements(values)
    site.emit(Lookup(x.buffer, site.result, by_channel=True), [x], [table])


def every_byte(tensor: TensorType) -> Array:
    """Every integer of a type of 8 bits, from the least."""
    return np.arange(tensor.dtype.minimum, tensor.dtype.maximum + 1, dtype=tensor.dtype.numpy)


def _values(site: Site[Op], x: Array, *others: Array) -> Array:
    """What the op means for the integers `x`."""
    for value in (site.node.input(0), site.node.output):
        if value.type.dtype not in BYTES or not value.type.is_quantised:
            raise site.unsupported(
                f"%{value.name} is {value.type.dtype.value}, tables are for quantised bytes",
                "compile with --int8, or use --backend tflite",
            )
    types = tuple(None if value is None else value.type for value in site.node.inputs)
    call = Call(site.op, types, (site.node.output.type,), Numerics.TFLITE_XNNPACK)
    values = INTEGER_RULES[type(site.op)](call, x, *others)
    assert not isinstance(values, tuple)
    return values
