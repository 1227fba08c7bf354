"""Running networks compiled by TVM on this machine.

An artifact is a library, a file of parameters and `manifest.json`, which says what they hold
(`fpc.backends.tvm.artifact` has the format).
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array

MANIFEST = "manifest.json"
_FORMAT = 1
_TIMED = "timed"


class TvmModel:
    """An artifact made ready to run; calling it runs it.

    It is given as its folder, or as the bytes of a zip archive of that. As a `Runner` it takes one
    array an input, of exactly the input's type and shape, and returns one array an output, both in
    the manifest's order. `MeasureError` when the artifact or an input does not fit.
    """

    def __init__(self, content: bytes | Path) -> None:
        self._runtime = _runtime()
        with ExitStack() as stack:
            if isinstance(content, bytes):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fpc-tvm-")))
                _unpack(content, folder)
            else:
                folder = content
            self._manifest = _read_manifest(folder)
            library = self._runtime.runtime.load_module(str(folder / self._manifest["library"]))
            self._parameters = self._read_parameters(folder / self._manifest["weights"])
        self._machine = self._runtime.relax.VirtualMachine(library, self._runtime.cpu())

    @property
    def runtime_name(self) -> str:
        """TVM with its version, and the instruction set of the kernels."""
        return f"TVM {version('apache-tvm')} ({self._manifest['isa']})"

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        results = self._machine[self._manifest["entry"]](*self._arguments(inputs))
        return tuple(
            result.numpy().reshape(output["shape"])
            for result, output in zip(results, self._manifest["outputs"], strict=True)
        )

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs on zeros, after `warm_up` more."""
        zeros = [np.zeros(one["shape"], one["dtype"]) for one in self._manifest["inputs"]]
        self._machine.save_function(
            self._manifest["entry"], _TIMED, *self._arguments(zeros), include_return=False
        )
        run = self._machine[_TIMED]
        timings: list[float] = []
        for turn in range(warm_up + repeats):
            started = time.perf_counter()
            run()
            if turn >= warm_up:
                timings.append((time.perf_counter() - started) * 1e3)
        return tuple(timings)

    def _arguments(self, inputs: Sequence[Array]) -> list[Any]:
        declared: list[Mapping[str, Any]] = self._manifest["inputs"]
        if len(inputs) != len(declared):
            raise MeasureError(
                "tvm-inputs", f"the artifact takes {len(declared)} inputs, got {len(inputs)}"
            )
        given: list[Any] = []
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
            given.append(self._tensor(np.ascontiguousarray(array).reshape(rows, columns)))
        return [*given, *self._parameters]

    def _read_parameters(self, path: Path) -> list[Any]:
        content = path.read_bytes()
        return [
            self._tensor(
                np.frombuffer(
                    content,
                    np.dtype(part["dtype"]),
                    count=math.prod(part["shape"]),
                    offset=part["offset"],
                ).reshape(part["shape"])
            )
            for part in self._manifest["parameters"]
        ]

    def _tensor(self, array: Array) -> Any:
        return self._runtime.runtime.tensor(array)


def _runtime() -> Any:
    try:
        version("apache-tvm")
    except PackageNotFoundError:
        raise MeasureError(
            "tvm-missing",
            "running a network compiled by TVM needs the package apache-tvm",
            help="install fpc with its extra `tvm`",
        ) from None
    import tvm

    return tvm


def _unpack(content: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise _unreadable(str(error)) from None


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(str(error)) from None
    if document.get("format") != _FORMAT:
        raise _unreadable(f"{MANIFEST} has the format {document.get('format')}, not {_FORMAT}")
    return document


def _unreadable(fact: str) -> MeasureError:
    return MeasureError(
        "tvm-artifact",
        "this is no network compiled by TVM",
        notes=[fact],
        help="give the folder that `fpc compile --backend tvm` wrote",
    )
