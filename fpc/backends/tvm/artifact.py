"""What a compiled network consists of: a library, its packed parameters, and a manifest.

`model.so` is a TVM module whose function `main` takes the inputs and the parameters and returns all
outputs; its function `inputs` returns tensors for what `main` takes, to be filled. Tensors are
matrices: the last axis along the columns, all others along the rows. The parameters are one tensor,
the bytes of `weights.bin`. `manifest.json` has the names, types, shapes and quantisation of inputs
and outputs.
`run.cc` and its `Makefile` run it all from C++ (`fpc.backends.tvm.deployment`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.build_program import LIBRARY
from fpc.backends.tvm.relax_program import ENTRY
from fpc.backends.tvm.requirements import PINNED
from fpc.interp.numerics import Numerics
from fpc.ir.graph import Graph, Value

MANIFEST = "manifest.json"
WEIGHTS = "weights.bin"
NUMERICS = Numerics.TFLITE_XNNPACK
"""What every kernel computes, bit for bit."""


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


class Manifest(_Part):
    """The document `manifest.json`."""

    format: Literal[3] = 3
    library: str = LIBRARY
    parameters: str = WEIGHTS
    entry: str = ENTRY
    isa: str
    numerics: str = NUMERICS.value
    runtime: dict[str, str]
    inputs: tuple[TensorPart, ...]
    outputs: tuple[TensorPart, ...]
    provenance: dict[str, str]


def manifest_of(graph: Graph, plan: Plan, provenance: dict[str, str]) -> Manifest:
    """The manifest of `graph`, planned."""
    return Manifest(
        isa=plan.program.isa,
        runtime=dict(PINNED),
        inputs=tuple(map(_tensor, graph.inputs)),
        outputs=tuple(map(_tensor, graph.outputs)),
        provenance=provenance,
    )


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
