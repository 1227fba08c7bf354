"""Running .tflite files on this machine with LiteRT."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal, TypeAlias

import numpy as np

from fpc.diagnostics.errors import MeasureError
from fpc.ir.constant import Array

Kernels: TypeAlias = Literal["default", "reference", "no-delegate"]
"""Which kernels run a file: XNNPACK's where it has them and LiteRT's elsewhere (what users get),
LiteRT's plain reference kernels, or LiteRT's optimised ones without XNNPACK."""

_RESOLVERS: Mapping[Kernels, str] = MappingProxyType(
    {
        "default": "AUTO",
        "reference": "BUILTIN_REF",
        "no-delegate": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    }
)
_DELEGATE = "DELEGATE"
_STDERR = 2
_STDERR_LOCK = threading.Lock()
_CHATTER = ("INFO:", "VERBOSE:")


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a file; scale and zero point are None unless it is quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Kernel:
    """An operator of the file: its code and the first tensor it writes."""

    code: str
    output: str


@dataclass(frozen=True)
class Placement:
    """Which operators XNNPACK runs, in how many partitions, and which it leaves to LiteRT.

    Every operator outside can cut the network into one partition more, at the price of memory
    traffic between them.
    """

    partitions: int
    delegated: tuple[Kernel, ...]
    outside: tuple[Kernel, ...]


class LiteRtModel:
    """A .tflite file made ready to run; calling it runs it.

    As a `Runner` it takes one array an input, of exactly the input's type and shape, and returns
    one array an output, both in the file's order. `MeasureError` when LiteRT refuses the file, an
    input or an operator.
    """

    def __init__(
        self, content: bytes | Path, *, threads: int = 1, kernels: Kernels = "default"
    ) -> None:
        library = _library()
        data = _read(content) if isinstance(content, Path) else content
        with _translated("load", "LiteRT refuses the file"):
            interpreter: Any = library.Interpreter(
                model_content=data,
                num_threads=threads,
                experimental_op_resolver_type=library.OpResolverType[_RESOLVERS[kernels]],
            )
            interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._input_indices = [detail["index"] for detail in interpreter.get_input_details()]
        self._output_indices = [detail["index"] for detail in interpreter.get_output_details()]
        self.inputs = tuple(map(_tensor_info, interpreter.get_input_details()))
        self.outputs = tuple(map(_tensor_info, interpreter.get_output_details()))

    def __call__(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs for `inputs`."""
        self._set_inputs(inputs)
        self._invoke()
        return tuple(self._interpreter.get_tensor(index) for index in self._output_indices)

    def time_ms(self, repeats: int, *, warm_up: int = 3) -> tuple[float, ...]:
        """Wall-clock milliseconds of each of `repeats` runs on zeros, after `warm_up` more."""
        self._set_inputs([np.zeros(info.shape, info.dtype) for info in self.inputs])
        timings: list[float] = []
        for run in range(warm_up + repeats):
            started = time.perf_counter()
            self._invoke()
            if run >= warm_up:
                timings.append((time.perf_counter() - started) * 1e3)
        return tuple(timings)

    @property
    def runtime_name(self) -> str:
        """LiteRT with its version, or TFLite with its own where that stands in for it."""
        if find_spec("ai_edge_litert") is not None:
            return f"LiteRT {version('ai-edge-litert')}"
        return f"TFLite {version('tflite-runtime')}"

    @property
    def placement(self) -> Placement:
        """Where the operators run; all outside unless the kernels are `default`."""
        details: list[dict[str, Any]] = self._interpreter._get_ops_details()  # noqa: SLF001
        names = {
            detail["index"]: detail["name"] for detail in self._interpreter.get_tensor_details()
        }
        operators = [detail for detail in details if detail["op_name"] != _DELEGATE]
        partitions = [detail for detail in details if detail["op_name"] == _DELEGATE]
        inside = _inside(operators, partitions)

        def kernels(*, delegated: bool) -> tuple[Kernel, ...]:
            return tuple(
                Kernel(detail["op_name"], names.get(int(detail["outputs"][0]), "?"))
                for detail in operators
                if (detail["index"] in inside) is delegated
            )

        return Placement(len(partitions), kernels(delegated=True), kernels(delegated=False))

    def _set_inputs(self, inputs: Sequence[Array]) -> None:
        if len(inputs) != len(self.inputs):
            raise MeasureError(
                "litert-inputs", f"the file takes {len(self.inputs)} inputs, got {len(inputs)}"
            )
        for index, info, array in zip(self._input_indices, self.inputs, inputs, strict=True):
            if array.dtype != info.dtype or array.shape != info.shape:
                raise MeasureError(
                    "litert-inputs",
                    f"input `{info.name}` is {info.dtype}{list(info.shape)}, "
                    f"got {array.dtype}{list(array.shape)}",
                )
            self._interpreter.set_tensor(index, np.asarray(array, order="C"))

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise MeasureError(
                "litert-run", "LiteRT failed to run the file", notes=_lines(str(error))
            ) from None


