"""Running an ONNX file as it is, without importing it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpc.diagnostics.errors import DynamicShapeError, ModelError
from fpc.ir.constant import Array

_ONLY_ERRORS = 3
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


@dataclass(frozen=True)
class Port:
    """An input or output: its name, shape and element type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class OnnxFile:
    """An ONNX file in onnxruntime; calling it runs it.

    An unknown batch counts as 1; other unknown extents need `shapes` (by input name, "" for all).
    `ModelError` when onnxruntime refuses the file, `DynamicShapeError` when an extent is missing.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options: Any = onnxruntime.SessionOptions()
        options.log_severity_level = _ONLY_ERRORS
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise ModelError(
                "refused", f"onnxruntime does not run {path}: {error}", model=str(path)
            ) from None
        self.inputs = tuple(_port(value, shapes) for value in self._session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(value.name for value in self._session.get_outputs())

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`, both in the file's order."""
        feeds = {port.name: array for port, array in zip(self.inputs, inputs, strict=True)}
        results: Any = self._session.run(None, feeds)
        return tuple(results)


def _port(value: Any, shapes: Mapping[str, tuple[int, ...]]) -> Port:
    given = shapes.get(value.name, shapes.get(""))
    if given is not None:
        shape = given
    else:
        declared: list[Any] = list(value.shape)
        if declared and not isinstance(declared[0], int):
            declared[0] = 1
        if not all(isinstance(extent, int) for extent in declared):
            raise DynamicShapeError(
                "dynamic-shape",
                f"input `{value.name}` has unknown extents: {value.shape}",
                help=f"give its shape: --input-shape {value.name}=1,3,224,224",
            )
        shape = tuple(int(extent) for extent in declared)
    return Port(value.name, shape, np.dtype(_DTYPES.get(value.type, "float32")))
