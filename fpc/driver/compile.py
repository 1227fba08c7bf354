"""The whole road: a model in, an artifact out."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import QuantError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import digest, write_directory
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.phases.backend import Backend, Verify, backend_for
from fpc.driver.phases.describe import describe_model, describe_passes, describe_placement
from fpc.driver.phases.evaluate import doubts, evaluate, poor_accuracy
from fpc.driver.phases.image_input import take_image_bytes
from fpc.driver.phases.integer_source import (
    integer_precision,
    notes_on_integers,
    require_possible,
)
from fpc.driver.phases.io_types import set_io_types, type_names
from fpc.driver.phases.lower import float_runner, set_layout
from fpc.driver.phases.prepare import describe_source, imported_from, naming, start
from fpc.driver.phases.quantise import Quantised, offers_int16, quantise
from fpc.driver.phases.swap import swap_activations
from fpc.driver.phases.verify import Unverified
from fpc.driver.predict.by_cost_model import predict_compiled
from fpc.frontends.samples import load_samples
from fpc.interp.numerics import Numerics
from fpc.ir.graph import Graph
from fpc.report.schema import AccuracyPart, FilePart, Report, SwapPart, VerificationPart
from fpc.targets import catalog
from fpc.targets.description import Target

if TYPE_CHECKING:
    from fpc.frontends.onnx.model_file import ModelSource

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "onnxsim")
REPORT_FILE = "report.json"
IR_FILE = "model.fpc"


@dataclass(frozen=True)
class Compiled:
    """A finished compilation in memory.

    `graph` is what the artifact computes, in the target's layout; `float_graph` the optimised
    network before quantisation, `source` as it was imported (both NCHW). `files` are the back
    end's; `model` is what runs: the .tflite file, or an archive of the files of TVM.
    """

    graph: Graph
    float_graph: Graph
    source: Graph
    files: Mapping[str, bytes]
    model: bytes
    report: Report

    def write(self, directory: Path | str) -> None:
        """Put the artifact at `directory`, whole or not at all."""
        write_directory(
            Path(directory),
            {
                **self.files,
                IR_FILE: self.graph.to_text().encode(),
                REPORT_FILE: self.report.to_json().encode(),
            },
        )


def compile_model(
    model: Graph | ModelSource, options: CompileOptions, progress: Progress = silent
) -> Compiled:
    """Compile an ONNX model (path, bytes, `ModelProto`) or a graph.

    Any `FpcError` names the model. `QuantError` (`quant.degraded`) when the best integer network
    found is poor and `options.allow_degraded` is not set.
    """
    with naming(model):
        lasting = options.with_lasting_samples()
        target = catalog.load(options.target).compiled_by(options.backend)
        backend = backend_for(target, options.tiles)
        with backend.verifying() as verify:
            return _compile(model, lasting, target, backend, verify, progress)


def _compile(
    model: Graph | ModelSource,
    options: CompileOptions,
    target: Target,
    backend: Backend,
    verify: Verify,
    progress: Progress,
) -> Compiled:
    timer = _Timer()
    with timer.stage("import"):
        imported = imported_from(model, options.input_shapes, simplify=options.simplify)
    notes = [*backend.notes, *imported.notes]
    source_precision = integer_precision(imported.graph)
    if source_precision is not None:
        require_possible(imported.graph, options)
        notes += notes_on_integers(options)
    precision = source_precision or options.precision
    preprocessing = options.preprocessing
    with timer.stage("optimise"):
        stage = start(imported.graph).then(target.pipelines.optimise, verify=options.verify)
        if options.image_input:
            stage, preprocessing = take_image_bytes(stage, preprocessing)
    given = stage.graph
    swaps: tuple[SwapPart, ...] = ()
    if source_precision is None:
        with timer.stage("swap"):
            stage, swaps = swap_activations(stage, options, preprocessing)
    notes += _about_swaps(swaps)
    with timer.stage("legalise"):
        stage = stage.then(target.pipelines.legalise, verify=options.verify)
    graph = stage.graph
    quantised: Quantised | None = None
    if options.is_quantised and source_precision is None:
        with timer.stage("quantise"):
            quantised = quantise(imported.graph, graph, target, options, preprocessing, progress)
    final = (quantised.graph if quantised is not None else graph).clone()
    with timer.stage("lower"):
        if precision is not Precision.FLOAT32:
            set_io_types(final, options, precision)
        set_layout(final, options.io_layout)
        emitted = backend.emit(
            final,
            {
                "tool": f"fpc {version('fpc')}",
                "target": target.name,
                "precision": precision.value,
                "io_layout": options.io_layout,
                "pipeline": str(stage.pipeline),
                "source_sha256": imported.sha256,
                "recipe": quantised.part.recipe if quantised is not None else "",
            },
        )
    with timer.stage("verify"):
        verification = verify(
            emitted, final, _numerics(options, precision, target.runtime.numerics)
        )
    accuracy: AccuracyPart | None = None
    if options.evaluation is not None:
        with timer.stage("evaluate"):
            samples = load_samples(options.evaluation, graph, preprocessing)
            shipped = quantised.graph if quantised is not None else graph
            accuracy = evaluate(samples, float_runner(given), backend.runner(shipped), progress)
            notes += doubts(accuracy, samples.origin)
            if quantised is not None and not any(swap.applied for swap in swaps):
                may_widen = offers_int16(target, precision)
                problem = poor_accuracy(accuracy, samples.origin, offers_int16=may_widen)
                notes += _accepted(problem, options)
    placement = describe_placement(graph, target, precision)
    report = Report(
        fpc=version("fpc"),
        target=target.name,
        precision=precision.value,
        model=describe_model(describe_source(model), imported, graph),
        input_type=type_names(final.inputs),
        output_type=type_names(final.outputs),
        io_layout=options.io_layout,
        versions=_versions((*_LIBRARIES, *backend.libraries)),
        pipeline=str(stage.pipeline),
        passes=describe_passes(stage.records),
        quantisation=quantised.part if quantised is not None else None,
        swaps=swaps,
        placement=placement,
        prediction=predict_compiled(graph, target, precision.value, placement),
        accuracy=accuracy,
        verification=None if isinstance(verification, Unverified) else verification,
        files=tuple(
            FilePart(name=name, bytes=len(content), sha256=digest(content))
            for name, content in emitted.files.items()
        ),
        notes=(
            *notes,
            *(quantised.notes if quantised is not None else ()),
            *_about_verification(verification),
        ),
        timings_ms=timer.stages_ms,
    )
    return Compiled(final, graph, imported.graph, emitted.files, emitted.content, report)


def _about_verification(found: VerificationPart | Unverified) -> list[str]:
    return [f"nobody has run it yet: {found.reason}"] if isinstance(found, Unverified) else []


def _about_swaps(swaps: tuple[SwapPart, ...]) -> list[str]:
    applied = sum(swap.applied for swap in swaps)
    if not applied:
        return []
    note = (
        f"{applied} activations became ReLU6, so this is another function than the model's: the "
        "guard compares with the float network after the swap, --eval with the one before. Train "
        "it again with ReLU6 before use"
    )
    return [note]


def _accepted(problem: QuantError | None, options: CompileOptions) -> list[str]:
    if problem is None:
        return []
    if not options.allow_degraded:
        raise problem
    return [f"{problem.message}; accepted by --allow-degraded"]


def _numerics(options: CompileOptions, precision: Precision, of_target: str) -> Numerics:
    if options.verify or precision is Precision.INT16:
        return Numerics.TFLITE_REFERENCE
    return Numerics(of_target)


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Timer:
    """Wall time by stage."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time the body under `name`."""
        started = time.perf_counter()
        yield
        self.stages_ms[name] = (time.perf_counter() - started) * 1e3
