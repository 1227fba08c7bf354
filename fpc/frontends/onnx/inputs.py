"""The inputs of a network: which they are, and their static shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fpc.diagnostics.errors import DynamicShapeError, ModelError, UsageError
from fpc.diagnostics.location import Location
from fpc.diagnostics.render import suggest
from fpc.frontends.onnx.context import Scope
from fpc.frontends.onnx.tensors import NUMPY_BY_ONNX_TYPE, checked_shape
from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams, TensorType

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

_EXAMPLE_EXTENT = 224
_READERS_OF_INTEGERS = ("DequantizeLinear", "QLinear", "QGemm")


def network_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that are fed: those without a stored value of the same name (IR version 3)."""
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def input_types(
    graph: GraphProto, given: Mapping[str, tuple[int, ...]], notes: list[str]
) -> dict[str, TensorType]:
    """The type of every network input.

    A shape in `given` wins (its key "" stands for every input not named); else the shape the model
    declares, an unknown first extent being a batch of 1. Adds to `notes` what was decided for the
    user. `DynamicShapeError` when another extent is unknown, `UsageError` when `given` names no
    input or has another rank.
    """
    inputs = network_inputs(graph)
    names = [value.name for value in inputs]
    if len(set(names)) != len(names):
        raise ModelError("duplicate-tensor", f"the inputs {names} are not distinct")
    for name in given:
        if name and name not in names:
            raise UsageError(
                "unknown-input",
                f"a shape was given for '{name}', which is no input of the model",
                help=suggest(name, names, what="inputs"),
            )
    types: dict[str, TensorType] = {}
    unknown: list[ValueInfoProto] = []
    for value in inputs:
        dtype = _dtype(value, notes)
        shape = _shape(value, given.get(value.name, given.get("")), notes)
        if shape is None:
            unknown.append(value)
        else:
            types[value.name] = TensorType(dtype, shape)
    if unknown:
        raise _dynamic(unknown)
    return types


def with_static_inputs(proto: ModelProto, given: Mapping[str, tuple[int, ...]]) -> ModelProto:
    """A copy of `proto` that declares the shapes of `input_types`."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    types = input_types(proto.graph, given, [])
    for value in network_inputs(copy.graph):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for extent in types[value.name].shape:
            shape.dim.add().dim_value = extent
    return copy


def quantised_inputs(
    types: Mapping[str, TensorType], graph: GraphProto, scope: Scope
) -> dict[str, TensorType]:
    """`types` with the quantisation that the first reader of an integer input states for it.

    uint8 inputs are held as int8, 128 lower; a note says so.
    """
    typed = dict(types)
    for node in graph.node:
        name = next(iter(node.input), "")
        if not node.op_type.startswith(_READERS_OF_INTEGERS) or name not in types:
            continue
        if typed[name].dtype not in (DType.I8, DType.U8, DType.I16) or typed[name].is_quantised:
            continue
        scale, zero_point = (
            scope.operands.get(other) if other else None for other in (*node.input[1:3], "", "")[:2]
        )
        if not isinstance(scale, np.ndarray) or scale.size != 1 or not 0 < scale < np.inf:
            continue
        zero = int(zero_point.reshape(-1)[0]) if isinstance(zero_point, np.ndarray) else 0
        dtype, shift = typed[name].dtype, 0
        if dtype is DType.U8:
            dtype, shift = DType.I8, 128
            scope.notes.append(f"input '{name}' is uint8 in the model and int8, 128 lower, in fpc")
        quant = QuantParams.per_tensor(float(scale.reshape(-1)[0]), zero - shift)
        typed[name] = TensorType(dtype, types[name].shape, quant)
    return typed


def _dtype(value: ValueInfoProto, notes: list[str]) -> DType:
    code = value.type.tensor_type.elem_type
    dtype = NUMPY_BY_ONNX_TYPE.get(code)
    if dtype is not None and dtype.kind == "f":
        if dtype.itemsize != 4:
            notes.append(f"input '{value.name}' is {dtype} in the model and float32 in fpc")
        return DType.F32
    try:
        if dtype is not None:
            return DType.of(dtype)
    except KeyError:
        pass
    raise ModelError(
        "input-type",
        f"input '{value.name}' has element type {dtype or code}, which fpc does not take",
        location=Location.of(value.name),
        help="export the model with a float32 input",
    )


def _shape(
    value: ValueInfoProto, given: tuple[int, ...] | None, notes: list[str]
) -> tuple[int, ...] | None:
    """The static shape of an input; None when it is not known."""
    declared = _declared(value)
    if given is not None:
        return _given_shape(value.name, declared, given, notes)
    if declared is None or any(not isinstance(extent, int) for extent in declared[1:]):
        return None
    if declared and not isinstance(declared[0], int):
        notes.append(f"input '{value.name}': batch '{declared[0]}' set to 1")
        declared = (1, *declared[1:])
    static = tuple(extent for extent in declared if isinstance(extent, int))
    return checked_shape(static, f"input '{value.name}'", Location.of(value.name))


def _declared(value: ValueInfoProto) -> tuple[int | str, ...] | None:
    """The declared extents; a string where one is unknown, None where even the rank is."""
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise ModelError(
            "input-type",
            f"input '{value.name}' is no tensor",
            location=Location.of(value.name),
            help="fpc takes networks whose inputs are dense tensors",
        )
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )


def _given_shape(
    name: str,
    declared: tuple[int | str, ...] | None,
    given: tuple[int, ...],
    notes: list[str],
) -> tuple[int, ...]:
    if min(given, default=1) < 1:
        raise UsageError(
            "input-shape", f"the shape {list(given)} given for '{name}' has an extent below 1"
        )
    if declared is not None:
        if len(declared) != len(given):
            raise UsageError(
                "input-shape",
                f"input '{name}' has rank {len(declared)}, the shape {list(given)} has rank "
                f"{len(given)}",
                notes=[f"the model declares {_listing(declared)}"],
            )
        fixed = [d for d, g in zip(declared, given, strict=True) if isinstance(d, int) and d != g]
        if fixed:
            notes.append(
                f"input '{name}': the declared shape {_listing(declared)} is overridden by "
                f"{list(given)}"
            )
    return checked_shape(given, f"input '{name}'", Location.of(name))


def _dynamic(values: Sequence[ValueInfoProto]) -> DynamicShapeError:
    facts: list[str] = []
    options: list[str] = []
    for value in values:
        declared = _declared(value)
        if declared is None:
            facts.append(f"input '{value.name}' declares no shape")
            example = (1, 3, _EXAMPLE_EXTENT, _EXAMPLE_EXTENT)
        else:
            facts.append(f"input '{value.name}' has unknown extents: {_listing(declared)}")
            batch = declared[0] if isinstance(declared[0], int) else 1
            others = (e if isinstance(e, int) else _EXAMPLE_EXTENT for e in declared[1:])
            example = (batch, *others)
        options.append(f"--input-shape {value.name}={','.join(map(str, example))}")
    return DynamicShapeError(
        "dynamic-shape",
        "; ".join(facts),
        location=Location.of(*(value.name for value in values)),
        notes=["fpc compiles for fixed shapes; only an unknown batch is taken as 1 by itself"],
        help=f"fix them with `{' '.join(options)}`, with the size the network was trained for in "
        f"place of {_EXAMPLE_EXTENT}",
    )


def _listing(extents: tuple[int | str, ...]) -> str:
    return "[" + ", ".join(map(str, extents)) + "]"
