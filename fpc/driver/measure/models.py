"""Models become requests, requests samples: what `fpc measure` and calibration are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import numpy as np

from fpc.backends.tflite.model import Model, Tensor
from fpc.backends.tflite.reader import read
from fpc.diagnostics.errors import FpcError, MeasureError, UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import digest
from fpc.driver.compile import compile_model
from fpc.driver.options import BackendName, CompileOptions, Precision
from fpc.driver.phases.backend import MODEL_FILE, backend_for
from fpc.driver.phases.prepare import describe_source
from fpc.driver.phases.watch import random_inputs
from fpc.interp import executor
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.measure.litert.runner import LiteRtRunner
from fpc.measure.protocol import Expected, Failure, MeasureConfig, Request, Runner, Timing
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.network_text import shape_only_text
from fpc.measure.samples.sample import Sample
from fpc.targets import catalog

_FLOAT_TOLERANCE = 1e-3
"""Largest error of a float output that is right, in parts of its greatest element."""
_STEPS = 1.0
"""Largest error of an integer output that is right whatever its noise."""
_SQNR_FLOOR_DB = 20.0
_SQNR_FLOOR_OF_KERNELS_DB = 10.0
"""Default and reference kernels round differently, layer after layer: only rubbish is below it."""
_RANDOM_SEED = 0
_QUICK_SAMPLES = 3

Prepare: TypeAlias = Callable[[Path | Graph], Request]
"""Makes the request for a model; see `prepare_request` and `known_as`."""


@dataclass(frozen=True)
class MeasureOptions:
    """How models that are not yet compiled become files.

    Without calibration images ranges come from synthetic ones, or from noise where it must be
    `quick`: what the numbers are does not change how long the kernels take. `tiles` is a table of
    tuned tiles for the back end tvm.
    """

    target: str = "host"
    backend: BackendName | None = None
    precision: Precision = Precision.INT8
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    quick: bool = False
    tiles: Path | None = None


def measure_models(
    models: Sequence[Path | Graph],
    prepare: Prepare,
    runner: Runner,
    config: MeasureConfig,
    *,
    rounds: int = 1,
    database: SampleDatabase | None = None,
    progress: Progress = silent,
) -> Iterator[Sample | Failure]:
    """Measure `models` in turn, `rounds` times over: what disturbs the machine then disturbs all.

    Every sample is in `database` before it is given back. Whatever is wrong with one model is its
    `Failure`, and it is not tried again in later rounds.
    """
    prepared: dict[int, Request] = {}
    failed: set[int] = set()
    total = rounds * len(models)
    for turn in range(total):
        progress("measure", turn, total)
        index = turn % len(models)
        if index in failed:
            continue
        try:
            if index not in prepared:
                prepared[index] = prepare(models[index])
            answer = _measure(prepared[index], runner, config)
        except FpcError as error:
            answer = Failure(name_of(models[index]), error)
        if isinstance(answer, Failure):
            failed.add(index)
            answer.error.model = describe_source(models[index])
        elif database is not None:
            database.add(answer)
        yield answer
    progress("measure", total, total)


def _measure(request: Request, runner: Runner, config: MeasureConfig) -> Sample | Failure:
    [answer] = runner.run([request], config)
    if isinstance(answer, Failure):
        return answer
    return sample_of(answer, request)


def sample_of(timing: Timing, request: Request) -> Sample:
    """What is kept of the `timing` of a `request`."""
    return Sample(timing, version("fpc"), request.multiply_adds, request.graph)


def notes_on_compiling(options: MeasureOptions) -> tuple[str, ...]:
    """What users should know of the way in which all models will be compiled.

    `FpcError` where none can be: see `backend_for`.
    """
    target = catalog.load(options.target).compiled_by(options.backend)
    return backend_for(target, options.tiles).notes


def prepare_request(model: Path | Graph, options: MeasureOptions, config: MeasureConfig) -> Request:
    """`model` compiled, with the outputs it must give.

    What is compiled here is held against the interpreter; a file that somebody else compiled
    against LiteRT's reference kernels.
    """
    if isinstance(model, Path) and model.suffix == ".tflite":
        return _of_file(model, config)
    known = known_as(model, options)
    compiled = compile_model(
        model,
        CompileOptions(
            target=options.target,
            backend=options.backend,
            precision=options.precision,
            input_shapes=options.input_shapes,
            calibration=_noise(model) if options.quick and isinstance(model, Graph) else None,
            recipe="min-max",
            allow_degraded=True,
            tiles=options.tiles,
        ),
    )
    return Request(
        name=known.name,
        content=compiled.model,
        model_sha256=known.model_sha256,
        precision=compiled.report.precision,
        expected=_expected(compiled.graph, options),
        multiply_adds=compiled.report.model.multiply_adds,
        graph=shape_only_text(compiled.float_graph),
    )


def _noise(graph: Graph) -> tuple[tuple[Array, ...], ...]:
    return tuple(random_inputs(graph, seed) for seed in range(_QUICK_SAMPLES))


def known_as(model: Path | Graph, options: MeasureOptions) -> Request:
    """`model` by its digest and precision, without a file to run."""
    precision = options.precision.value
    if isinstance(model, Graph):
        content = model.to_text().encode()
    else:
        content = _content(model)
        if model.suffix == ".tflite":
            precision = _precision(read(content))
    return Request(name_of(model), b"", digest(content), precision)


def name_of(model: Path | Graph) -> str:
    """The graph's or file's name; that of the artifact for the file in it."""
    if isinstance(model, Graph):
        return model.name
    return model.absolute().parent.name if model.name == MODEL_FILE else model.stem


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            "model-missing", f"cannot read {path}", notes=[str(error)], help="check the path"
        ) from None


def _expected(graph: Graph, options: MeasureOptions) -> Expected:
    numerics = (
        Numerics.TFLITE_REFERENCE
        if options.precision is Precision.INT16
        else Numerics(catalog.load(options.target).runtime.numerics)
    )
    inputs = random_inputs(graph, _RANDOM_SEED)
    outputs = executor.run(graph, inputs, numerics)
    is_integer = any(value.type.is_quantised for value in graph.values())
    floor_db = _SQNR_FLOOR_DB if is_integer else float("inf")
    return Expected(inputs, outputs, _tolerances(outputs), floor_db, f"fpc's {numerics.value}")


def _of_file(path: Path, config: MeasureConfig) -> Request:
    content = _content(path)
    file = read(content)
    generator = np.random.default_rng(_RANDOM_SEED)
    inputs = tuple(_random(generator, file.main.tensors[index]) for index in file.main.inputs)
    outputs = LiteRtRunner().outputs(content, inputs, config)
    is_integer = any(tensor.quant is not None for tensor in file.main.tensors)
    floor_db = _SQNR_FLOOR_OF_KERNELS_DB if is_integer else float("inf")
    oracle = "LiteRT's reference kernels"
    return Request(
        name=name_of(path),
        content=content,
        model_sha256=digest(content),
        precision=_precision(file),
        expected=Expected(inputs, outputs, _tolerances(outputs), floor_db, oracle),
    )


def _precision(file: Model) -> str:
    """The element type of most results that operators of the file pass on."""
    graph = file.main
    results = [t.dtype for operator in graph.operators for t in graph.results(operator)]
    return max(dict.fromkeys(results), key=results.count, default="float32")


def _tolerances(outputs: Sequence[Array]) -> tuple[float, ...]:
    return tuple(
        _STEPS
        if np.issubdtype(output.dtype, np.integer)
        else _FLOAT_TOLERANCE * max(float(np.abs(output).max(initial=0.0)), 1e-6)
        for output in outputs
    )


def _random(generator: np.random.Generator, tensor: Tensor) -> Array:
    """Standard normal reals, uniform quantised integers, zeros for what may be an index."""
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        raise MeasureError(
            "input-type",
            f"cannot make up values for input `{tensor.name}` of type {tensor.dtype}",
            help="measure takes files whose inputs are numbers",
        ) from None
    if dtype.kind == "f":
        return generator.standard_normal(tensor.shape).astype(dtype)
    if tensor.quant is not None:
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True)
    return np.zeros(tensor.shape, dtype)
