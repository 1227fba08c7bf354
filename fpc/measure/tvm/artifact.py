"""Networks compiled by TVM as those who run them see them, without TVM.

An artifact is a library, a file of parameters and `manifest.json` (`fpc.backends.tvm.artifact` has
the format).
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array

MANIFEST = "manifest.json"
_FORMAT = 3


@dataclass(frozen=True)
class TvmTensor:
    """An input or output as the manifest declares it; a matrix of `rows` and `columns` in memory.

    `scale` and `zero_point` are None unless it is quantised.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    rows: int
    columns: int
    scale: float | None
    zero_point: int | None

    @classmethod
    def declared(cls, part: Mapping[str, Any]) -> Self:
        """The tensor of a part of the manifest."""
        return cls(
            part["name"],
            np.dtype(part["dtype"]),
            tuple(part["shape"]),
            part["rows"],
            part["columns"],
            part["scale"],
            part["zero_point"],
        )

    def real(self, elements: Array) -> Array:
        """The reals that `elements` stand for, float64."""
        reals = np.asarray(elements, np.float64)
        if self.scale is None or self.zero_point is None:
            return reals
        return (reals - self.zero_point) * self.scale

    def matrix(self, array: Array) -> Array:
        """`array` as programs take it; `MeasureError` (`measure.tvm-inputs`) if it does not fit."""
        if array.dtype != self.dtype or array.shape != self.shape:
            raise MeasureError(
                "tvm-inputs",
                f"input `{self.name}` is {self.dtype}{list(self.shape)}, "
                f"got {array.dtype}{list(array.shape)}",
            )
        return np.ascontiguousarray(array).reshape(self.rows, self.columns)


@dataclass(frozen=True)
class TvmArtifact:
    """An artifact in a folder, which must outlast it."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The artifact in `folder`; `MeasureError` (`measure.tvm-artifact`) when there is none."""
        try:
            document: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _unreadable(str(error)) from None
        if document.get("format") != _FORMAT:
            raise _unreadable(f"{MANIFEST} has the format {document.get('format')}, not {_FORMAT}")
        return cls(folder, document)

    @property
    def library(self) -> Path:
        """The file of the kernels and the program that calls them."""
        return self.folder / self.manifest["library"]

    @property
    def entry(self) -> str:
        """The name of that program."""
        return self.manifest["entry"]

    @property
    def isa(self) -> str:
        """The instruction set of the kernels."""
        return self.manifest["isa"]

    def parameters(self) -> Array:
        """What the program takes after the inputs, uint8."""
        return np.fromfile(self.folder / self.manifest["parameters"], np.uint8)

    @property
    def inputs(self) -> tuple[TvmTensor, ...]:
        """What the network takes."""
        return tuple(map(TvmTensor.declared, self.manifest["inputs"]))

    @property
    def outputs(self) -> tuple[TvmTensor, ...]:
        """What the network gives."""
        return tuple(map(TvmTensor.declared, self.manifest["outputs"]))

    def zeros(self) -> list[Array]:
        """Inputs of the right types and shapes."""
        return [np.zeros(tensor.shape, tensor.dtype) for tensor in self.inputs]

    def matrices(self, arrays: Sequence[Array]) -> list[Array]:
        """`arrays` as the program takes them; `MeasureError` (`measure.tvm-inputs`) for others."""
        if len(arrays) != len(self.inputs):
            raise MeasureError(
                "tvm-inputs", f"the artifact takes {len(self.inputs)} inputs, got {len(arrays)}"
            )
        return [tensor.matrix(array) for tensor, array in zip(self.inputs, arrays, strict=True)]

    def shaped(self, matrices: Sequence[Array]) -> tuple[Array, ...]:
        """What the program gave, in the shapes of the network."""
        return tuple(
            matrix.reshape(output.shape)
            for matrix, output in zip(matrices, self.outputs, strict=True)
        )


@contextmanager
def unpacked(content: bytes | Path) -> Generator[TvmArtifact]:
    """The artifact in a folder, or that in the bytes of a zip archive for as long as it is used."""
    if isinstance(content, Path):
        yield TvmArtifact.read(content)
        return
    with tempfile.TemporaryDirectory(prefix="fpc-tvm-") as name:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(name)
        except zipfile.BadZipFile as error:
            raise _unreadable(str(error)) from None
        yield TvmArtifact.read(Path(name))


def _unreadable(fact: str) -> MeasureError:
    return MeasureError(
        "tvm-artifact",
        "this is no network compiled by TVM",
        notes=[fact],
        help="give the folder that `fpc compile --backend tvm` wrote",
    )
