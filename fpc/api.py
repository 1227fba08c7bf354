"""fpc as a library: load, optimize, quantize, compile, to_relax.

Graphs are fpc's own (`fpc.Graph`); a model may also be given and taken as ONNX, so that fpc can be
a pre-pass of another compiler: `fpc.optimize(model_proto)` gives an optimised `ModelProto`, with
`precision="int8"` one in QDQ form.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from fpc.backends.onnx.emit import emit as emit_onnx
from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.compile import Compiled, compile_model
from fpc.driver.options import (
    BackendName,
    CompileOptions,
    IoLayout,
    IoType,
    Precision,
    SampleSource,
)
from fpc.driver.phases.integer_source import integer_precision
from fpc.driver.phases.lower import set_io
from fpc.driver.phases.prepare import Stage, imported_from, start
from fpc.driver.phases.quantise import Quantised, quantise
from fpc.frontends.samples import Preprocessing
from fpc.ir.graph import Graph
from fpc.targets import catalog

if TYPE_CHECKING:
    from onnx import ModelProto
    from tvm.ir import IRModule

    from fpc.targets.description import Target

    Onnx: TypeAlias = Path | str | bytes | ModelProto

PrecisionName = Literal["float32", "int8", "int16"]
_NO_SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({})
_RAW = Preprocessing()


def load(
    model: Onnx,
    *,
    input_shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    simplify: bool = True,
) -> Graph:
    """The float NCHW graph of an ONNX model (path, bytes or `ModelProto`).

    `input_shapes` fixes inputs by name; an unknown batch becomes 1 by itself. Raises `ModelError`,
    `UnsupportedOpError`, `DynamicShapeError`.
    """
    return imported_from(model, input_shapes, simplify=simplify).graph


@overload
def optimize(
    model: Graph,
    *,
    pipeline: str = "optimise",
    precision: PrecisionName = "float32",
    calibration: SampleSource | None = None,
    preprocessing: Preprocessing = _RAW,
    target: str = "rpi4-arm",
    verify: bool = False,
) -> Graph: ...
@overload
def optimize(
    model: Onnx,
    *,
    pipeline: str = "optimise",
    precision: PrecisionName = "float32",
    calibration: SampleSource | None = None,
    preprocessing: Preprocessing = _RAW,
    target: str = "rpi4-arm",
    verify: bool = False,
) -> ModelProto: ...
def optimize(
    model: Graph | Onnx,
    *,
    pipeline: str = "optimise",
    precision: PrecisionName = "float32",
    calibration: SampleSource | None = None,
    preprocessing: Preprocessing = _RAW,
    target: str = "rpi4-arm",
    verify: bool = False,
) -> Graph | ModelProto:
    """`model` after `pipeline`, a preset or passes as text: a graph for a graph, ONNX for ONNX.

    With `precision="int8"` the result is quantised too: an integer graph, or ONNX in QDQ form whose
    inputs and outputs stay float32, so that it can stand where the model stood. A model that is
    quantised already keeps its integers. `verify` checks the graph and its numbers after every
    pass. `QuantError` (`quant.degraded`) when the best integer network is poor.
    """
    wanted = Precision.named(precision)
    imported = imported_from(model)
    stage = start(imported.graph).then(pipeline, verify=verify)
    graph = stage.graph
    if wanted is not Precision.FLOAT32 and integer_precision(graph) is None:
        options = CompileOptions(
            target=target,
            precision=Precision.named(precision),
            calibration=calibration,
            preprocessing=preprocessing,
        )
        graph = _quantised(imported.graph, stage, options).graph
    if isinstance(model, Graph):
        return graph
    if integer_precision(graph) is not None:
        set_io(graph, "float32", "float32")
    return emit_onnx(graph, input_names=imported.input_names, output_names=imported.output_names)


def quantize(  # noqa: PLR0913 - options are keywords
    graph: Graph,
    calibration: SampleSource | None = None,
    *,
    target: str = "rpi4-arm",
    backend: BackendName | None = None,
    precision: Literal["int8", "int16"] = "int8",
    recipe: str = "auto",
    preprocessing: Preprocessing = _RAW,
    allow_degraded: bool = False,
    progress: Progress = silent,
) -> Quantised:
    """The integer form of a float graph, and how good it is.

    The graph is optimised and legalised for `target` first. Without `calibration` the quantisation
    is data-free. `QuantError` (`quant.degraded`) when the best result is poor, unless
    `allow_degraded`.

    `backend` is what is to compile the graph, by itself the target's own: it decides about number
    formats. With `precision="int16"` weights are int8, as TensorFlow Lite's format has them; with
    `backend="tvm"` they are int16, of as many bits as the sums of fpc's own kernels hold. The graph
    is the one that `compile` makes of the same options.
    """
    options = CompileOptions(
        target=target,
        backend=backend,
        precision=Precision.named(precision),
        calibration=calibration,
        preprocessing=preprocessing,
        recipe=recipe,
        allow_degraded=allow_degraded,
    )
    if integer_precision(graph) is not None:
        raise UsageError(
            "quantised-already",
            f"@{graph.name} holds integers already, and no float network to quantise",
            help="quantise the float graph it was made from; `fpc.compile` takes it as it is",
        )
    pipelines = _target_of(options).pipelines
    stage = start(graph).then(pipelines.optimise).then(pipelines.legalise)
    return _quantised(graph, stage, options, progress)


def compile(  # noqa: A001, PLR0913 - the field's word; options are keywords
    model: Graph | Onnx,
    *,
    target: str = "rpi4-arm",
    backend: BackendName | None = None,
    precision: PrecisionName = "float32",
    calibration: SampleSource | None = None,
    evaluation: SampleSource | None = None,
    preprocessing: Preprocessing = _RAW,
    recipe: str = "auto",
    input_shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    input_type: IoType | None = None,
    output_type: IoType | None = None,
    io_layout: IoLayout = "nhwc",
    image_input: bool = False,
    swap_activations: tuple[str, ...] = (),
    verify: bool = False,
    allow_degraded: bool = False,
    simplify: bool = True,
    progress: Progress = silent,
) -> Compiled:
    """What `fpc compile` does, in memory: the result holds the file, the graphs and the report.

    `Compiled.write(directory)` makes the artifact. Options are those of the command.
    """
    options = CompileOptions(
        target=target,
        backend=backend,
        precision=Precision.named(precision),
        calibration=calibration,
        evaluation=evaluation,
        preprocessing=preprocessing,
        recipe=recipe,
        input_shapes=input_shapes,
        input_type=input_type,
        output_type=output_type,
        io_layout=io_layout,
        image_input=image_input,
        swap_activations=swap_activations,
        simplify=simplify,
        verify=verify,
        allow_degraded=allow_degraded,
    )
    return compile_model(model, options, progress)


def to_relax(graph: Graph, *, target: str = "host", io_layout: IoLayout = "nhwc") -> IRModule:
    """An optimised graph, as a rule an integer one, as a module of TVM scheduled for `target`.

    The function `main` takes the inputs and gives the outputs, a tuple where there are several;
    constants are inside. What to build it for is the attribute `target`:
    `relax.build(module, module.attrs["target"])`, with any of Relax's pipelines. The graph is that
    of `fpc.optimize`, of `fpc.quantize` or of `Compiled`. `MissingBackendError` without TVM,
    `UnsupportedOpError` for an operator without a kernel, `BackendError` for a target that has
    none.
    """
    from fpc.driver.relax import relax_module

    return relax_module(graph, target, io_layout)


def _quantised(
    source: Graph, stage: Stage, options: CompileOptions, progress: Progress = silent
) -> Quantised:
    target = _target_of(options)
    return quantise(source, stage.graph, target, options, options.preprocessing, progress)


def _target_of(options: CompileOptions) -> Target:
    return catalog.load(options.target).compiled_by(options.backend)