def _library() -> Any:
    """LiteRT's interpreter, or TFLite's: its former name, by which boards may still have it."""
    if find_spec("ai_edge_litert") is None:
        return import_module("tflite_runtime.interpreter")
    from ai_edge_litert import interpreter

    return interpreter


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MeasureError("unreadable", f"cannot read {path}", notes=[str(error)]) from None


def _tensor_info(detail: Mapping[str, Any]) -> TensorInfo:
    quant: Mapping[str, Any] = detail["quantization_parameters"]
    quantised = len(quant["scales"]) == 1
    return TensorInfo(
        name=str(detail["name"]),
        shape=tuple(int(extent) for extent in detail["shape"]),
        dtype=np.dtype(detail["dtype"]),
        scale=float(quant["scales"][0]) if quantised else None,
        zero_point=int(quant["zero_points"][0]) if quantised else None,
    )


def _inside(
    operators: Sequence[Mapping[str, Any]], partitions: Sequence[Mapping[str, Any]]
) -> set[int]:
    """The operators that some partition computes: those between its inputs and its outputs."""
    producer = {
        int(tensor): detail for detail in operators for tensor in detail["outputs"] if tensor >= 0
    }
    inside: set[int] = set()
    for partition in partitions:
        border = set(map(int, partition["inputs"]))
        wanted = [int(tensor) for tensor in partition["outputs"]]
        while wanted:
            tensor = wanted.pop()
            detail = producer.get(tensor)
            if tensor in border or detail is None or detail["index"] in inside:
                continue
            inside.add(detail["index"])
            wanted.extend(map(int, detail["inputs"]))
    return inside


@contextmanager
def _translated(stage: str, message: str) -> Generator[None]:
    """LiteRT's exceptions as `MeasureError`, with what it wrote to the standard error as notes."""
    with _scratch_file() as log:
        try:
            with _stderr_into(log):
                yield
        except (RuntimeError, ValueError) as error:
            notes = [*_lines(str(error)), *_written(log)]
            raise MeasureError(
                f"litert-{stage}", message, notes=list(dict.fromkeys(notes))
            ) from None
        for line in _written(log):
            print(line, file=sys.stderr)  # noqa: T201


def _scratch_file() -> IO[bytes]:
    """A file without a name, in memory where the system has such: every model made takes one."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("litert-stderr"), "w+b")
    return tempfile.TemporaryFile()


@contextmanager
def _stderr_into(log: IO[bytes]) -> Generator[None]:
    """Send the process's standard error to `log`: LiteRT writes past `sys.stderr`.

    One thread at a time, since a process has one standard error.
    """
    with _STDERR_LOCK:
        sys.stderr.flush()
        saved = os.dup(_STDERR)
        try:
            os.dup2(log.fileno(), _STDERR)
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)


def _written(log: IO[bytes]) -> list[str]:
    log.seek(0)
    lines = _lines(log.read().decode(errors="replace"))
    return [line for line in lines if not line.startswith(_CHATTER)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
