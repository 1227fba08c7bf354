"""What a compiled network consists of: a library, its packed parameters, and a manifest.

`model.so` is a TVM module whose function `main` takes the inputs and the parameters and returns all
outputs. Tensors are matrices: the last axis along the columns, all others along the rows.
`weights.bin` holds the parameters, each at a multiple of 64 bytes. `manifest.json` says the rest:
names, types, shapes and quantisation of inputs and outputs, and where every parameter lies.
`run.cc` and its `Makefile` run it all from C++ (`fpc.backends.tvm.deployment`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.build_program import LIBRARY
from fpc.backends.tvm.relax_program import ENTRY
from fpc.backends.tvm.requirements import PINNED
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value

WEIGHTS, MANIFEST = "weights.bin", "manifest.json"
NUMERICS = Numerics.TFLITE_XNNPACK
"""What every kernel computes, bit for bit."""

_ALIGNMENT_BYTES = 64


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorPart(_Part):
    """An input or output; scale and zero point are None unless it is quantised."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    rows: int
    columns: int
    scale: float | None = None
    zero_point: int | None = None


class ParameterPart(_Part):
    """A parameter: where its bytes begin in the weights, and what they are."""

    offset: int
    dtype: str
    shape: tuple[int, ...]


class Manifest(_Part):
    """The document `manifest.json`."""

    format: Literal[1] = 1
    library: str = LIBRARY
    weights: str = WEIGHTS
    entry: str = ENTRY
    isa: str
    numerics: str = NUMERICS.value
    runtime: dict[str, str]
    inputs: tuple[TensorPart, ...]
    outputs: tuple[TensorPart, ...]
    parameters: tuple[ParameterPart, ...]
    provenance: dict[str, str]


def manifest_of(graph: Graph, plan: Plan, provenance: dict[str, str]) -> Manifest:
    """The manifest of `graph`, planned."""
    return Manifest(
        isa=plan.program.isa,
        runtime=dict(PINNED),
        inputs=tuple(map(_tensor, graph.inputs)),
        outputs=tuple(map(_tensor, graph.outputs)),
        parameters=parameter_parts(plan.parameters),
        provenance=provenance,
    )


def parameter_parts(parameters: tuple[Array, ...]) -> tuple[ParameterPart, ...]:
    """What the manifest says of `weights.bin`."""
    offset, parts = 0, list[ParameterPart]()
    for array in parameters:
        kind = Parameter.of(array)
        parts.append(ParameterPart(offset=offset, dtype=kind.dtype_name, shape=kind.shape))
        offset = round_up(offset + array.nbytes, _ALIGNMENT_BYTES)
    return tuple(parts)


def weights_file(parameters: tuple[Array, ...]) -> bytes:
    """The bytes of `weights.bin`."""
    pieces = [array.tobytes() for array in parameters]
    return b"".join(piece.ljust(round_up(len(piece), _ALIGNMENT_BYTES), b"\0") for piece in pieces)


def _tensor(value: Value) -> TensorPart:
    buffer = Buffer.plain(value.type)
    quant = value.type.quant
    return TensorPart(
        name=value.name,
        dtype=buffer.dtype_name,
        shape=value.type.shape,
        rows=buffer.rows,
        columns=buffer.columns,
        scale=quant.scale if quant is not None else None,
        zero_point=quant.zero_point if quant is not None else None,
    )
