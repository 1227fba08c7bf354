"""set-io: the element types in which a graph takes its inputs and gives its outputs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.dtype import DType
from fpc.ir.graph import Value
from fpc.ir.ops import Dequantize, Quantize, Requantize
from fpc.ir.types import QuantParams, TensorType
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter


class IoType(enum.Enum):
    """An element type of the graph's interface; KEEP leaves what there is."""

    KEEP = "keep"
    FLOAT32 = "float32"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"


_DTYPES = (
    (IoType.FLOAT32, DType.F32),
    (IoType.INT8, DType.I8),
    (IoType.UINT8, DType.U8),
    (IoType.INT16, DType.I16),
)


@dataclass(frozen=True)
class SetIo(Pass):
    """Adds quantize, requantize and dequantize nodes at the ends of a graph.

    int8 and uint8 differ by 128 in their zero points, so that exchange is exact. A float input or
    output can become integers only where the graph itself quantises or dequantises it.
    """

    name: ClassVar[str] = "set-io"

    inputs: IoType = IoType.KEEP
    outputs: IoType = IoType.KEEP

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """Convert every input and output that is not of the type wanted."""
        answers: list[Declined | None] = []
        wanted = _dtype(self.inputs)
        if wanted is not None:
            answers += [_convert_input(v, wanted, rewriter) for v in rewriter.graph.inputs]
        wanted = _dtype(self.outputs)
        if wanted is not None:
            count = len(rewriter.graph.outputs)
            answers += [_convert_output(index, wanted, rewriter) for index in range(count)]
        return tuple(declined for declined in answers if declined is not None)


def _dtype(io_type: IoType) -> DType | None:
    return dict(_DTYPES).get(io_type)


def _exchanged(inner: TensorType, wanted: DType) -> TensorType | None:
    """The type of the same reals in element type `wanted`, None where it would need a scale."""
    if wanted is DType.F32:
        return inner.with_dtype(DType.F32)
    quant = inner.quant
    if quant is None or {inner.dtype, wanted} != {DType.I8, DType.U8}:
        return None
    shift = 128 if wanted is DType.U8 else -128
    shifted = QuantParams.per_tensor(quant.scale, quant.zero_point + shift)
    return TensorType(wanted, inner.shape, shifted)


def _is_done(kind: TensorType, wanted: DType) -> bool:
    """Whether nothing is to do: the type is wanted, or is no activation's (as of indices)."""
    return kind.dtype is wanted or (kind.quant is None and not kind.dtype.is_float)


def _convert_input(value: Value, wanted: DType, rewriter: Rewriter) -> Declined | None:
    inner = value.type
    if _is_done(inner, wanted):
        return None
    if inner.dtype.is_float:
        return _convert_quantised_input(value, wanted, rewriter)
    outer = _exchanged(inner, wanted)
    if outer is None:
        return _unknown("input", value, wanted)
    first = next(iter(rewriter.graph), None)
    rewriter.retype_input(value, outer)
    op = Quantize(inner.dtype) if wanted is DType.F32 else Requantize(inner.dtype)
    made = rewriter.insert(
        op,
        value,
        before=first,
        name=f"{value.name}.{inner.dtype.value}",
        results=[inner],
        location=value.location,
    )
    rewriter.replace_value(value, made.output)
    rewriter.set_input(made, 0, value)
    return None


def _convert_quantised_input(value: Value, wanted: DType, rewriter: Rewriter) -> Declined | None:
    """Let a float input that the graph quantises itself be integers from the start."""
    readers = value.users
    types = {reader.output.type for reader in readers if isinstance(reader.op, Quantize)}
    quantised_only = len(types) == 1 and all(isinstance(r.op, Quantize) for r in readers)
    inner = next(iter(types), value.type)
    outer = inner if inner.dtype is wanted else _exchanged(inner, wanted)
    named = value.is_graph_output or any(r.output.is_graph_output for r in readers)
    if not quantised_only or outer is None or named:
        return _unknown("input", value, wanted)
    rewriter.retype_input(value, outer)
    for reader in readers:
        if outer == inner:
            rewriter.replace_with_values(reader, [value])
        else:
            rewriter.replace(reader, Requantize(inner.dtype), value, results=[inner])
    return None


def _convert_output(index: int, wanted: DType, rewriter: Rewriter) -> Declined | None:
    value = rewriter.graph.outputs[index]
    if _is_done(value.type, wanted):
        return None
    producer = value.producer
    source = value
    if producer is not None and isinstance(producer.op, Dequantize):
        source = producer.input(0)
    outer = source.type if source.type.dtype is wanted else _exchanged(source.type, wanted)
    if outer is None or (source.type.dtype is wanted and _has_name_to_keep(source)):
        return _unknown("output", value, wanted)
    name = value.name
    rewriter.rename(value, f"{name}.{value.type.dtype.value}")
    if source.type.dtype is not wanted:
        op = Dequantize() if wanted is DType.F32 else Requantize(wanted)
        location = value.location
        made = rewriter.insert(op, source, before=None, results=[outer], location=location)
        source = made.output
    rewriter.rename(source, name)
    outputs = list(rewriter.graph.outputs)
    outputs[index] = source
    rewriter.set_outputs(outputs)
    if producer is not None:
        rewriter.erase_if_unused(producer)
    return None


def _has_name_to_keep(value: Value) -> bool:
    return value.producer is None or value.is_graph_output


def _unknown(what: str, value: Value, wanted: DType) -> Declined:
    return Declined(
        f"{what} %{value.name} is {value.type.dtype.value}; "
        f"how to express it in {wanted.value} is not known",
        value.location,
    )
