"""The element types in which an integer model takes its inputs and gives its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpc.diagnostics.errors import UsageError
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.phases.lower import set_io
from fpc.ir.graph import Graph, Value


def set_io_types(graph: Graph, options: CompileOptions, precision: Precision) -> None:
    """Give the inputs and outputs the types the user wants, else the precision's own.

    Image bytes are unsigned. `UsageError` for a type that was asked for and cannot be had.
    """
    takes_bytes = options.image_input and precision is Precision.INT8
    native = "uint8" if takes_bytes else precision.value
    set_io(graph, options.input_type or native, options.output_type or precision.value)
    _require("--input-type", options.input_type, graph.inputs)
    _require("--output-type", options.output_type, graph.outputs)


def type_names(values: Sequence[Value]) -> str:
    """The element types of `values`, each once: `int8`, or `int8, float32`."""
    return ", ".join(dict.fromkeys(_name(value) for value in values))


def _require(option: str, wanted: str | None, values: Sequence[Value]) -> None:
    for value in values:
        is_activation = value.type.is_quantised or value.type.dtype.is_float
        if wanted is not None and is_activation and _name(value) != wanted:
            raise UsageError(
                "io-type",
                f"{option} {wanted}: `{value.name}` is {_name(value)} in this model, and its "
                f"quantisation in {wanted} is not known",
                location=value.location,
                help=f"use {option} {_name(value)}, or {option} float32",
            )


def _name(value: Value) -> str:
    return np.dtype(value.type.dtype.numpy).name
