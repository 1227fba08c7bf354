"""Two model files on the same inputs: how far apart are their outputs?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fpc.backends.onnx.file import OnnxFile
from fpc.backends.tflite.emitter import PROVENANCE_KEY
from fpc.backends.tflite.reader import read
from fpc.diagnostics.errors import FpcError, UsageError
from fpc.driver.model_file import require_model_files
from fpc.frontends.samples import Preprocessing, load_samples
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType
from fpc.measure.litert.model import LiteRtModel, TensorInfo

_TO_CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class OutputDifference:
    """How two models' results for one output differ, over all samples."""

    name: str
    elements: int
    largest: float
    sqnr_db: float
    cosine: float
    agreement: float
    """Percentage of samples whose greatest element is at the same place."""


class Model(Protocol):
    """A file that runs on real-valued NCHW inputs and gives real-valued NCHW outputs."""

    @property
    def inputs(self) -> tuple[TensorType, ...]:
        """Its inputs, feature maps in NCHW."""
        ...

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names."""
        ...

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' names."""
        ...

    def run(
        self, inputs: Sequence[Array], shapes: Sequence[tuple[int, ...]], /
    ) -> tuple[Array, ...]:
        """The outputs; a 4-D one that can be read in either layout gets the one of `shapes`."""
        ...


def open_models(
    first: Path, second: Path, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Model, Model]:
    """Both model files; `UsageError` unless they are .onnx or .tflite.

    A .tflite file does not say which of its axes are channels: where the other file is ONNX, its
    shapes decide.
    """
    require_model_files((first, second), "compare")
    opened: dict[Path, Model] = {
        path: _Onnx(OnnxFile(path, shapes)) for path in (first, second) if path.suffix == ".onnx"
    }
    known = [t.shape for model in opened.values() for t in model.inputs]
    for path in (first, second):
        if path not in opened:
            opened[path] = _TfLite(path, known)
    return opened[first], opened[second]


def compare_files(
    first: Path,
    second: Path,
    *,
    samples: Path | None,
    preprocessing: Preprocessing,
    shapes: Mapping[str, tuple[int, ...]],
    count: int,
    seed: int,
) -> tuple[OutputDifference, ...]:
    """Run both files on the samples, or on `count` random inputs, and compare output by output.

    The first file is the reference. `UsageError` when inputs or outputs do not correspond.
    """
    reference, other = open_models(first, second, shapes)
    if [t.shape for t in reference.inputs] != [t.shape for t in other.inputs]:
        raise UsageError(
            "inputs-differ",
            f"{first} takes {_shapes(reference)}, {second} takes {_shapes(other)}",
            help="both must take the same inputs in the same order; --input-shape fixes unknown "
            "extents",
        )
    graph = Graph("inputs")
    for name, kind in zip(reference.input_names, reference.inputs, strict=True):
        graph.add_input(name, kind)
    if samples is not None:
        feeds = list(load_samples(samples, graph, preprocessing, limit=count))
    else:
        generator = np.random.default_rng(seed)
        feeds = [
            tuple(
                generator.standard_normal(kind.shape).astype(np.float32)
                for kind in reference.inputs
            )
            for _ in range(count)
        ]
    collected: list[tuple[tuple[Array, ...], tuple[Array, ...]]] = []
    for feed in feeds:
        expected = reference.run(feed, ())
        collected.append((expected, other.run(feed, [array.shape for array in expected])))
    outputs = len(collected[0][0])
    if any(len(got) != outputs for _, got in collected):
        raise UsageError("outputs-differ", f"{first} and {second} differ in their outputs' number")
    return tuple(
        _difference(
            reference.output_names[index],
            [expected[index] for expected, _ in collected],
            [got[index] for _, got in collected],
        )
        for index in range(outputs)
    )


