"""Networks compiled by TVM as those who run them see them, without TVM.

An artifact is a library, a file of parameters and `manifest.json`, which says what they hold
(`fpc.backends.tvm.artifact` has the format).
"""

from __future__ import annotations

import io
import json
import math
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
_FORMAT = 1


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

    def parameters(self) -> list[Array]:
        """What the program takes after the inputs."""
        content = (self.folder / self.manifest["weights"]).read_bytes()
        return [
            np.frombuffer(
                content,
                np.dtype(part["dtype"]),
                count=math.prod(part["shape"]),
                offset=part["offset"],
            ).reshape(part["shape"])
            for part in self.manifest["parameters"]
        ]

    def zeros(self) -> list[Array]:
        """Inputs of the right types and shapes."""
        return [np.zeros(one["shape"], one["dtype"]) for one in self.manifest["inputs"]]

    def matrices(self, inputs: Sequence[Array]) -> list[Array]:
        """`inputs` as the program takes them; `MeasureError` (`measure.tvm-inputs`) for others."""
        declared: list[Mapping[str, Any]] = self.manifest["inputs"]
        if len(inputs) != len(declared):
            raise MeasureError(
                "tvm-inputs", f"the artifact takes {len(declared)} inputs, got {len(inputs)}"
            )
        given: list[Array] = []
        for array, expected in zip(inputs, declared, strict=True):
            dtype = np.dtype(expected["dtype"])
            shape = tuple(map(int, expected["shape"]))
            if array.dtype != dtype or array.shape != shape:
                raise MeasureError(
                    "tvm-inputs",
                    f"input `{expected['name']}` is {dtype}{list(shape)}, "
                    f"got {array.dtype}{list(array.shape)}",
                )
            rows, columns = expected["rows"], expected["columns"]
            given.append(np.ascontiguousarray(array).reshape(rows, columns))
        return given

    def outputs(self, matrices: Sequence[Array]) -> tuple[Array, ...]:
        """What the program gave, in the shapes of the network."""
        return tuple(
            matrix.reshape(output["shape"])
            for matrix, output in zip(matrices, self.manifest["outputs"], strict=True)
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