def _difference(name: str, expected: list[Array], got: list[Array]) -> OutputDifference:
    if any(a.size != b.size for a, b in zip(expected, got, strict=True)):
        raise UsageError(
            "outputs-differ",
            f"output `{name}` has shapes {list(expected[0].shape)} and {list(got[0].shape)}",
        )
    want = np.stack([np.ravel(array) for array in expected]).astype(np.float64)
    have = np.stack([np.ravel(array) for array in got]).astype(np.float64)
    noise = float(np.square(want - have).sum())
    signal = float(np.square(want).sum())
    norms = float(np.linalg.norm(want) * np.linalg.norm(have))
    return OutputDifference(
        name,
        want.size,
        float(np.abs(want - have).max(initial=0.0)),
        10.0 * float(np.log10(signal / noise)) if noise and signal else float("inf"),
        float((want * have).sum()) / norms if norms else 1.0,
        100.0 * float((want.argmax(1) == have.argmax(1)).mean()),
    )


class _Onnx:
    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self.inputs = tuple(TensorType(DType.F32, port.shape) for port in file.inputs)
        self.input_names = tuple(port.name for port in file.inputs)
        self.output_names = file.outputs

    def run(self, inputs: Sequence[Array], _: Sequence[tuple[int, ...]]) -> tuple[Array, ...]:
        feeds = [
            array.astype(port.dtype, copy=False)
            for array, port in zip(inputs, self._file.inputs, strict=True)
        ]
        return tuple(self._file(feeds))


class _TfLite:
    def __init__(self, path: Path, known: Sequence[tuple[int, ...]]) -> None:
        self._model = LiteRtModel(path)
        self._channels_last = _is_channels_last(path)
        self.input_names = tuple(info.name for info in self._model.inputs)
        self.output_names = tuple(info.name for info in self._model.outputs)
        wanted = known if len(known) == len(self._model.inputs) else [()] * len(self._model.inputs)
        self._orders = [
            self._order(info.shape, shape)
            for info, shape in zip(self._model.inputs, wanted, strict=True)
        ]
        self.inputs = tuple(
            TensorType(DType.F32, tuple(info.shape[axis] for axis in order))
            for info, order in zip(self._model.inputs, self._orders, strict=True)
        )

    def run(self, inputs: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> tuple[Array, ...]:
        feeds = [
            _quantised(np.ascontiguousarray(array.transpose(np.argsort(order))), info)
            for array, info, order in zip(inputs, self._model.inputs, self._orders, strict=True)
        ]
        outputs = self._model(feeds)
        wanted = shapes if len(shapes) == len(outputs) else [()] * len(outputs)
        return tuple(
            _real(array, info).transpose(self._order(array.shape, shape))
            for array, info, shape in zip(outputs, self._model.outputs, wanted, strict=True)
        )

    def _order(self, stored: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of a tensor of the file in the order N, C, H, W."""
        as_stored = tuple(range(len(stored)))
        if len(stored) != 4:
            return as_stored
        orders = [_TO_CHANNELS_FIRST, as_stored]
        if not self._channels_last:
            orders.reverse()
        fitting = (o for o in orders if tuple(stored[axis] for axis in o) == wanted)
        return next(fitting, orders[0])


def _is_channels_last(path: Path) -> bool:
    """Whether the 4-D inputs and outputs of a .tflite file are NHWC, as they are by convention.

    Files of `fpc compile --io-layout nchw` say that theirs are not.
    """
    try:
        provenance: object = json.loads(read(path).metadata.get(PROVENANCE_KEY, b"{}"))
    except (FpcError, ValueError):
        return True
    match provenance:
        case {"io_layout": "nchw"}:
            return False
        case _:
            return True


def _quantised(array: Array, info: TensorInfo) -> Array:
    if not info.scale:
        return array.astype(info.dtype, copy=False)
    limits = np.iinfo(info.dtype)
    levels = np.rint(array / info.scale) + info.zero_point
    return np.clip(levels, limits.min, limits.max).astype(info.dtype)


def _real(array: Array, info: TensorInfo) -> Array:
    if not info.scale:
        return array
    return (array.astype(np.float32) - np.float32(info.zero_point)) * np.float32(info.scale)


def _shapes(model: Model) -> str:
    return ", ".join(map(str, model.inputs))
